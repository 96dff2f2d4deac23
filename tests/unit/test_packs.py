"""The orders of packs count singly against what a stream may have in progress, and against a full lane."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

from google.protobuf.duration_pb2 import Duration

from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.api.region.v1.order_service_pb2 import SubmitOrdersRequest, SubmittedOrder
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from region_node.business.orders.bulk import answer_orders

WAIT = Duration(seconds=5)


async def stream(packs: Sequence[SubmitOrdersRequest]) -> AsyncIterator[SubmitOrdersRequest]:
    for pack in packs:
        yield pack


async def in_progress(packs: Sequence[SubmitOrdersRequest]) -> int:
    """How many orders a node takes in before any is accepted."""
    taken_in: list[str] = []

    async def take_in(request_id: str, order: OrderRequest, wait: Duration) -> Order:
        taken_in.append(request_id)
        await asyncio.Event().wait()
        return Order()

    async with aclosing(answer_orders(take_in, stream(packs))) as answers:
        waiting = asyncio.ensure_future(anext(answers))
        for _ in range(100):
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    return len(taken_in)


def test_a_stream_has_64_bulk_orders_in_progress_however_they_are_packed() -> None:
    for size, expected in ((1, 64), (10, 60), (16, 64), (64, 64)):
        packs = [SubmitOrdersRequest(orders=[SubmittedOrder()] * size)] * (128 // size + 1)
        assert asyncio.run(in_progress(packs)) == expected, size
    assert asyncio.run(in_progress([SubmitOrdersRequest()] * 100)) == 64


def test_orders_that_wait_for_their_home_regions_do_not_keep_others_of_the_stream_waiting() -> None:
    packs = [SubmitOrdersRequest(orders=[SubmittedOrder()] * 16, wait=WAIT)] * 20
    assert asyncio.run(in_progress(packs)) == 320
    assert asyncio.run(in_progress(packs * 10)) == 1024


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
        (answer,) = [each async for each in answer_orders(take_in, stream([pack]))]
        (result,) = answer.pack.results
        assert result.HasField("order") or result.refused.reason == Reason.REASON_TOO_BUSY
        return result.order.request.bulk

    assert asyncio.run(answered(None))
    assert attempts == [0, 0, 0]
    assert not asyncio.run(answered(WAIT))
    assert attempts == [5]
