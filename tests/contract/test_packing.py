"""The module that integrators copy packs orders by itself, against a programmable node with the border in front."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from deploy.clients.python import packing
from deploy.clients.python.packing import OrderRefused, OrderUnknown, Packing
from gateway.api.region.v1 import order_service_pb2
from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.api.region.v1.order_service_pb2 import (
    SubmitOrderRequest,
    SubmitOrderResponse,
    SubmitOrdersRequest,
    SubmitOrdersResponse,
)
from gateway.api.region.v1.order_service_pb2_grpc import (
    OrderServiceServicer,
    OrderServiceStub,
    add_OrderServiceServicer_to_server,
)
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, reason_name
from gateway.rpc.channels import Dialer
from gateway.rpc.server import Service
from gateway.security.identity import server_name
from region_node.node.answering import answer_each, at_most
from region_node.requests.checks import error_of, require_request_id
from tests.contract.small_federation import CLOCK, FEDERATION, Certificates, serving

REGION = "guangdong"
ORDERS = order_service_pb2.DESCRIPTOR.services_by_name["OrderService"]
PATIENCE = 60.0  # seconds
LONG = 300.0  # seconds: longer than any test
PAYMENT = OrderRequest(business="PAY")


class Node(OrderServiceServicer):
    """Accepts every order, but for programmed refusals by request id. Answers no bulk pack while it holds them."""

    def __init__(self) -> None:
        self.packs: list[SubmitOrdersRequest] = []
        self.singles: list[SubmitOrderRequest] = []
        self.refusals: dict[str, Refused] = {}
        self.first_refusals: dict[str, Refused] = {}
        """Refusals by request id that pass at once."""
        self.unreadable: dict[str, Refused] = {}
        """How a stream ends at a pack with an order of this request id."""
        self.endings: list[Refused] = []
        """How streams end, one after the other, at their first pack."""
        self.denial: Refused | None = None
        self.knows_packs = True
        self.answers = asyncio.Event()
        self.answers.set()
        self._arrived = asyncio.Condition()

    async def SubmitOrders(  # noqa: N802 - named by gRPC
        self,
        request_iterator: AsyncIterator[SubmitOrdersRequest],
        context: grpc.aio.ServicerContext[SubmitOrdersRequest, SubmitOrdersResponse],
    ) -> AsyncIterator[SubmitOrdersResponse]:
        if self.denial is not None:
            raise self.denial
        async for response in answer_each(self._arriving(request_iterator), self._answer, at_most(1000)):
            yield response

    async def SubmitOrder(  # noqa: N802 - named by gRPC
        self,
        request: SubmitOrderRequest,
        context: grpc.aio.ServicerContext[SubmitOrderRequest, SubmitOrderResponse],
    ) -> SubmitOrderResponse:
        self.singles.append(request)
        refusal = self.first_refusals.pop(request.request_id, self.refusals.get(request.request_id))
        if refusal is not None:
            raise refusal
        return SubmitOrderResponse(order=accepted(request.request_id))

    async def has(self, packs: int) -> None:
        """Waits until so many packs have arrived."""
        async with asyncio.timeout(PATIENCE), self._arrived:
            await self._arrived.wait_for(lambda: len(self.packs) >= packs)

    def sizes(self) -> list[int]:
        """The number of orders in each pack."""
        return [len(each.orders) for each in self.packs]

    async def _arriving(self, requests: AsyncIterator[SubmitOrdersRequest]) -> AsyncIterator[SubmitOrdersRequest]:
        async for request in requests:
            self.packs.append(request)
            async with self._arrived:
                self._arrived.notify_all()
            if self.endings:
                raise self.endings.pop(0)
            for each in request.orders:
                if each.request_id in self.unreadable:
                    raise self.unreadable[each.request_id]
            yield request

    async def _answer(self, request: SubmitOrdersRequest) -> SubmitOrdersResponse:
        if request.wait == Duration():
            await self.answers.wait()
        response = SubmitOrdersResponse(request_id=request.request_id)
        if not self.knows_packs:
            with pytest.raises(Refused) as refused:
                require_request_id(request.request_id)
            response.refused.CopyFrom(error_of(refused.value))
            return response
        for each in request.orders:
            refusal = self.first_refusals.pop(each.request_id, self.refusals.get(each.request_id))
            result = response.pack.results.add(request_id=each.request_id)
            if refusal is None:
                result.order.CopyFrom(accepted(each.request_id))
            else:
                result.refused.CopyFrom(error_of(refusal))
        return response


def accepted(request_id: str) -> Order:
    return Order(id=f"{REGION}/crm/{request_id}")


def at_the_node(directory: Path, story: Callable[[Node, Packing], Coroutine[None, None, None]]) -> None:
    """Runs a story of an operator system and the node of Guangdong."""
    certificates = Certificates(directory)

    async def run() -> None:
        node = Node()  # type: ignore[abstract]  # its other methods are not called
        service = Service(ORDERS, lambda server: add_OrderServiceServicer_to_server(node, server))
        dialer = Dialer(certificates.credentials(f"region/{REGION}/operator/crm"), CLOCK)
        async with (
            serving(certificates, f"region/{REGION}", [service], REGION) as endpoint,
            dialer.dial(endpoint, server_name(Role.ROLE_REGION, REGION, FEDERATION)) as channel,
            asyncio.timeout(PATIENCE),
            Packing(OrderServiceStub(channel)) as client,
        ):
            await story(node, client)

    asyncio.run(run())


def submitting(client: Packing, ids: Iterable[str], wait: float = 0.0) -> "list[asyncio.Task[Order]]":
    """A task for each order."""
    return [asyncio.ensure_future(client.submit(each, PAYMENT, wait)) for each in ids]


async def require_accepted(tasks: "Sequence[asyncio.Task[Order]]", ids: Sequence[str]) -> None:
    """Each task has the order of its request id."""
    assert [order.id for order in await asyncio.gather(*tasks)] == [accepted(each).id for each in ids]


async def one_by_one(node: Node, client: Packing, ids: Sequence[str]) -> "list[asyncio.Task[Order]]":
    """Submits each order once the node has the message of the one before."""
    tasks = []
    for each in ids:
        before = len(node.packs)
        tasks += submitting(client, [each])
        await node.has(before + 1)
    return tasks


def test_a_lone_order_leaves_at_once_and_so_does_the_next_while_its_answer_is_awaited(tmp_path: Path) -> None:
    async def story(node: Node, client: Packing) -> None:
        node.answers.clear()
        tasks = await one_by_one(node, client, ["r0", "r1"])
        node.answers.set()
        await require_accepted(tasks, ["r0", "r1"])
        assert node.sizes() == [1, 1]

    at_the_node(tmp_path, story)


def test_orders_that_are_submitted_together_travel_in_few_messages(tmp_path: Path) -> None:
    async def story(node: Node, client: Packing) -> None:
        ids = [f"r{index}" for index in range(100)]
        await require_accepted(submitting(client, ids), ids)
        assert node.sizes() == [16, 16, 16, 16, 16, 16, 4]
        assert [each.request_id for pack in node.packs for each in pack.orders] == ids

    at_the_node(tmp_path, story)


def test_orders_are_collected_while_many_messages_are_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "LONGEST_TURN", LONG)

    async def story(node: Node, client: Packing) -> None:
        node.answers.clear()
        first = [f"r{index}" for index in range(packing.MESSAGES)]
        tasks = await one_by_one(node, client, first)
        later = [f"s{index}" for index in range(20)]
        for each in later:
            tasks += submitting(client, [each])
            await asyncio.sleep(0)
        node.answers.set()
        await require_accepted(tasks, [*first, *later])
        assert node.sizes() == [1] * packing.MESSAGES + [16, 4]

    at_the_node(tmp_path, story)


def test_orders_do_not_wait_for_messages_that_a_region_that_is_away_holds_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "LONGEST_TURN", 0.01)

    async def story(node: Node, client: Packing) -> None:
        node.answers.clear()
        ids = [f"r{index}" for index in range(packing.MESSAGES + 3)]
        tasks = await one_by_one(node, client, ids)
        node.answers.set()
        await require_accepted(tasks, ids)

    at_the_node(tmp_path, story)


def test_a_message_has_the_wait_of_its_orders_and_no_more_bytes_than_it_may(tmp_path: Path) -> None:
    async def story(node: Node, client: Packing) -> None:
        tasks = submitting(client, ["r0", "r1"], 2.5) + submitting(client, ["r2"])
        large = OrderRequest(business="PAY", characteristics={"note": "x" * 30_000})
        tasks += [asyncio.ensure_future(client.submit(f"r{index}", large)) for index in range(3, 9)]
        await require_accepted(tasks, [f"r{index}" for index in range(9)])
        packs = [(each.wait.ToMilliseconds(), len(each.orders)) for each in node.packs]
        assert sorted(packs) == [(0, 2), (0, 5), (2500, 2)]
        too_large = OrderRequest(business="PAY", characteristics={"note": "x" * packing.LARGEST_IN_PACK})
        await client.submit("r9", too_large)
        assert [each.request_id for each in node.singles] == ["r9"], "the node refuses it, and no other with it"

    at_the_node(tmp_path, story)


def test_a_refusal_is_told_to_the_task_whose_order_it_is(tmp_path: Path) -> None:
    async def story(node: Node, client: Packing) -> None:
        node.refusals["r1"] = Refused(Reason.REASON_BUSINESS_UNKNOWN, business="PAY")
        before, refused, after = await asyncio.gather(*submitting(client, ["r0", "r1", "r2"]), return_exceptions=True)
        assert isinstance(refused, OrderRefused)
        assert refused.error == error_of(node.refusals["r1"])
        assert (before, after) == (accepted("r0"), accepted("r2"))

    at_the_node(tmp_path, story)


def recorded_pauses(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seconds that nodes told at each pause; nobody waits for them."""
    waited: list[int] = []

    async def pause(_failures: int, told: int) -> None:
        waited.append(told)
        await asyncio.sleep(0)

    monkeypatch.setattr(packing, "pause", pause)
    return waited


