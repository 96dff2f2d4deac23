"""Orders across regions, queried through a real coordinator from programmable region servers."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from google.protobuf.json_format import ParseDict

from coordinator.oversight.listings import NEWEST_JOINT_ORDERS, NEWEST_ORDERS
from gateway.api.coordinator.v1.administration_pb2 import (
    GetOrderTraceRequest,
    GetOrderTraceResponse,
    ListJointOrderSummariesRequest,
    ListJointOrderSummariesResponse,
    ListOrderSummariesRequest,
    ListOrderSummariesResponse,
    SearchOrderSummariesRequest,
    SearchOrderSummariesResponse,
    SuspendRegionRequest,
)
from gateway.api.coordinator.v1.administration_pb2_grpc import MembershipServiceStub, OrderOversightServiceStub
from gateway.api.region.v1 import order_oversight_service_pb2 as region_contract
from gateway.api.region.v1.order_oversight_service_pb2 import JointOrderSummary, OrderSummary
from gateway.api.region.v1.order_oversight_service_pb2_grpc import (
    OrderOversightServiceServicer,
    add_OrderOversightServiceServicer_to_server,
)
from gateway.api.region.v1.order_pb2 import OrderState, StateChange
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, reason_name
from gateway.rpc.channels import invoke
from gateway.rpc.server import Service
from gateway.time.clock import to_timestamp
from tests.contract.coordinators import (
    ADMIN,
    ANSWER_S,
    PATIENCE_S,
    Federation,
    federation,
    join_request,
    keys_of,
    refused,
    run,
    unhurried,
)
from tests.contract.small_federation import NOTHING_LISTENS, Certificates, serving

HENAN, SICHUAN = "henan", "sichuan"
START = datetime(2026, 11, 24, 12, tzinfo=UTC)
SERVICE = region_contract.DESCRIPTOR.services_by_name["OrderOversightService"]
DONE, IN_PROGRESS = OrderState.ORDER_STATE_COMPLETED, OrderState.ORDER_STATE_IN_PROGRESS
HELD = OrderState.ORDER_STATE_HELD


def order(
    number: int,
    state: OrderState.ValueType = DONE,
    *,
    version: int = 1,
    handling: str = HENAN,
    home: str = SICHUAN,
) -> OrderSummary:
    return OrderSummary(
        id=f"{handling}/counter/R{number}",
        business="SUSPEND",
        state=state,
        version=version,
        origin_region=handling,
        home_region=home,
        create_time=to_timestamp(START + timedelta(minutes=number)),
    )


class Region(OrderOversightServiceServicer):
    """Knows the orders that it is given."""

    def __init__(self, known: Sequence[OrderSummary | JointOrderSummary]) -> None:
        self.orders = [each for each in known if isinstance(each, OrderSummary)]
        self.joint = [each for each in known if isinstance(each, JointOrderSummary)]
        self.is_old = False
        self.asked: list[region_contract.ListOrderSummariesRequest] = []
        self.searches: list[region_contract.SearchOrderSummariesRequest] = []
        self.hangs = False
        self.refuses: Refused | None = None
        self.spoil: Callable[[OrderSummary], object] | None = None
        self.largest_page = 500

    async def ListOrderSummaries(  # noqa: N802 - named by gRPC
        self,
        request: region_contract.ListOrderSummariesRequest,
        context: grpc.aio.ServicerContext[
            region_contract.ListOrderSummariesRequest, region_contract.ListOrderSummariesResponse
        ],
    ) -> region_contract.ListOrderSummariesResponse:
        self.asked.append(request)
        if self.hangs:
            await asyncio.Event().wait()
        found = [
            each
            for each in sorted(self.orders, key=NEWEST_ORDERS.key, reverse=True)
            if (not request.states or each.state in request.states)
            and request.region in ("", each.origin_region, each.home_region)
        ]
        begin = int(request.page_token or 0)
        end = begin + min(request.page_size, self.largest_page)
        answer = region_contract.ListOrderSummariesResponse(
            orders=found[begin:end], next_page_token=str(end) if end < len(found) else ""
        )
        if self.spoil is not None:
            self.spoil(answer.orders[0])
        return answer

    async def SearchOrderSummaries(  # noqa: N802 - named by gRPC
        self,
        request: region_contract.SearchOrderSummariesRequest,
        context: grpc.aio.ServicerContext[
            region_contract.SearchOrderSummariesRequest, region_contract.SearchOrderSummariesResponse
        ],
    ) -> region_contract.SearchOrderSummariesResponse:
        if self.is_old:
            raise Refused(Reason.REASON_METHOD_UNKNOWN, method="SearchOrderSummaries")
        if self.refuses is not None:
            raise self.refuses
        self.searches.append(request)
        found = sorted(self.orders, key=NEWEST_ORDERS.key, reverse=True)
        begin = int(request.page_token or 0)
        end = begin + request.page_size
        return region_contract.SearchOrderSummariesResponse(
            orders=found[begin:end], next_page_token=str(end) if end < len(found) else ""
        )

    async def ListJointOrderSummaries(  # noqa: N802 - named by gRPC
        self,
        request: region_contract.ListJointOrderSummariesRequest,
        context: grpc.aio.ServicerContext[
            region_contract.ListJointOrderSummariesRequest, region_contract.ListJointOrderSummariesResponse
        ],
    ) -> region_contract.ListJointOrderSummariesResponse:
        if self.is_old:
            raise Refused(Reason.REASON_METHOD_UNKNOWN, method="ListJointOrderSummaries")
        found = [
            each
            for each in sorted(self.joint, key=NEWEST_JOINT_ORDERS.key, reverse=True)
            if (not request.states or each.state in request.states)
            and request.region in ("", each.leader_region, *(item.region for item in each.items))
        ]
        begin = int(request.page_token or 0)
        end = begin + min(request.page_size, self.largest_page)
        return region_contract.ListJointOrderSummariesResponse(
            orders=found[begin:end], next_page_token=str(end) if end < len(found) else ""
        )

    async def GetOrderTrace(  # noqa: N802 - named by gRPC
        self,
        request: region_contract.GetOrderTraceRequest,
        context: grpc.aio.ServicerContext[region_contract.GetOrderTraceRequest, region_contract.GetOrderTraceResponse],
    ) -> region_contract.GetOrderTraceResponse:
        for each in self.orders:
            if each.id == request.order_id:
                change = StateChange(state=each.state, time=each.create_time, region=each.home_region)
                return region_contract.GetOrderTraceResponse(order=each, state_changes=[change])
        raise Refused(Reason.REASON_ORDER_NOT_FOUND, order=request.order_id)


@dataclass
class Overseen:
    """A coordinator and the regions that have joined it."""

    federation: Federation
    regions: dict[str, Region] = field(default_factory=dict)

    async def list(self, request: ListOrderSummariesRequest, timeout: float = PATIENCE_S) -> ListOrderSummariesResponse:
        stub = OrderOversightServiceStub(self.federation.as_(ADMIN))
        return await invoke(stub.ListOrderSummaries, request, timeout)

    async def search(self, request: SearchOrderSummariesRequest) -> SearchOrderSummariesResponse:
        stub = OrderOversightServiceStub(self.federation.as_(ADMIN))
        return await invoke(stub.SearchOrderSummaries, request, PATIENCE_S)

    async def list_joint(self, request: ListJointOrderSummariesRequest) -> ListJointOrderSummariesResponse:
        stub = OrderOversightServiceStub(self.federation.as_(ADMIN))
        return await invoke(stub.ListJointOrderSummaries, request, PATIENCE_S)

    async def trace(self, order_id: str) -> GetOrderTraceResponse:
        stub = OrderOversightServiceStub(self.federation.as_(ADMIN))
        return await invoke(stub.GetOrderTrace, GetOrderTraceRequest(order_id=order_id), PATIENCE_S)


@asynccontextmanager
async def overseen(
    certificates: Certificates, data: Path, **orders: Sequence[OrderSummary | JointOrderSummary]
) -> AsyncIterator[Overseen]:
    """Regions by name with their orders, all joined."""
    async with AsyncExitStack() as stack:
        it = Overseen(await stack.enter_async_context(federation(certificates, data)))
        await it.federation.apply()
        for name, known in orders.items():
            region = it.regions[name] = Region(known)
            service = Service(SERVICE, functools.partial(add_OrderOversightServiceServicer_to_server, region))
            endpoint = await stack.enter_async_context(serving(certificates, f"region/{name}", [service], name))
            keys = keys_of(certificates, name)
            await it.federation.join(keys, join_request(keys, endpoint))
        yield it


def unanswered(
    response: (
        ListOrderSummariesResponse
        | SearchOrderSummariesResponse
        | ListJointOrderSummariesResponse
        | GetOrderTraceResponse
    ),
) -> dict[str, str]:
    return {each.region: reason_name(each.reason) for each in response.unanswered}


def test_an_order_of_two_regions_is_listed_once_as_its_home_region_has_it(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def scenario() -> None:
        # The origin region claims the higher version: the home region counts all the same.
        there, here = order(1, DONE, version=2), order(1, IN_PROGRESS, version=9)
        own = order(2, handling=SICHUAN)
        async with overseen(certificates, tmp_path / "data", henan=[here], sichuan=[there, own]) as it:
            response = await it.list(ListOrderSummariesRequest())
            assert list(response.orders) == [own, there]
            assert not response.unanswered

    run(scenario())


def test_an_order_whose_home_region_is_silent_is_listed_as_the_other_has_it(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with overseen(certificates, tmp_path / "data", henan=[order(1, IN_PROGRESS)]) as it:
            sichuan = keys_of(certificates, SICHUAN)
            await it.federation.join(sichuan, join_request(sichuan, NOTHING_LISTENS))
            response = await it.list(ListOrderSummariesRequest())
            assert list(response.orders) == [order(1, IN_PROGRESS)]
            assert unanswered(response) == {SICHUAN: "REGION_UNREACHABLE"}

    run(scenario())


def test_a_region_that_hangs_does_not_keep_back_what_others_answer(certificates: Certificates, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with overseen(certificates, tmp_path / "data", henan=[order(1)], sichuan=[]) as it:
            await it.list(ListOrderSummariesRequest())  # connects it with both
            it.regions[SICHUAN].hangs = True
            with unhurried():
                response = await it.list(ListOrderSummariesRequest(), timeout=ANSWER_S)
            assert list(response.orders) == [order(1)]
            assert unanswered(response) == {SICHUAN: "REGION_UNREACHABLE"}

    run(scenario())


@pytest.mark.parametrize(
    "spoil",
    [lambda it: setattr(it.create_time, "seconds", 10**15), lambda it: setattr(it, "state", 999)],
    ids=["a time of no calendar", "a state of a later version"],
)
def test_a_region_whose_answer_cannot_be_read_does_not_keep_back_what_others_answer(
    certificates: Certificates, tmp_path: Path, spoil: Callable[[OrderSummary], object]
) -> None:
    async def scenario() -> None:
        async with overseen(certificates, tmp_path / "data", henan=[order(1)], sichuan=[order(2)]) as it:
            it.regions[SICHUAN].spoil = spoil
            response = await it.list(ListOrderSummariesRequest())
            assert list(response.orders) == [order(1)]
            assert unanswered(response) == {SICHUAN: "INTERNAL"}

    run(scenario())


def test_a_suspended_region_is_not_asked(certificates: Certificates, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with overseen(certificates, tmp_path / "data", henan=[order(1)], sichuan=[order(2)]) as it:
            stub = MembershipServiceStub(it.federation.as_(ADMIN))
            await invoke(stub.SuspendRegion, SuspendRegionRequest(region=SICHUAN, note="note"), PATIENCE_S)
            response = await it.list(ListOrderSummariesRequest())
            assert list(response.orders) == [order(1)]
            assert unanswered(response) == {SICHUAN: "REGION_SUSPENDED"}
            assert not it.regions[SICHUAN].asked

    run(scenario())


def test_states_regions_and_page_size_narrow_the_list(certificates: Certificates, tmp_path: Path) -> None:
    async def scenario() -> None:
        orders = [order(1), order(2, HELD, home=""), order(3, HELD, handling="hunan", home="")]
        async with overseen(certificates, tmp_path / "data", henan=orders) as it:
            held = await it.list(ListOrderSummariesRequest(states=[HELD]))
            assert list(held.orders) == [orders[2], orders[1]]
            of_sichuan = await it.list(ListOrderSummariesRequest(region=SICHUAN))
            assert list(of_sichuan.orders) == [orders[0]]
            assert len((await it.list(ListOrderSummariesRequest(page_size=2))).orders) == 2
            assert [each.page_size for each in it.regions[HENAN].asked] == [50, 50, 2]
            for size in (-1, 501):
                assert await refused(it.list(ListOrderSummariesRequest(page_size=size))) == "REQUEST_INVALID"
            assert await refused(it.list(ListOrderSummariesRequest(region="atlantis"))) == "REGION_UNKNOWN"

    run(scenario())


def test_pages_give_every_order_of_all_regions_once_newest_first(certificates: Certificates, tmp_path: Path) -> None:
    async def scenario() -> None:
        of_both = [order(number) for number in range(0, 30, 3)]
        here, there = [order(number, home="") for number in range(1, 30, 6)], [order(50, handling=SICHUAN)]
        async with overseen(certificates, tmp_path / "data", henan=of_both + here, sichuan=of_both + there) as it:
            it.regions[SICHUAN].largest_page = 1  # it has looked at all rows that a page may look at
            found, request = list[OrderSummary](), ListOrderSummariesRequest(page_size=4)
            while True:
                page = await it.list(request)
                assert len(page.orders) == 4 or not page.next_page_token, "a region is asked for more meanwhile"
                found += page.orders
                request.page_token = page.next_page_token
                if not request.page_token:
                    break
            assert found == sorted([*of_both, *here, *there], key=NEWEST_ORDERS.key, reverse=True)
            assert await refused(it.list(ListOrderSummariesRequest(page_token="garbage"))) == "TOKEN_INVALID"

    run(scenario())


def test_a_region_that_did_not_answer_keeps_its_place(certificates: Certificates, tmp_path: Path) -> None:
    async def scenario() -> None:
        here, there = [order(number, home="") for number in (1, 2, 3)], [order(9, handling=SICHUAN)]
        async with overseen(certificates, tmp_path / "data", henan=here, sichuan=there) as it:
            await it.list(ListOrderSummariesRequest())  # connects it with both
            it.regions[SICHUAN].hangs = True
            with unhurried():
                first = await it.list(ListOrderSummariesRequest(page_size=2), timeout=ANSWER_S)
            assert (list(first.orders), unanswered(first)) == ([here[2], here[1]], {SICHUAN: "REGION_UNREACHABLE"})
            it.regions[SICHUAN].hangs = False
            last = await it.list(ListOrderSummariesRequest(page_size=2, page_token=first.next_page_token))
            assert (list(last.orders), unanswered(last), last.next_page_token) == ([*there, here[0]], {}, "")

    run(scenario())


def test_a_search_by_a_number_asks_every_region_and_is_one_audit_row_without_the_number(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def scenario() -> None:
        of_both, here = order(1), order(2, HELD, home="")
        async with overseen(certificates, tmp_path / "data", henan=[of_both, here], sichuan=[of_both]) as it:
            wanted = SearchOrderSummariesRequest(number="138 1234 5678", states=[HELD, DONE], region=HENAN)
            response = await it.search(wanted)
            assert (list(response.orders), unanswered(response)) == ([here, of_both], {})
            asked = [each for region in it.regions.values() for each in region.searches]
            expected = region_contract.SearchOrderSummariesRequest(
                number="+8613812345678",
                administrator=ADMIN,
                search_id=response.search_id,
                states=[HELD, DONE],
                region=HENAN,
                page_size=50,
            )
            assert asked == [expected, expected]
            again = await it.search(wanted)
            assert again.search_id not in ("", response.search_id)
            rows = [each for each in it.federation.audit_rows() if each.action == "SearchOrderSummaries"]
            assert [(each.actor, each.subject) for each in rows] == [
                (ADMIN, f"search/{response.search_id}"),
                (ADMIN, f"search/{again.search_id}"),
            ]
            assert not any("5678" in text for each in rows for text in (each.subject, each.detail))

    run(scenario())


def test_a_search_names_the_regions_of_a_former_version_and_those_that_are_away(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with overseen(certificates, tmp_path / "data", henan=[order(1), order(2)], hunan=[order(3)]) as it:
            sichuan = keys_of(certificates, SICHUAN)
            await it.federation.join(sichuan, join_request(sichuan, NOTHING_LISTENS))
            it.regions["hunan"].is_old = True
            request = SearchOrderSummariesRequest(number="13812345678", page_size=1)
            first = await it.search(request)
            assert list(first.orders) == [order(2)]
            assert unanswered(first) == {SICHUAN: "REGION_UNREACHABLE", "hunan": "METHOD_UNKNOWN"}
            request.page_token = first.next_page_token
            assert list((await it.search(request)).orders) == [order(1)]
            assert (
                await refused(it.list(ListOrderSummariesRequest(page_token=first.next_page_token))) == "TOKEN_INVALID"
            )

    run(scenario())


def test_a_search_names_the_regions_that_were_asked_too_often_and_lists_the_orders_of_the_others(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with overseen(certificates, tmp_path / "data", henan=[order(1)], sichuan=[order(2)]) as it:
            it.regions[SICHUAN].refuses = Refused(
                Reason.REASON_ORDER_SEARCHES_TOO_MANY, region=SICHUAN, retry_seconds="900"
            )
            found = await it.search(SearchOrderSummariesRequest(number="13812345678"))
            assert list(found.orders) == [order(1)]
            assert unanswered(found) == {SICHUAN: "ORDER_SEARCHES_TOO_MANY"}
            assert not (await it.list(ListOrderSummariesRequest())).unanswered

    run(scenario())


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"number": "12"}, "NUMBER_INVALID"),
        ({"number": ""}, "NUMBER_INVALID"),
        ({"number": "13812345678", "region": "atlantis"}, "REGION_UNKNOWN"),
        ({"number": "13812345678", "page_size": 501}, "REQUEST_INVALID"),
    ],
)
def test_a_search_of_another_form_asks_no_region(
    certificates: Certificates, tmp_path: Path, fields: dict[str, str | int], reason: str
) -> None:
    async def scenario() -> None:
        async with overseen(certificates, tmp_path / "data", henan=[order(1)]) as it:
            wanted = ParseDict(fields, SearchOrderSummariesRequest())
            assert (await refused(it.search(wanted)), it.regions[HENAN].searches) == (reason, [])

    run(scenario())


def test_a_trace_holds_what_both_regions_noted_the_origin_region_first(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def scenario() -> None:
        here, there = order(1, IN_PROGRESS), order(1, DONE, version=2)
        async with overseen(certificates, tmp_path / "data", sichuan=[there], henan=[here], hunan=[]) as it:
            response = await it.trace("henan/counter/R1")
            assert [(each.region, each.trace.order) for each in response.traces] == [(HENAN, here), (SICHUAN, there)]
            assert not response.unanswered

    run(scenario())


def test_a_trace_of_a_local_order_asks_one_region(certificates: Certificates, tmp_path: Path) -> None:
    async def scenario() -> None:
        local = order(1, handling=SICHUAN)
        async with overseen(certificates, tmp_path / "data", sichuan=[local]) as it:
            assert [each.region for each in (await it.trace("sichuan/counter/R1")).traces] == [SICHUAN]

    run(scenario())


def test_an_order_on_its_way_is_traced_at_the_region_that_knows_it(certificates: Certificates, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with overseen(certificates, tmp_path / "data", henan=[order(1)], sichuan=[]) as it:
            response = await it.trace("henan/counter/R1")
            assert [each.region for each in response.traces] == [HENAN]
            assert not response.unanswered

    run(scenario())


def test_where_the_origin_region_is_silent_the_others_are_asked(certificates: Certificates, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with overseen(certificates, tmp_path / "data", sichuan=[order(1)], hunan=[]) as it:
            henan = keys_of(certificates, HENAN)
            await it.federation.join(henan, join_request(henan, NOTHING_LISTENS))
            response = await it.trace("henan/counter/R1")
            assert [each.region for each in response.traces] == [SICHUAN]
            assert unanswered(response) == {HENAN: "REGION_UNREACHABLE"}

    run(scenario())


@pytest.mark.parametrize(
    ("order_id", "reason"),
    [
        ("henan/counter/R9", "ORDER_NOT_FOUND"),
        ("atlantis/counter/R1", "ORDER_NOT_FOUND"),
        ("R1", "REQUEST_INVALID"),
        ("henan//R1", "REQUEST_INVALID"),
    ],
)
def test_an_order_that_nobody_knows_is_not_found(
    certificates: Certificates, tmp_path: Path, order_id: str, reason: str
) -> None:
    async def scenario() -> None:
        async with overseen(certificates, tmp_path / "data", henan=[order(1)]) as it:
            assert await refused(it.trace(order_id)) == reason

    run(scenario())
