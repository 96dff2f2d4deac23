"""A region's answer to an administrator's search for the orders of a number."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
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
from gateway.errors import Refused, retry_seconds
from gateway.rpc.calls import Call, enter
from gateway.security.identity import Identity
from gateway.store.port import Store
from gateway.time.clock import Clock
from region_node.care.escalations.rows import claim, note_delivered, waiting_sinks
from region_node.node.subjects import number_index
from region_node.oversight.searches import MOST_IN_HOUR, ORDER_SEARCHES, count_search
from region_node.oversight.service import OrderOversightService
from tests.unit.purging import NOW, Archive, archive
from tests.unit.situations import LINE
from tests.unit.test_anomalies import Books

DONE, HELD = OrderState.ORDER_STATE_COMPLETED, OrderState.ORDER_STATE_HELD
OTHER = "+8613900000000"
_CONTEXT = cast("grpc.aio.ServicerContext[SearchOrderSummariesRequest, SearchOrderSummariesResponse]", None)


@pytest.fixture(name="kept")
def what_a_region_keeps() -> Iterator[Archive]:
    with archive() as found:
        yield found


def searched(kept: Archive, number: str, coordinator: str = "0", **others: str) -> SearchOrderSummariesResponse:
    """The answer to a search by one of the coordinators."""
    clock = cast("Clock", SimpleNamespace(now=lambda: NOW))

    async def search() -> SearchOrderSummariesResponse:
        caller = Identity("crossregion.example", Role.ROLE_COORDINATOR, "", coordinator)
        enter(Call(caller, "SearchOrderSummaries", None))
        service = OrderOversightService(kept.context, cast("Store", Books(kept)), clock)
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


def test_a_stolen_key_learns_the_orders_of_few_numbers_whatever_coordinator_it_asks(kept: Archive) -> None:
    older = kept.order("R1", NOW - timedelta(days=2), DONE)
    kept.order("R2", NOW - timedelta(days=1), HELD)
    first = searched(kept, LINE.number)
    for number in range(1, MOST_IN_HOUR):
        count_search(kept.tx, kept.context, f"admin/{number % 6}", f"+8613900{number:06}", NOW)
    before = list(audit.rows(kept.tx))
    for coordinator, name in (("0", "admin/zhang"), ("1", "admin/li")):
        with pytest.raises(Refused) as caught:
            searched(kept, "13800000000", coordinator, administrator=name)
        assert (caught.value.reason, retry_seconds(caught.value)) == (Reason.REASON_ORDER_SEARCHES_TOO_MANY, 3600)
    last = searched(kept, LINE.number, page_token=first.next_page_token)
    assert [each.id for each in last.orders] == [older], "a further page belongs to a search that was counted"
    assert len(list(audit.rows(kept.tx))) == len(before) + 1, "a refused search writes nothing"


def test_numbers_that_were_searched_are_forgotten_after_a_day_and_with_their_customer(kept: Archive) -> None:
    for number in (LINE.number, OTHER):
        count_search(kept.tx, kept.context, "admin/li", number, NOW)
    forget_in(kept, NOW + timedelta(hours=23))
    ORDER_SEARCHES.erasure.forget["number"](kept.tx, number_index(kept.tx, OTHER))
    assert kept.tx.all(str, "SELECT number_index FROM order_searches_by_hour") == [number_index(kept.tx, LINE.number)]
    forget_in(kept, NOW + timedelta(hours=24))
    assert kept.count("order_searches_by_hour") == 0


def test_an_alert_is_forgotten_a_day_after_it_was_received_and_not_before(kept: Archive) -> None:
    context = replace(kept.context, sinks={"desk": 1, "sms": 1})
    for number in range(MOST_IN_HOUR):
        count_search(kept.tx, context, f"admin/{number % 6}", f"+8613900{number:06}", NOW)
    (received,) = claim(kept.tx, "desk", NOW, 9, timedelta(hours=1))
    note_delivered(kept.tx, received, NOW)
    forget_in(kept, NOW + timedelta(hours=23))
    assert kept.count("order_search_alerts") == 1
    forget_in(kept, NOW + timedelta(hours=24))
    assert (kept.count("escalation_notices"), kept.count("order_search_alerts")) == (2, 0)
    forget_in(kept, NOW + timedelta(hours=25))
    assert waiting_sinks(kept.tx) == ["sms"]
    assert kept.count("escalation_notices") == 1


def forget_in(kept: Archive, night: datetime) -> None:
    """What a purge forgets that begins then."""
    for kind in kept.registry.kinds:
        kind.retention.forget(kept.tx, night)
