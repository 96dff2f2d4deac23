"""Orders on a stream, singly or in packs: each is accepted in the same way as by SubmitOrder, many in one commit."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

from google.protobuf.duration_pb2 import Duration

from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.api.region.v1.order_service_pb2 import (
    SubmitOrdersRequest,
    SubmitOrdersResponse,
    SubmittedOrder,
    SubmittedResult,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.message_checks import require_plain
from region_node.node.answering import answer_each
from region_node.requests.checks import error_of, invalid

LARGEST_PACK = 64  # orders
# A stream has 64 bulk orders in progress: they suffice for a common commit, and an order from a counter waits behind no
# more than these. Of orders that wait for their home regions it has as many as a caller may have calls.
PLACES = 1024
PLACES_OF_BULK_ORDER = 16
# A full lane empties at the speed of its region. A lane without room within this time means that the region is away.
# Orders for other regions further on the stream must not wait for it.
LANE_PATIENCE = 10.0  # seconds
_LOOK_AGAIN = 0.1  # seconds between checks of a full lane

TakeIn = Callable[[str, OrderRequest, Duration], Awaitable[Order]]
"""Accepts the order of a request id, and waits for the home region. Raises Refused."""


def answer_orders(
    take_in: TakeIn, requests: AsyncIterator[SubmitOrdersRequest]
) -> AsyncGenerator[SubmitOrdersResponse, None]:
    """The outcome of each request of a stream once its orders are accepted, in any order.

    A refused request does not end the stream, and a refused order does not affect the others of its pack.
    """

    async def answer(request: SubmitOrdersRequest) -> SubmitOrdersResponse:
        response = SubmitOrdersResponse(request_id=request.request_id)
        if not request.orders:
            await _answer_one(take_in, request, request.wait, response)
            return response
        try:
            _require_pack(request)
        except Refused as refused:
            response.refused.CopyFrom(error_of(refused))
            return response
        # All are offered to the store before it begins a commit.
        async with asyncio.TaskGroup() as group:
            for each in request.orders:
                result = response.pack.results.add(request_id=each.request_id)
                group.create_task(_answer_one(take_in, each, request.wait, result))
        return response

    return answer_each(requests, answer, PLACES, _places_of)


def _places_of(request: SubmitOrdersRequest) -> int:
    orders = len(request.orders) or 1
    return orders if _has_wait(request.wait) else orders * PLACES_OF_BULK_ORDER


def _require_pack(request: SubmitOrdersRequest) -> None:
    """Raises Refused for a pack with too many orders, and for one beside a single order."""
    if request.request_id or request.HasField("order"):
        raise invalid("orders", "set beside a single order", "与单个订单同时填写")
    if len(request.orders) > LARGEST_PACK:
        raise invalid("orders", f"more than {LARGEST_PACK}", f"超过{LARGEST_PACK}个")


async def _answer_one(
    take_in: TakeIn,
    submitted: SubmitOrdersRequest | SubmittedOrder,
    wait: Duration,
    outcome: SubmitOrdersResponse | SubmittedResult,
) -> None:
    """Accepts an order and sets its outcome."""
    request_id, order = submitted.request_id, submitted.order
    try:
        if isinstance(submitted, SubmittedOrder):  # the border has checked the others
            require_plain(submitted)
        if _has_wait(wait):
            accepted = await take_in(request_id, order, wait)
        else:
            order.bulk = True
            accepted = await _once_there_is_room(take_in, request_id, order, wait)
        outcome.order.CopyFrom(accepted)
    except Refused as refused:
        outcome.refused.CopyFrom(error_of(refused))


async def _once_there_is_room(take_in: TakeIn, request_id: str, order: OrderRequest, wait: Duration) -> Order:
    loop = asyncio.get_running_loop()
    end = loop.time() + LANE_PATIENCE
    while True:
        try:
            return await take_in(request_id, order, wait)
        except Refused as refused:
            if refused.reason != Reason.REASON_TOO_BUSY or loop.time() >= end:
                raise
        await asyncio.sleep(_LOOK_AGAIN)


def _has_wait(wait: Duration) -> bool:
    return bool(wait.seconds or wait.nanos)
