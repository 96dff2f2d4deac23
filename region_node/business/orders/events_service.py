"""OrderEventService: every change of every order, for data warehouses."""

from collections.abc import AsyncIterator, Sequence
from functools import partial

import grpc

from gateway.api.region.v1 import order_event_service_pb2 as api
from gateway.api.region.v1.order_event_service_pb2_grpc import OrderEventServiceServicer
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.calls import current_call
from gateway.rpc.pages import decode_token, encode_token
from gateway.store.port import Store, Transaction
from region_node.business.orders.events import order_events
from region_node.business.orders.rows import EVENTS
from region_node.records.watches import SharedReads
from region_node.requests.changes import Changes

_FEED = "order-event-feed"


class OrderEventService(OrderEventServiceServicer):
    """See the contract. A message is read from the store once the previous one has left for the reader."""

    def __init__(self, store: Store, changes: Changes) -> None:
        self._store = store
        self._changes = changes
        self._reads = SharedReads(store, changes, order_events)

    async def StreamOrderEvents(  # noqa: N802 - named by the contract
        self,
        request: api.StreamOrderEventsRequest,
        context: grpc.aio.ServicerContext[api.StreamOrderEventsRequest, api.StreamOrderEventsResponse],
    ) -> AsyncIterator[api.StreamOrderEventsResponse]:
        """See the contract."""
        with self._changes.watch(current_call().identity) as changed:
            sequence, last = await self._store.read(partial(_start, token=request.token))
            yield _message([], sequence)
            while not self._changes.closed and not (request.only_past and sequence >= last):
                changed.clear()
                events = await self._reads.of(sequence)
                if events:
                    sequence = events[-1].sequence
                    yield _message(events, sequence)
                else:
                    await changed.wait()
        if request.only_past and sequence < last:
            raise Refused(Reason.REASON_TOO_BUSY)  # an end without an error tells that this was all


def _message(events: Sequence[api.OrderEvent], sequence: int) -> api.StreamOrderEventsResponse:
    return api.StreamOrderEventsResponse(events=events, token=encode_token(_FEED, str(sequence)))


def _start(tx: Transaction, token: str) -> tuple[int, int]:
    """The event after which the stream begins, and the last event. Raises Refused as `resumed_after`."""
    key = decode_token(_FEED, token)
    last = EVENTS.last(tx)
    return (EVENTS.resumed_after(tx, key) if key else max(0, EVENTS.first(tx) - 1)), last
