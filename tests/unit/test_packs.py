"""The orders of packs count singly against what a caller may have in progress, and against a full lane."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing

import pytest
from google.protobuf.duration_pb2 import Duration

from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.api.region.v1.order_service_pb2 import SubmitOrdersRequest, SubmitOrdersResponse, SubmittedOrder
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.calls import Call, enter
from gateway.security.identity import Identity
from gateway.store.vault import KeyDestroyed
from region_node.business.orders.bulk import Callers, InProgress, answer_orders

WAIT = Duration(seconds=5)
COUNTER = Identity("cn", Role.ROLE_OPERATOR, "guangdong", "counter")


@pytest.fixture(autouse=True)
def a_stream_is_a_call() -> Iterator[None]:
    token = enter(Call(COUNTER, "SubmitOrders", None))
    yield
    token.var.reset(token)


async def stream(packs: Sequence[SubmitOrdersRequest]) -> AsyncIterator[SubmitOrdersRequest]:
    for pack in packs:
        yield pack


async def in_progress(packs: Sequence[SubmitOrdersRequest], *callers: str) -> int:
    """How many orders a node takes in before any is accepted, where each caller sends the same on a stream."""
    taken_in: list[str] = []
    known = Callers()

    async def take_in(request_id: str, order: OrderRequest, wait: Duration) -> Order:
        taken_in.append(request_id)
        await asyncio.Event().wait()
        return Order()

    async with AsyncExitStack() as streams:
        for name in callers or ("crm",):
            places = known.in_progress(Identity("cn", Role.ROLE_OPERATOR, "guangdong", name))
            answers = await streams.enter_async_context(aclosing(answer_orders(take_in, stream(packs), places)))
            streams.push_async_callback(left, asyncio.ensure_future(anext(answers)))
        for _ in range(100):
            await asyncio.sleep(0)
    return len(taken_in)


async def left(waiting: "asyncio.Future[SubmitOrdersResponse]") -> None:
    """Ends the wait for a response."""
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


def test_a_stream_has_64_bulk_orders_in_progress_however_they_are_packed() -> None:
    for size, expected in ((1, 64), (10, 60), (16, 64), (64, 64)):
        packs = [SubmitOrdersRequest(orders=[SubmittedOrder()] * size)] * (128 // size + 1)
        assert asyncio.run(in_progress(packs)) == expected, size
    assert asyncio.run(in_progress([SubmitOrdersRequest()] * 100)) == 64


def test_orders_that_wait_for_their_home_regions_do_not_keep_others_of_the_stream_waiting() -> None:
    packs = [SubmitOrdersRequest(orders=[SubmittedOrder()] * 16, wait=WAIT)] * 20
    assert asyncio.run(in_progress(packs)) == 320
    assert asyncio.run(in_progress(packs * 10)) == 1024


def test_the_streams_of_one_certificate_share_what_it_may_have_in_progress() -> None:
    for wait, most in ((None, 64), (WAIT, 1024)):
        packs = [SubmitOrdersRequest(orders=[SubmittedOrder()] * 16, wait=wait)] * 100
        assert asyncio.run(in_progress(packs, "crm", "crm", "crm")) == most
        assert asyncio.run(in_progress(packs, "crm", "portal")) == 2 * most


def test_orders_that_wait_have_places_of_their_own_beside_bulk_work() -> None:
    bulk = [SubmitOrdersRequest(orders=[SubmittedOrder()] * 16)] * 4
    waiting = [SubmitOrdersRequest(orders=[SubmittedOrder()] * 16, wait=WAIT)] * 100
    assert asyncio.run(in_progress(bulk + waiting)) == 64 + 1024


def test_a_wait_too_short_to_be_of_use_makes_no_order_urgent() -> None:
    async def run(wait: Duration) -> bool:
        async def take_in(request_id: str, order: OrderRequest, wait: Duration) -> Order:
            return Order(request=order)

        packs = stream([SubmitOrdersRequest(wait=wait)])
        (answer,) = [each async for each in answer_orders(take_in, packs, InProgress())]
        return answer.order.request.bulk

    for wait, is_bulk in (
        (Duration(nanos=1), True),
        (Duration(nanos=999_999_999), True),
        (Duration(seconds=1), False),
        (WAIT, False),
    ):
        assert asyncio.run(run(wait)) == is_bulk, wait
        packs = [SubmitOrdersRequest(wait=wait)] * 2000
        assert asyncio.run(in_progress(packs)) == (64 if is_bulk else 1024), wait


def test_a_defect_in_one_order_is_its_refusal_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    failures = {"defect": ZeroDivisionError(), "erased": KeyDestroyed()}

    async def take_in(request_id: str, order: OrderRequest, wait: Duration) -> Order:
        if request_id in failures:
            raise failures[request_id]
        await asyncio.sleep(0)
        return Order(id=request_id)

    async def run() -> list[SubmitOrdersResponse]:
        pack = [SubmittedOrder(request_id=each) for each in ("r0", "defect", "erased", "r1")]
        requests = [SubmitOrdersRequest(request_id="defect"), SubmitOrdersRequest(orders=pack)]
        return [each async for each in answer_orders(take_in, stream(requests), InProgress())]

    single, pack = sorted(asyncio.run(run()), key=lambda each: each.HasField("pack"))
    results = list(pack.pack.results)
    assert [each.order.id for each in results] == ["r0", "", "", "r1"]
    assert results[2].refused.reason == Reason.REASON_CUSTOMER_ERASED
    for refused in (single.refused, results[1].refused):
        assert refused.reason == Reason.REASON_INTERNAL
        assert refused.parameters["incident"] in caplog.text


def test_a_full_lane_is_waited_for_by_bulk_orders_alone() -> None:
    attempts: list[int] = []

    async def take_in(request_id: str, order: OrderRequest, wait: Duration) -> Order:
        attempts.append(wait.seconds)
        if len(attempts) < 3:
            raise Refused(Reason.REASON_TOO_BUSY)
        return Order(request=order)

    async def answered(wait: Duration | None) -> bool:
        """Whether the only order of a pack was accepted as bulk work; refused otherwise."""
        attempts.clear()
        pack = SubmitOrdersRequest(orders=[SubmittedOrder()], wait=wait)
        (answer,) = [each async for each in answer_orders(take_in, stream([pack]), InProgress())]
        (result,) = answer.pack.results
        assert result.HasField("order") or result.refused.reason == Reason.REASON_TOO_BUSY
        return result.order.request.bulk

    assert asyncio.run(answered(None))
    assert attempts == [0, 0, 0]
    assert not asyncio.run(answered(WAIT))
    assert attempts == [5]
