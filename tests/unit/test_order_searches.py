"""A region's answer to an administrator's search for the orders of a number."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import cast

import grpc
import pytest
from google.protobuf.json_format import ParseDict

from gateway.api.region.v1.order_oversight_service_pb2 import SearchOrderSummariesRequest, SearchOrderSummariesResponse
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused
from gateway.rpc.calls import Call, enter
from gateway.security.identity import Identity
from gateway.store.port import Store
from gateway.time.clock import Clock
from region_node.oversight.service import OrderOversightService
from tests.unit.purging import NOW, Archive, archive
from tests.unit.situations import LINE
from tests.unit.test_anomalies import Books

DONE, HELD = OrderState.ORDER_STATE_COMPLETED, OrderState.ORDER_STATE_HELD
COORDINATOR = Identity("crossregion.example", Role.ROLE_COORDINATOR, "", "0")
_CONTEXT = cast("grpc.aio.ServicerContext[SearchOrderSummariesRequest, SearchOrderSummariesResponse]", None)


@pytest.fixture(name="kept")
def what_a_region_keeps() -> Iterator[Archive]:
    with archive() as found:
        yield found


def searched(kept: Archive, number: str, **others: str) -> SearchOrderSummariesResponse:
    """The answer to a search."""
    clock = cast("Clock", SimpleNamespace(now=lambda: NOW))

    async def search() -> SearchOrderSummariesResponse:
        enter(Call(COORDINATOR, "SearchOrderSummaries", None))
        service = OrderOversightService(cast("Store", Books(kept)), "sichuan", clock)
        request = SearchOrderSummariesRequest(number=number, administrator="admin/li", search_id="S1", page_size=1)
        request.MergeFrom(ParseDict(others, SearchOrderSummariesRequest()))
        return await service.SearchOrderSummaries(request, _CONTEXT)

    return asyncio.run(search())


def test_a_region_finds_the_orders_of_a_number_and_its_audit_row_names_the_search_alone(kept: Archive) -> None:
    older = kept.order("R1", NOW - timedelta(days=2), DONE)
    newer = kept.order("R2", NOW - timedelta(days=1), HELD)
    first = searched(kept, LINE.number)
    last = searched(kept, LINE.number, page_token=first.next_page_token)
    assert [[each.id for each in page.orders] for page in (first, last)] == [[newer], [older]]
    assert searched(kept, "13900000000").orders == []
    rows = list(audit.rows(kept.tx))
    assert [(each.actor, each.action, each.subject, each.detail) for each in rows] == [
        ("coordinator/0", "SearchOrderSummaries", "search/S1", f"for admin/li, {count} read") for count in (1, 1, 0)
    ]


@pytest.mark.parametrize("others", [{"administrator": "li"}, {"search_id": "+8613812345678"}])
def test_a_search_without_an_administrator_or_an_id_is_refused_and_reads_nothing(
    kept: Archive, others: dict[str, str]
) -> None:
    with pytest.raises(Refused) as caught:
        searched(kept, LINE.number, **others)
    assert (caught.value.reason, list(audit.rows(kept.tx))) == (Reason.REASON_REQUEST_INVALID, [])