def test_after_a_broken_stream_what_was_not_answered_is_sent_again_on_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = recorded_pauses(monkeypatch)

    async def story(node: Node, client: Packing) -> None:
        await require_accepted(submitting(client, ["r0"]), ["r0"])
        node.endings = [Refused(Reason.REASON_TOO_BUSY), Refused(Reason.REASON_STORE_UNAVAILABLE)]
        ids = [f"s{index}" for index in range(packing.MOST_ORDERS)]
        await require_accepted(submitting(client, ids), ids)
        assert not node.endings
        assert waited == [1, 0], "as the reasons tell"
        sent = [each.request_id for pack in node.packs for each in pack.orders]
        assert sent.count("r0") == 1
        assert set(sent) == {"r0", *ids}

    at_the_node(tmp_path, story)


def test_a_stream_that_ends_while_messages_are_written_begins_again_and_blames_no_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded_pauses(monkeypatch)

    async def story(node: Node, client: Packing) -> None:
        for attempt in range(10):
            node.endings = [Refused(Reason.REASON_TOO_BUSY)]
            ids = [f"s{attempt}-{index}" for index in range(8 * packing.MOST_ORDERS)]
            await require_accepted(submitting(client, ids), ids)
            assert not node.endings
        assert not node.singles

    at_the_node(tmp_path, story)


