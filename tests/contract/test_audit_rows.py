"""The rows of a region's audit chain as staff with the right read them, on both engines."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import grpc
import pytest

from gateway.api.region.v1 import audit_service_pb2 as api
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused
from gateway.rpc.calls import Call, enter
from gateway.rpc.pages import decode_token, encode_token
from gateway.security.identity import Identity
from gateway.store.port import Store, Transaction
from gateway.store.schema import migrations_of
from gateway.time.clock import to_timestamp
from region_node.node.operator_scopes import OperatorScopes
from region_node.oversight.audit_service import AuditService
from region_node.schema import PACKAGES
from tests.contract.stores import Adapter, run

NOW = datetime(2030, 6, 15, 4, tzinfo=UTC)
COUNTER, WANG = "region/sichuan/operator/counter", "region/sichuan/staff/wang"
_CONTEXT = cast("grpc.aio.ServicerContext[api.ListAuditRowsRequest, api.ListAuditRowsResponse]", None)


class Later:
    """A clock an hour after all rows of a test."""

    def now(self) -> datetime:
        return NOW + timedelta(hours=1)


@pytest.fixture(autouse=True)
def _small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("region_node.oversight.audit_rows.WINDOW", 3)
    monkeypatch.setattr("region_node.oversight.audit_rows.WINDOWS", 2)


async def acts(store: Store, rows: Sequence[tuple[str, str, str]], time: datetime = NOW) -> None:
    """Rows of actors, actions and subjects."""

    def add(tx: Transaction) -> None:
        for actor, action, subject in rows:
            audit.append(tx, now=time, actor=actor, action=action, subject=subject, detail="staff li")

    await store.write(add)


class Reader:
    """A member of staff of Sichuan who lists rows."""

    def __init__(self, store: Store, scopes: OperatorScopes, name: str = "auditor") -> None:
        self._name = name
        self._service = AuditService(store, store, scopes, Later())

    async def page(self, request: api.ListAuditRowsRequest) -> api.ListAuditRowsResponse:
        enter(Call(Identity("crossregion.example", Role.ROLE_STAFF, "sichuan", self._name), "ListAuditRows", None))
        return await self._service.ListAuditRows(request, _CONTEXT)

    async def all(self, request: api.ListAuditRowsRequest) -> list[int]:
        """The numbers of all rows, page by page."""
        found: list[int] = []
        while True:
            answer = await self.page(request)
            found += [each.sequence for each in answer.rows]
            request.page_token = answer.next_page_token
            if not request.page_token:
                return found


def scenario(adapter: Adapter, told: Callable[[Store], Awaitable[None]]) -> None:
    async def body() -> None:
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            await told(store)

    run(body())


def test_each_filter_selects_its_rows_and_pages_have_each_row_once(adapter: Adapter) -> None:
    async def told(store: Store) -> None:
        await acts(store, [(WANG, "GetOrder", "o-1"), (COUNTER, "GetOrder", "o-2")], NOW - timedelta(hours=2))
        await acts(store, [(COUNTER, "SubmitOrder", "o-3")] * 8)
        await acts(store, [(COUNTER, "DENIED", "/gateway.api.region.v1.OrderService/GetOrder")])
        await acts(store, [("region/henan", "DENIED", "Deliver")])
        reader, hour_before = Reader(store, OperatorScopes()), to_timestamp(NOW - timedelta(hours=1))

        expected = [
            (api.ListAuditRowsRequest(), list(range(12, 0, -1))),
            (api.ListAuditRowsRequest(actor=WANG), [1]),
            (api.ListAuditRowsRequest(action="GetOrder"), [11, 2, 1]),
            (api.ListAuditRowsRequest(action="Deliver"), [12]),
            (api.ListAuditRowsRequest(action="Get_rder"), []),
            (api.ListAuditRowsRequest(action="getorder"), []),
            (api.ListAuditRowsRequest(action="Order"), []),
            (api.ListAuditRowsRequest(action="GetOrder", denied=True), [11]),
            (api.ListAuditRowsRequest(subject="o-2"), [2]),
            (api.ListAuditRowsRequest(denied=True), [12, 11]),
            (api.ListAuditRowsRequest(start_time=hour_before), list(range(12, 2, -1))),
            (api.ListAuditRowsRequest(end_time=hour_before), [2, 1]),
            (api.ListAuditRowsRequest(actor="nobody"), []),
        ]
        for request, numbers in expected:
            request.page_size = 2
            if not request.HasField("end_time"):  # without the rows of the readings themselves
                request.end_time.CopyFrom(to_timestamp(NOW + timedelta(minutes=1)))
            assert await reader.all(request) == numbers, request
            request.in_reverse = True
            assert await reader.all(request) == numbers[::-1], request

    scenario(adapter, told)


def test_a_page_looks_at_a_limited_number_of_rows_and_the_next_one_goes_on_behind_them(adapter: Adapter) -> None:
    async def told(store: Store) -> None:
        await acts(store, [(WANG, "GetOrder", "o-1")] + [(COUNTER, "SubmitOrder", "o-3")] * 7)
        reader, request = Reader(store, OperatorScopes()), api.ListAuditRowsRequest(actor=WANG)
        first = await reader.page(request)
        assert (list(first.rows), bool(first.next_page_token)) == ([], True)
        request.page_token = first.next_page_token
        second = await reader.page(request)
        assert ([each.subject for each in second.rows], second.next_page_token) == (["o-1"], "")
        first = await reader.page(api.ListAuditRowsRequest(actor=WANG, in_reverse=True))
        assert ([each.subject for each in first.rows], bool(first.next_page_token)) == (["o-1"], True)

    scenario(adapter, told)


def test_the_oldest_rows_first_end_with_the_newest_row_that_the_first_page_found(adapter: Adapter) -> None:
    async def told(store: Store) -> None:
        await acts(store, [(COUNTER, "SubmitOrder", "o-3")] * 7)
        reader = Reader(store, OperatorScopes())
        assert await reader.all(api.ListAuditRowsRequest(page_size=1, in_reverse=True)) == list(range(1, 8))
        assert await reader.all(api.ListAuditRowsRequest(page_size=1, in_reverse=True, actor=WANG)) == []

    scenario(adapter, told)


def test_a_page_token_leads_on_in_its_own_direction_only(adapter: Adapter) -> None:
    async def told(store: Store) -> None:
        await acts(store, [(COUNTER, "SubmitOrder", "o-3")] * 3)
        reader = Reader(store, OperatorScopes())
        for in_reverse in (False, True):
            request = api.ListAuditRowsRequest(page_size=1, in_reverse=in_reverse)
            request.page_token = (await reader.page(request)).next_page_token
            request.in_reverse = not in_reverse
            with pytest.raises(Refused) as refused:
                await reader.page(request)
            assert refused.value.reason == Reason.REASON_TOKEN_INVALID

    scenario(adapter, told)


def test_a_page_token_of_the_oldest_rows_first_says_nothing_to_versions_that_know_one_direction(
    adapter: Adapter,
) -> None:
    async def told(store: Store) -> None:
        await acts(store, [(COUNTER, "SubmitOrder", "o-3")] * 3)
        request = api.ListAuditRowsRequest(page_size=1, in_reverse=True)
        token = (await Reader(store, OperatorScopes()).page(request)).next_page_token
        with pytest.raises(Refused) as refused:
            decode_token("audit-rows", token)
        assert refused.value.reason == Reason.REASON_TOKEN_INVALID

    scenario(adapter, told)


def test_a_reading_is_a_row_of_its_reader_which_takes_no_text_of_theirs_that_no_row_has(adapter: Adapter) -> None:
    async def told(store: Store) -> None:
        await acts(store, [(COUNTER, "GetOrder", "o-1")])
        reader = Reader(store, OperatorScopes())
        for subject in ("o-1", "+8619844000001"):
            await reader.page(api.ListAuditRowsRequest(subject=subject))
        rows = await store.read(lambda tx: audit.last_rows(tx, 2))
        assert [(each.actor, each.action, each.subject, each.detail) for each in rows] == [
            ("region/sichuan/staff/auditor", "ListAuditRows", "o-1", "staff auditor, 1 read"),
            ("region/sichuan/staff/auditor", "ListAuditRows", "-", "staff auditor, 0 read"),
        ]

    scenario(adapter, told)


def test_staff_whose_scope_does_not_name_the_service_read_no_row(adapter: Adapter, tmp_path: Path) -> None:
    file = tmp_path / "operators.toml"
    file.write_text('["staff/*"]\nbusinesses = ["*"]\n["staff/auditor"]\nservices = ["AuditService"]\n')
    scopes = OperatorScopes(file)

    async def told(store: Store) -> None:
        await Reader(store, scopes).page(api.ListAuditRowsRequest())
        with pytest.raises(Refused) as refused:
            await Reader(store, scopes, "wang").page(api.ListAuditRowsRequest())
        assert refused.value.reason == Reason.REASON_OPERATOR_SCOPE_MISSING
        assert refused.value.parameters == {"operator": "staff/wang", "name": "AuditService"}
        assert [each.actor for each in await store.read(lambda tx: audit.last_rows(tx, 9))] == [
            "region/sichuan/staff/auditor"
        ]

    scenario(adapter, told)


def test_filters_of_another_form_are_refused(adapter: Adapter) -> None:
    wrong = [
        api.ListAuditRowsRequest(action="Get%"),
        api.ListAuditRowsRequest(actor="a" * 257),
        api.ListAuditRowsRequest(subject="a" * 257),
        api.ListAuditRowsRequest(page_size=501),
        api.ListAuditRowsRequest(page_token="1"),
        api.ListAuditRowsRequest(page_token=encode_token("audit-rows-in-reverse", "1"), in_reverse=True),
    ]

    async def told(store: Store) -> None:
        for request in wrong:
            with pytest.raises(Refused):
                await Reader(store, OperatorScopes()).page(request)

    scenario(adapter, told)
