"""Orders, their events and the requests about them, as stored: what is personal of an order is sealed under its key."""

import json
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
from region_node.business.orders.rules import NODE_OPERATOR
from region_node.node.subjects import number_index, order_subject
from region_node.records.listing import Page, Selection, Stored

COMPLETED = OrderState.ORDER_STATE_COMPLETED
FOLLOW_TIMER = "order-follow"  # what a node has ordered by itself has changed
BODY = "orders"
PARAMETERS = "requests"
"""The places of what is sealed under an order's key."""


@dataclass(frozen=True)
class OrderRow:
    """An order and the trace to which all its envelopes belong."""

    order: Order = field(repr=False)
    traceparent: str


ORDERS = "order/"


def about_order(order_id: str) -> str:
    """What is told of an order to other processes."""
    return ORDERS + order_id


def request_subject(caller: str, request_id: str) -> str:
    """What is told of a request to other processes."""
    return f"request/{caller}/{request_id}"


@dataclass(frozen=True)
class OrderChanged:
    """Published when an order was stored, with the order as it is now."""

    order: Order = field(repr=False)

    @property
    def about(self) -> str:
        """What other processes on the same database are told."""
        return about_order(self.order.id)


@dataclass(frozen=True)
class RequestSettled:
    """Published when the home region has answered a request."""

    caller: str
    request_id: str

    @property
    def about(self) -> str:
        """What other processes on the same database are told."""
        return request_subject(self.caller, self.request_id)


@dataclass(frozen=True)
class RequestRow:
    """What is remembered of a request. `settled` once the home region has answered; `refused` if it refused."""

    digest: bytes
    order_id: str
    settled: bool
    refused: Refused | None


@dataclass(frozen=True)
class Event:
    """One change of an order."""

    sequence: int
    order_id: str


@dataclass(frozen=True)
class _RequestAtRest:
    digest: bytes
    order_id: str
    settled: int
    reason: int
    sealed: bytes | None


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


def find_request(tx: Transaction, caller: str, request_id: str) -> RequestRow | None:
    """What is remembered of a request."""
    row = tx.first(
        _RequestAtRest,
        "SELECT digest, order_id, settled, reason, sealed FROM requests"
        " WHERE caller = :caller AND request_id = :request_id",
        caller=caller,
        request_id=request_id,
    )
    return None if row is None else _request_row(tx, row)


@dataclass(frozen=True)
class RequestKey:
    """A request: who sent it (operator or staff of this region), its id, and the digest of its content."""

    caller: str
    request_id: str
    digest: bytes

    def is_of(self, tx: Transaction, known: RequestRow) -> bool:
        """Whether a request that is remembered had the same content."""
        return known.digest == keyed_digest(tx, self.digest)


def keyed_digest(tx: Transaction, digest: bytes) -> bytes:
    """What is remembered of a digest: by the digest itself, whoever has the database could try out numbers."""
    return bytes.fromhex(vault.index_of(tx, "request", digest.hex()))


def insert_request(tx: Transaction, key: RequestKey, order_id: str, *, settled: bool, now: datetime) -> None:
    """Remembers a request."""
    tx.execute(
        "INSERT INTO requests (caller, request_id, digest, order_id, settled, reason, parameters, time, is_sealed)"
        " VALUES (:caller, :request_id, :digest, :order_id, :settled, 0, '', :time, 1)",
        caller=key.caller,
        request_id=key.request_id,
        digest=keyed_digest(tx, key.digest),
        order_id=order_id,
        settled=int(settled),
        time=to_microseconds(now),
    )


def settle_request(tx: Transaction, caller: str, request_id: str, refused: Refused | None) -> None:
    """Remembers the home region's answer to a request."""
    where = "WHERE caller = :caller AND request_id = :request_id"
    order_id = tx.first(str, f"SELECT order_id FROM requests {where}", caller=caller, request_id=request_id)  # noqa: S608
    if order_id is None:
        return
    tx.execute(
        f"UPDATE requests SET settled = 1, reason = :reason, sealed = :sealed {where}",  # noqa: S608 - a constant
        reason=refused.reason if refused is not None else 0,
        sealed=seal_parameters(tx, order_id, json.dumps(refused.parameters)) if refused is not None else None,
        caller=caller,
        request_id=request_id,
    )


def seal_parameters(tx: Transaction, order_id: str, parameters: str) -> bytes:
    """The parameters of a refusal, JSON, for their row: they may tell a number, or what was wrong with an address."""
    return vault.seal(tx, order_subject(order_id), PARAMETERS, parameters.encode())


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


def _request_row(tx: Transaction, row: _RequestAtRest) -> RequestRow:
    parameters: Mapping[str, str] = {}
    if row.sealed is not None:
        opened = vault.open_if_kept(tx, order_subject(row.order_id), PARAMETERS, row.sealed)
        parameters = json.loads(opened) if opened is not None else {}
    refused = Refused(Reason.ValueType(row.reason), **parameters) if row.reason else None
    return RequestRow(row.digest, row.order_id, bool(row.settled), refused)
