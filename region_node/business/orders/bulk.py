"""Orders in bulk: each of a stream is accepted in the same way as by SubmitOrder, many in one commit."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.api.region.v1.order_service_pb2 import SubmitOrdersRequest, SubmitOrdersResponse
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from region_node.node.answering import answer_each
from region_node.requests.checks import error_of

# The number of orders of one stream in progress. They suffice for a common commit, and an order from a counter waits
# behind no more than these.
AT_ONCE = 64
# A full lane empties at the speed of its region. A lane without room within this time means that the region is away.
# Orders for other regions further on the stream must not wait for it.
LANE_PATIENCE = 10.0  # seconds
_LOOK_AGAIN = 0.1  # seconds between checks of a full lane

TakeIn = Callable[[str, OrderRequest], Awaitable[Order]]
"""Accepts the order of a request id. Raises Refused."""


def answer_orders(
    take_in: TakeIn, requests: AsyncIterator[SubmitOrdersRequest]
) -> AsyncGenerator[SubmitOrdersResponse, None]:
    """The result of each request of a stream as it is accepted, in any order.

    A refused request does not end the stream.
    """

    async def answer(request: SubmitOrdersRequest) -> SubmitOrdersResponse:
        response = SubmitOrdersResponse(request_id=request.request_id)
        request.order.bulk = True
        try:
            response.order.CopyFrom(await _once_there_is_room(take_in, request))
        except Refused as refused:
            response.refused.CopyFrom(error_of(refused))
        return response

    return answer_each(requests, answer, AT_ONCE)


async def _once_there_is_room(take_in: TakeIn, request: SubmitOrdersRequest) -> Order:
    loop = asyncio.get_running_loop()
    end = loop.time() + LANE_PATIENCE
    while True:
        try:
            return await take_in(request.request_id, request.order)
        except Refused as refused:
            if refused.reason != Reason.REASON_TOO_BUSY or loop.time() >= end:
                raise
        await asyncio.sleep(_LOOK_AGAIN)