def test_an_order_that_is_refused_for_now_is_sent_again_until_it_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = recorded_pauses(monkeypatch)
    refusals = {
        reason_name(reason): Refused(reason)
        for reason in (
            Reason.REASON_OUTCOME_UNKNOWN,
            Reason.REASON_STORE_UNAVAILABLE,
            Reason.REASON_CLOCK_UNTRUSTED,
            Reason.REASON_TOO_BUSY,
            Reason.REASON_CALLS_TOO_MANY,
            Reason.REASON_CONNECTIONS_TOO_MANY,
            Reason.REASON_DAY_WORK_TOO_MUCH,
            Reason.REASON_INTERNAL,
        )
    }

    async def story(node: Node, client: Packing) -> None:
        for knows_packs in (True, False):
            node.knows_packs = knows_packs
            for wait in (0.0, 5.0):
                node.first_refusals = dict(refusals)
                await require_accepted(submitting(client, refusals, wait), list(refusals))
                assert not node.first_refusals
                assert set(waited) == {0, 1, 5, 600}, "as the reasons tell"
                waited.clear()

    at_the_node(tmp_path, story)


def test_an_order_that_a_node_fails_at_has_an_open_outcome_and_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "LONGEST_PAUSE", 0.01)
    ids = [f"r{index}" for index in range(40)]

    async def story(node: Node, client: Packing) -> None:
        defect = Refused(Reason.REASON_INTERNAL, incident="4711")
        for unreadable in ({"r20": defect}, {}):
            node.refusals, node.unreadable = {"r20": defect}, unreadable
            tasks = submitting(client, ids)
            with pytest.raises(OrderUnknown) as unknown:
                await tasks.pop(20)
            assert unknown.value.error == error_of(defect)
            await require_accepted(tasks, [each for each in ids if each != "r20"])
        assert {each.request_id for each in node.singles} == set(ids[16:32]), "those of one message"

    at_the_node(tmp_path, story)


