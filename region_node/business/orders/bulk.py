"""Orders on a stream, singly or in packs: each is accepted in the same way as by SubmitOrder, many in one commit."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from google.protobuf.duration_pb2 import Duration

from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.api.region.v1.order_service_pb2 import (
    SubmitOrdersRequest,
    SubmitOrdersResponse,
    SubmittedOrder,
    SubmittedResult,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.rpc.calls import current_call
from gateway.rpc.incidents import incident
from gateway.rpc.message_checks import require_plain
from gateway.security.identity import Identity
from gateway.store.vault import KeyDestroyed
from region_node.node.answering import Places, answer_each
from region_node.requests.checks import error_of

LARGEST_PACK = 64  # orders
# A caller has 64 bulk orders in progress: they suffice for a common commit, and an order from a counter waits behind no
# more than these. Of orders that wait for their home regions it has as many as a caller may have calls.
BULK_ORDERS = 64
WAITING_ORDERS = 1024
LEAST_WAIT = 1  # second: a shorter wait must not make bulk work urgent
# A full lane empties at the speed of its region. A lane without room within this time means that the region is away.
# Orders for other regions further on the stream must not wait for it.
LANE_PATIENCE = 10.0  # seconds
_LOOK_AGAIN = 0.1  # seconds between checks of a full lane
_NO_ROOM = (  # not OPEN_WORK_TOO_MUCH, DAY_WORK_TOO_MUCH: both are counted too seldom for a wait
    Reason.REASON_ORDERS_WAITING_TOO_MANY,
    Reason.REASON_TOO_BUSY,
)

TakeIn = Callable[[str, OrderRequest, Duration], Awaitable[Order]]
"""Accepts the order of a request id, and waits for the home region. Raises Refused."""


@dataclass(frozen=True, eq=False)
class InProgress:
    """The places for orders of one caller on all its streams. Bulk work takes none of those of waiting orders."""

    bulk: Places = field(default_factory=lambda: Places(BULK_ORDERS))
    waiting: Places = field(default_factory=lambda: Places(WAITING_ORDERS))

    def places_of(self, request: SubmitOrdersRequest) -> tuple[Places, int]:
        """The places that the orders of a request take, and their number."""
        return self.waiting if _waits(request.wait) else self.bulk, len(request.orders) or 1


class Callers:
    """The orders in progress of every caller with an open stream."""

    def __init__(self) -> None:
        self._known: WeakValueDictionary[str, InProgress] = WeakValueDictionary()

    def in_progress(self, identity: Identity) -> InProgress:
        """The same for all streams of a certificate, as of `gateway.rpc.shares`."""
        return self._known.setdefault(identity.path, InProgress())


def answer_orders(
    take_in: TakeIn, requests: AsyncIterator[SubmitOrdersRequest], in_progress: InProgress
) -> AsyncGenerator[SubmitOrdersResponse, None]:
    """The outcome of each request of a stream once its orders are accepted, in any order.

    A refused request does not end the stream, and a refused order does not affect the others of its pack; nor does a
    defect in one.
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

    return answer_each(requests, answer, in_progress.places_of)


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
            if (acting := current_call().acting) is not None:
                acting.take(submitted)
        if _waits(wait):
            accepted = await take_in(request_id, order, wait)
        else:
            order.bulk = True
            accepted = await _once_there_is_room(take_in, request_id, order, wait)
        outcome.order.CopyFrom(accepted)
    except Refused as refused:
        outcome.refused.CopyFrom(error_of(refused))
    except KeyDestroyed:
        outcome.refused.CopyFrom(error_of(Refused(Reason.REASON_CUSTOMER_ERASED)))
    except Exception as error:  # noqa: BLE001 - the other orders of the stream go on
        outcome.refused.CopyFrom(error_of(incident("an order of a stream", error)))


async def _once_there_is_room(take_in: TakeIn, request_id: str, order: OrderRequest, wait: Duration) -> Order:
    loop = asyncio.get_running_loop()
    end = loop.time() + LANE_PATIENCE
    while True:
        try:
            return await take_in(request_id, order, wait)
        except Refused as refused:
            if refused.reason not in _NO_ROOM or loop.time() >= end:
                raise
        await asyncio.sleep(_LOOK_AGAIN)


def _waits(wait: Duration) -> bool:
    return wait.seconds >= LEAST_WAIT
