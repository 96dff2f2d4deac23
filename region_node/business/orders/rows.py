"""Orders and their events, as stored: what is personal of an order is sealed under its key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway import vault
from gateway.api.region.v1.order_pb2 import Order, OrderState, Party
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.clock import from_timestamp, to_microseconds
from gateway.errors import Refused
from gateway.masking import masked_number, prints_masked
from gateway.pages import sequence_after
from gateway.store.port import Transaction, Value
from gateway.timers import set_timer
from region_node.business.orders.completed import note_completed
from region_node.business.orders.events import event_of
from region_node.business.orders.rules import FINAL
from region_node.node.subjects import number_index, order_subject
from region_node.records.listing import Page, Selection, Stored
from region_node.requests.caller import done_before
from region_node.requests.checks import NODE_OPERATOR
from region_node.requests.rows import RequestKey

COMPLETED = OrderState.ORDER_STATE_COMPLETED
FOLLOW_TIMER = "order-follow"  # what a node has ordered by itself has changed
BODY = "orders"
_ORDERS_SEEN = 100  # orders of one number that are under way at once: far more than anybody has
_UNDER_WAY = tuple(sorted(set(OrderState.values()) - FINAL - {OrderState.ORDER_STATE_UNSPECIFIED}))


@dataclass(frozen=True)
class OrderRow:
    """An order and the trace to which all its envelopes belong."""

    order: Order = field(repr=False)
    traceparent: str


ORDERS = "order/"


def about_order(order_id: str) -> str:
    """What is told of an order to other processes."""
    return ORDERS + order_id


@dataclass(frozen=True)
class OrderChanged:
    """Published when an order was stored, with the order as it is now."""

    order: Order = field(repr=False)

    @property
    def about(self) -> str:
        """What other processes on the same database are told."""
        return about_order(self.order.id)


@dataclass(frozen=True)
class Event:
    """One change of an order."""

    sequence: int
    order_id: str


def find_order(tx: Transaction, order_id: str) -> OrderRow | None:
    """The order as this region has it; None also where it was erased."""
    row = tx.first(
        Stored, "SELECT order_id, order_date, traceparent, body FROM orders WHERE order_id = :id", id=order_id
    )
    return None if row is None else _opened(tx, [row])[0]


def find_erased(tx: Transaction, order_id: str) -> Order | None:
    """Who had handed in an order that was erased, and where; None for one that was not."""
    return tx.first(
        _erased_order,
        "SELECT order_id, handling_region, home_region, operator FROM orders WHERE order_id = :id AND erased = 1",
        id=order_id,
    )


def require_order(tx: Transaction, order_id: str) -> OrderRow:
    """The order as this region has it. Raises Refused with ORDER_NOT_FOUND."""
    row = find_order(tx, order_id)
    if row is None:
        raise Refused(Reason.REASON_ORDER_NOT_FOUND, order=order_id)
    return row


def known_request(tx: Transaction, key: RequestKey) -> Order | None:
    """The order of a request that was made before. Raises Refused as `done_before`, and with CUSTOMER_ERASED."""
    known = done_before(tx, key)
    if known is None:
        return None
    if find_erased(tx, known) is not None:
        raise Refused(Reason.REASON_CUSTOMER_ERASED)
    return require_order(tx, known).order


def insert_order(tx: Transaction, row: OrderRow, now: datetime) -> None:
    """Adds an order and its first event."""
    tx.execute(
        "INSERT INTO orders (order_id, handling_region, home_region, operator, business, number, state, version,"
        " awaiting, order_date, traceparent, body, is_sealed)"
        " VALUES (:order_id, :handling_region, :home_region, :operator, :business, :number, :state, :version,"
        " :awaiting, :order_date, :traceparent, :body, 1)",
        handling_region=row.order.handling_region,
        operator=row.order.operator,
        business=row.order.request.business,
        number=number_index(tx, row.order.request.number),
        order_date=to_microseconds(from_timestamp(row.order.order_date)),
        traceparent=row.traceparent,
        **_changeable(tx, row.order),
    )
    if row.order.state == COMPLETED:
        note_completed(tx, row.order, now)
    _note_event(tx, row.order, now)


def update_order(tx: Transaction, order: Order, now: datetime) -> None:
    """Stores a changed order and notes the event."""
    if order.state == COMPLETED and not _is_completed(tx, order.id):
        note_completed(tx, order, now)
    tx.execute(
        "UPDATE orders SET home_region = :home_region, state = :state, version = :version, awaiting = :awaiting,"
        " body = :body WHERE order_id = :order_id",
        **_changeable(tx, order),
    )
    _note_event(tx, order, now)


def _is_completed(tx: Transaction, order_id: str) -> bool:
    return tx.first(int, "SELECT state FROM orders WHERE order_id = :id", id=order_id) == COMPLETED


@prints_masked(number=masked_number)
@dataclass(frozen=True)
class OrderFilter:
    """Which orders to list; what is left empty does not filter. `operator` is empty for staff, who see all."""

    operator: str = ""
    region: str = ""
    states: Sequence[OrderState.ValueType] = ()
    business: str = ""
    number: str = ""
    awaiting: Party.ValueType = Party.PARTY_UNSPECIFIED


def list_orders(tx: Transaction, wanted: OrderFilter, before: tuple[int, str] | None, limit: int) -> Page[Order]:
    """At most `limit` orders, newest first, older than `before` (order date in microseconds, order id).

    Those that were erased are left out.
    """
    listed = Selection("orders", "order_id", dated="order_date", shown="erased = 0")
    if wanted.operator:  # whoever sees all needs no condition: a node stores only orders that it handles or owns
        listed.only(
            "(home_region = :region OR (handling_region = :region AND operator = :operator))",
            region=wanted.region,
            operator=wanted.operator,
        )
    listed.in_states(wanted.states)
    if wanted.number:
        listed.by("number = :number", number=number_index(tx, wanted.number))
    if wanted.business:
        listed.by("business = :business", business=wanted.business)
    if wanted.awaiting:
        listed.only("awaiting = :awaiting", awaiting=wanted.awaiting)

    def opened(rows: Sequence[Stored]) -> list[Order | None]:
        return [None if row is None else row.order for row in _opened(tx, rows)]

    return listed.page(tx, opened, before, limit)


def orders_under_way(tx: Transaction, region: str, number: str) -> Sequence[Order]:
    """The orders of a region about a number that are under way at this home region, the newest first."""
    orders = list_orders(tx, OrderFilter(number=number, states=_UNDER_WAY), None, _ORDERS_SEEN).items
    return [order for order in orders if order.handling_region == region]


def held_orders(tx: Transaction) -> list[str]:
    """The ids of the orders that are held here, oldest first."""
    held = OrderState.ORDER_STATE_HELD
    return tx.all(str, f"SELECT order_id FROM orders WHERE state = {held} ORDER BY order_date, order_id")  # noqa: S608


def last_event(tx: Transaction) -> int:
    """The sequence number of the last event; 0 before the first."""
    return tx.first(int, "SELECT COALESCE(MAX(sequence), 0) FROM order_events") or 0


def first_event(tx: Transaction) -> int:
    """The sequence number of the oldest event that is kept; 0 before the first."""
    return tx.first(int, "SELECT COALESCE(MIN(sequence), 0) FROM order_events") or 0


def resumed_after(tx: Transaction, key: str) -> int:
    """The sequence number in the key of a token, after which a stream of events resumes.

    Raises Refused with TOKEN_INVALID for what no stream has told, with TOKEN_EXPIRED where events after it are gone.
    """
    sequence = sequence_after(key, last_event(tx))
    if sequence + 1 < first_event(tx):
        raise Refused(Reason.REASON_TOKEN_EXPIRED)
    return sequence


def events_after(tx: Transaction, sequence: int, limit: int) -> list[Event]:
    """At most `limit` events after a sequence number, in order."""
    return tx.all(
        Event,
        "SELECT sequence, order_id FROM order_events WHERE sequence > :after ORDER BY sequence LIMIT :limit",
        after=sequence,
        limit=limit,
    )


def _note_event(tx: Transaction, order: Order, now: datetime) -> None:
    tx.execute(
        "INSERT INTO order_events (sequence, order_id, version, state, time, body)"
        " SELECT COALESCE(MAX(sequence), 0) + 1, :order_id, :version, :state, :time, :body FROM order_events",
        order_id=order.id,
        version=order.version,
        state=order.state,
        time=to_microseconds(now),
        body=event_of(order, now).SerializeToString(),
    )
    if order.operator == NODE_OPERATOR:  # durable, unlike what is published: what was ordered for it follows
        set_timer(tx, f"{FOLLOW_TIMER}/{order.id}", kind=FOLLOW_TIMER, subject=order.id, due=now)
    changed = OrderChanged(order)
    tx.publish(changed, about=changed.about)


def _changeable(tx: Transaction, order: Order) -> Mapping[str, Value]:
    return {
        "order_id": order.id,
        "home_region": order.home_region,
        "state": order.state,
        "version": order.version,
        "awaiting": order.awaiting.party,
        "body": vault.seal(tx, order_subject(order.id), BODY, order.SerializeToString()),
    }


def _opened(tx: Transaction, rows: Sequence[Stored]) -> list[OrderRow | None]:
    bodies = vault.open_many(tx, [vault.Sealing(order_subject(row.name), BODY, row.body) for row in rows])
    return [
        None if body is None else OrderRow(Order.FromString(body), row.traceparent)
        for row, body in zip(rows, bodies, strict=True)
    ]


def _erased_order(order_id: str, handling_region: str, home_region: str, operator: str) -> Order:
    return Order(id=order_id, handling_region=handling_region, home_region=home_region, operator=operator)