def test_an_order_that_the_border_refuses_is_refused_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "LONGEST_PAUSE", 0.01)
    ids = [f"r{index}" for index in range(40)]

    async def story(node: Node, client: Packing) -> None:
        for refusal in (
            Refused(Reason.REASON_TOO_MANY_ELEMENTS, limit="1000"),
            Refused(Reason.REASON_MESSAGE_TOO_LARGE, limit="32768"),
            Refused(Reason.REASON_REQUEST_INVALID, field="request", problem="unreadable"),
        ):
            node.refusals, node.unreadable = {"r20": refusal}, {"r20": refusal}
            tasks = submitting(client, ids)
            with pytest.raises(OrderRefused) as refused:
                await tasks.pop(20)
            assert refused.value.error == error_of(refusal)
            await require_accepted(tasks, [each for each in ids if each != "r20"])

    at_the_node(tmp_path, story)


def test_an_order_that_waits_for_its_home_region_does_not_stand_behind_bulk_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "LONGEST_TURN", LONG)

    async def story(node: Node, client: Packing) -> None:
        node.answers.clear()
        bulk = [f"r{index}" for index in range(packing.MESSAGES)]
        tasks = await one_by_one(node, client, bulk)
        short = [f"s{index}" for index in range(20)]
        tasks += submitting(client, short, 0.5)
        await require_accepted(submitting(client, ["c0"], 5.0), ["c0"])
        assert not any(each.done() for each in tasks), "a wait under a second is bulk work"
        node.answers.set()
        await require_accepted(tasks, [*bulk, *short])

    at_the_node(tmp_path, story)


def test_callers_learn_that_nothing_is_sent_any_more() -> None:
    class Broken(OrderServiceStub):
        def __init__(self) -> None:
            """Has no channel, and so no method."""

    async def run() -> None:
        client = Packing(Broken())
        await client.__aenter__()
        for told in await asyncio.gather(*submitting(client, ["r0", "r1"]), return_exceptions=True):
            assert isinstance(told, RuntimeError)
        with pytest.raises(RuntimeError):
            await client.submit("r2", PAYMENT)
        with pytest.raises(AttributeError):
            await client.__aexit__()

    asyncio.run(run())


def test_a_caller_who_may_not_submit_is_told_so_and_not_tried_again(tmp_path: Path) -> None:
    async def story(node: Node, client: Packing) -> None:
        node.denial = Refused(Reason.REASON_PERMISSION_DENIED, identity="crm", method="SubmitOrders")
        for refused in await asyncio.gather(*submitting(client, ["r0", "r1"]), return_exceptions=True):
            assert isinstance(refused, OrderRefused)
            assert refused.error == error_of(node.denial)

    at_the_node(tmp_path, story)


def test_a_node_without_packs_is_given_single_orders_from_then_on(tmp_path: Path) -> None:
    async def story(node: Node, client: Packing) -> None:
        node.knows_packs = False
        node.refusals["r1"] = Refused(Reason.REASON_BUSINESS_UNKNOWN, business="PAY")
        first, refused = await asyncio.gather(
            *submitting(client, ["r0"]), *submitting(client, ["r1"], 5.0), return_exceptions=True
        )
        assert first == accepted("r0")
        assert isinstance(refused, OrderRefused)
        assert refused.error == error_of(node.refusals["r1"])
        packs = len(node.packs)
        await require_accepted(submitting(client, ["r2"], 5.0), ["r2"])
        assert len(node.packs) == packs
        singles = {each.request_id: each for each in node.singles}
        assert [(singles[each].wait.seconds, singles[each].order.bulk) for each in ("r0", "r1", "r2")] == [
            (0, True),
            (5, False),
            (5, False),
        ]

    at_the_node(tmp_path, story)


def test_one_id_is_under_way_once_and_an_order_whose_caller_left_is_forgotten(tmp_path: Path) -> None:
    async def story(node: Node, client: Packing) -> None:
        node.answers.clear()
        (left,) = await one_by_one(node, client, ["r0"])
        with pytest.raises(ValueError, match="r0"):
            await client.submit("r0", PAYMENT)
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        never, again = submitting(client, ["r1"])[0], submitting(client, ["r0"])
        await asyncio.sleep(0)
        never.cancel()
        node.answers.set()
        await require_accepted(again, ["r0"])

    at_the_node(tmp_path, story)


def test_at_the_end_orders_without_an_answer_are_cancelled_and_no_more_are_taken(tmp_path: Path) -> None:
    async def story(node: Node, client: Packing) -> None:
        node.answers.clear()
        tasks = await one_by_one(node, client, ["r0"])
        await client.__aexit__()
        (ended,) = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError)
        with pytest.raises(RuntimeError):
            await client.submit("r1", PAYMENT)

    at_the_node(tmp_path, story)
