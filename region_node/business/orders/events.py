"""The event feed: the changes of orders for readers who may not know the customer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.api.region.v1.order_event_service_pb2 import OrderEvent
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.store.port import Transaction
from gateway.time.clock import from_microseconds, to_timestamp

EVENTS_AT_ONCE = 500  # the contract's limit of one message


def event_of(order: Order, now: datetime) -> OrderEvent:
    """The event of an order's state after a change; the store adds its sequence number.

    The fields are copied one by one. So a new field of orders stays out until it is added here.
    """
    event = OrderEvent(
        event_time=to_timestamp(now),
        order_id=order.id,
        version=order.version,
        business=order.request.business,
        state=order.state,
        origin_region=order.origin_region,
        home_region=order.home_region,
        operator=order.operator,
        awaiting=order.awaiting.party,
        action=order.awaiting.action,
        reason=order.error.reason,
        steps_done=order.steps_done,
    )
    if order.HasField("create_time"):
        event.create_time.CopyFrom(order.create_time)
    if order.HasField("expected_completion_time"):
        event.expected_completion_time.CopyFrom(order.expected_completion_time)
    return event


@dataclass(frozen=True)
class _Row:
    sequence: int
    order_id: str
    version: int
    state: int
    time: int
    body: bytes | None = field(repr=False)
    business: str | None
    create_time: int | None


def order_events(tx: Transaction, after: int) -> Sequence[OrderEvent]:
    """The events after a sequence number, at most EVENTS_AT_ONCE, in the order of commits."""
    rows = tx.all(
        _Row,
        "SELECT event.sequence, event.order_id, event.version, event.state, event.time, event.body,"
        " orders.business, orders.create_time FROM order_events AS event"
        " LEFT JOIN orders ON event.body IS NULL AND orders.order_id = event.order_id"
        " WHERE event.sequence > :after ORDER BY event.sequence LIMIT :limit",
        after=after,
        limit=EVENTS_AT_ONCE,
    )
    return [_event(row) for row in rows]


def _event(row: _Row) -> OrderEvent:
    if row.body is None:
        return _known_of(row)
    event = OrderEvent.FromString(row.body)
    event.sequence = row.sequence
    return event


def _known_of(row: _Row) -> OrderEvent:
    """An event without a body, completed with the constant fields of its order."""
    origin_region, _, rest = row.order_id.partition("/")
    operator = rest.rpartition("/")[0]  # staff and the node itself have a slash in their names; no request id has one
    event = OrderEvent(
        sequence=row.sequence,
        event_time=to_timestamp(from_microseconds(row.time)),
        order_id=row.order_id,
        version=row.version,
        business=row.business or "",
        state=OrderState.ValueType(row.state),
        origin_region=origin_region,
        operator=operator,
    )
    if row.create_time is not None:
        event.create_time.CopyFrom(to_timestamp(from_microseconds(row.create_time)))
    return event
