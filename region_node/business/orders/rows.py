"""Orders and their events, as stored: what is personal of an order is sealed under its key.

The origin region is the origin of an order, the home region of its customer owns it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from gateway.api.region.v1.order_pb2 import Order, OrderState, Party
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction, Value
from gateway.store.timers import DueRows, TimerSet, set_timer
from gateway.time.clock import from_timestamp, microseconds_or_none, to_microseconds
from gateway.wording.masking import masked_number, prints_masked
from region_node.business.orders import rules
from region_node.business.orders.completed import note_completed
from region_node.business.orders.events import event_of
from region_node.business.orders.exposure_rows import give_back
from region_node.business.orders.rules import FINAL
from region_node.node.open_work import OpenRows
from region_node.node.subjects import number_index, order_subject
from region_node.records.listing import BY_TOKEN, NEVER, Page, Position, Selection
from region_node.records.stored import FIRST, Events, Records
from region_node.requests.caller import done_before
from region_node.requests.checks import NODE_OPERATOR
from region_node.requests.rows import RequestKey
from region_node.tickets.followed import Facts, Followed

COMPLETED = OrderState.ORDER_STATE_COMPLETED
FOLLOW_TIMER = "order-follow"  # an order of the node itself has changed
_HELD = OrderState.ORDER_STATE_HELD
_ORDERS_SEEN = 100  # open orders of one number: far more than any number has
_FINAL = ", ".join(map(str, sorted(FINAL)))
_FOR_STAFF = f"awaiting = {Party.PARTY_HOME_STAFF}"
# Of the staff's next step; a row that is older than the column has its date.
_DUE = "COALESCE(awaited_until, create_time)"
_UNDER_WAY = tuple(sorted(set(OrderState.values()) - FINAL - {OrderState.ORDER_STATE_UNSPECIFIED}))


@dataclass(frozen=True)
class OrderRow:
    """An order and the trace of all its envelopes."""

    order: Order = field(repr=False)
    traceparent: str


ORDERS = "order/"


def about_order(order_id: str) -> str:
    """The subject of notifications to other processes about an order."""
    return ORDERS + order_id


@dataclass(frozen=True)
class OrderChanged:
    """Published when an order was stored, with its current state."""

    order: Order = field(repr=False)

    @property
    def about(self) -> str:
        """The subject of notifications to other processes on the same database."""
        return about_order(self.order.id)


@dataclass(frozen=True)
class OrderAdded:
    """Published when an order was stored here for the first time, at `time`."""

    time: datetime


ORDER_RECORDS = Records(
    table="orders",
    key="order_id",
    dated="create_time",
    fixed=("order_id", "origin_region", "operator", "business", "number", "create_time", "is_sealed", "is_proven"),
    changing=(
        "home_region",
        "state",
        "version",
        "awaiting",
        "awaited_until",
        "due_time",
        "completion_time",
        "is_late",
        "is_returned",
        "handling_fee",
    ),
    message=Order,
    row=OrderRow,
    subject=order_subject,
    not_found=lambda order_id: Refused(Reason.REASON_ORDER_NOT_FOUND, order=order_id),
)
PROMISES = DueRows("order-jeopardy", "orders", "order_id")
"""The dates that this region promised, of orders that are not final."""
OPEN = OpenRows("orders", "order_id", "due_time", "due_time IS NOT NULL")
"""The orders that are not final, but for those whose promised date has passed."""
OVERDUE = OpenRows("orders", "order_id", "create_time", f"due_time IS NULL AND state NOT IN ({_FINAL})")
"""The orders that are not final, whose promised date has passed, beside those that another region has promised."""
EVENTS = Events("order_events", "order_id")
"""The change events of orders."""


def find_order(tx: Transaction, order_id: str) -> OrderRow | None:
    """This region's version of an order; None also for an erased one."""
    return ORDER_RECORDS.find(tx, order_id)


def find_erased(tx: Transaction, order_id: str) -> Order | None:
    """The submitter and the origin of an erased order; None for an order that was not erased."""
    return tx.first(
        _erased_order,
        "SELECT order_id, origin_region, home_region, operator FROM orders WHERE order_id = :id AND erased = 1",
        id=order_id,
    )


def require_order(tx: Transaction, order_id: str) -> OrderRow:
    """The order as this region has it. Raises Refused with ORDER_NOT_FOUND."""
    return ORDER_RECORDS.require(tx, order_id)


def is_proven_intake(tx: Transaction, order_id: str) -> bool:
    """Whether a member of staff has proven here to take an order in; False for one of an earlier version."""
    return ORDER_RECORDS.column(tx, order_id, "is_proven") == 1


def known_request(tx: Transaction, key: RequestKey) -> Order | None:
    """The order of a request that was made before. Raises Refused as `done_before`, and with CUSTOMER_ERASED."""
    known = done_before(tx, key)
    if known is None:
        return None
    if find_erased(tx, known) is not None:
        raise Refused(Reason.REASON_CUSTOMER_ERASED)
    return require_order(tx, known).order


def insert_order(
    tx: Transaction, row: OrderRow, now: datetime, *, promised: datetime | None = None, is_proven: bool = False
) -> None:
    """Adds an order and its first event.

    `promised` is the date that this region watches until the order is final. `is_proven` as `is_proven_intake`.
    """
    order = row.order
    columns: dict[str, Value] = {
        **_changing(order),
        "origin_region": order.origin_region,
        "operator": order.operator,
        "business": order.request.business,
        "number": number_index(tx, order.request.number),
        "create_time": to_microseconds(from_timestamp(order.create_time)),
        "traceparent": row.traceparent,
        "is_sealed": 1,
        "is_proven": int(is_proven),
        "due_time": microseconds_or_none(promised),
    }
    ORDER_RECORDS.insert(tx, order.id, order, columns)
    if order.state == COMPLETED:
        note_completed(tx, order, now)
    _note_event(tx, order, FIRST, now)
    tx.publish(OrderAdded(now))
    if promised is not None:
        tx.publish(TimerSet(promised))


def update_order(tx: Transaction, order: Order, now: datetime) -> None:
    """Stores a changed order and notes the event."""
    columns = _changing(order)
    if rules.is_final(order):
        columns["due_time"] = None
    before = ORDER_RECORDS.update(tx, order.id, order, columns)
    if order.state == COMPLETED and before["state"] != COMPLETED:
        note_completed(tx, order, now)
    if order.state in rules.WITHOUT_EFFECT and before["state"] not in FINAL:
        give_back(tx, order.id)
    _note_event(tx, order, before["state"], now)


class CompletedOrder(NamedTuple):
    """The plain columns of a completed order."""

    order_id: str
    business: str
    completion_time: int


def completed_page(tx: Transaction, home: str, end: int, after: tuple[int, str], limit: int) -> list[CompletedOrder]:
    """At most `limit` orders of a home region, completed before `end`, in order, without those of erased customers.

    Times in microseconds. `after` is the completion and the id of the previous page's last one.
    """
    return tx.all(
        CompletedOrder,
        "SELECT order_id, business, completion_time FROM orders WHERE home_region = :home AND erased = 0"
        " AND completion_time >= :time AND completion_time < :end AND (completion_time, order_id) > (:time, :name)"
        " ORDER BY completion_time, order_id LIMIT :limit",
        home=home,
        time=after[0],
        name=after[1],
        end=end,
        limit=limit,
    )


@prints_masked(number=masked_number)
@dataclass(frozen=True)
class OrderFilter:
    """A filter of orders; empty fields do not filter. `operator` is empty for staff, who see all."""

    operator: str = ""
    region: str = ""
    concerning: str = ""
    """A region that handles or owns them."""
    states: Sequence[OrderState.ValueType] = ()
    business: str = ""
    number: str = ""
    awaiting: Party.ValueType = Party.PARTY_UNSPECIFIED
    staff_of: str = ""
    """The region whose staff have to do the next step. Such a list has the nearest due time first."""
    due_before: datetime | None = None
    """The instant before which they have to do it."""
    in_reverse: bool = False


def list_orders(
    tx: Transaction,
    wanted: OrderFilter,
    before: tuple[int, str] | None,
    limit: int,
    position: Position = BY_TOKEN,
) -> Page[Order]:
    """At most `limit` orders, newest first, behind `before` in the list (date in microseconds, order id).

    Erased orders are left out.
    """
    return ORDER_RECORDS.page(tx, _listed(tx, wanted), before, limit, position)


class BasicOrder(NamedTuple):
    """The columns of an order that are not sealed; `date` is its creation, in microseconds."""

    name: str
    date: int
    business: str
    state: OrderState.ValueType
    version: int
    origin_region: str
    home_region: str


def list_basic_orders(
    tx: Transaction, wanted: OrderFilter, before: tuple[int, str] | None, limit: int
) -> Page[BasicOrder]:
    """As `list_orders`, in a fraction of its time."""
    columns = BasicOrder._fields[2:]  # behind the place
    return ORDER_RECORDS.plain_page(tx, _listed(tx, wanted), BasicOrder, columns, before, limit)


def _listed(tx: Transaction, wanted: OrderFilter) -> Selection:
    if wanted.staff_of:
        shown = f"erased = 0 AND state NOT IN ({_FINAL})"
        listed = ORDER_RECORDS.listed_by_due_time(_DUE, shown, in_reverse=wanted.in_reverse)
        listed.by(f"{_FOR_STAFF} AND home_region = :staff_of", staff_of=wanted.staff_of)
        listed.until(wanted.due_before)
    else:
        listed = ORDER_RECORDS.listed("erased = 0", in_reverse=wanted.in_reverse)
    if wanted.operator:  # readers of all orders need no condition: a node stores only orders that it handles or owns
        listed.only(
            "(home_region = :region OR (origin_region = :region AND operator = :operator))",
            region=wanted.region,
            operator=wanted.operator,
        )
    if wanted.concerning:
        listed.only("(home_region = :concerning OR origin_region = :concerning)", concerning=wanted.concerning)
    if wanted.number:  # first what selects the fewest
        listed.by("number = :number", number=number_index(tx, wanted.number))
    if wanted.awaiting:
        listed.by("awaiting = :awaiting AND awaiting <> 0", awaiting=wanted.awaiting)
    if list(wanted.states) == [_HELD]:
        listed.by(f"state = {_HELD}")  # few of the others
    listed.in_states(wanted.states, f"state <> {COMPLETED}", frozenset({COMPLETED}))
    if wanted.business:
        listed.by("business = :business", business=wanted.business)
    return listed


def orders_under_way(tx: Transaction, region: str, number: str) -> Sequence[Order]:
    """The orders of a region about a number that are under way at this home region, the newest first."""
    orders = list_orders(tx, OrderFilter(number=number, states=_UNDER_WAY), None, _ORDERS_SEEN).items
    return [order for order in orders if order.origin_region == region]


def note_awaited(tx: Transaction, limit: int) -> int:
    """Stores the due times of at most `limit` steps of staff of an earlier version; returns how many."""
    sql = f"SELECT order_id FROM orders WHERE {_FOR_STAFF} AND awaited_until IS NULL ORDER BY order_id LIMIT :limit"  # noqa: S608
    found = tx.all(str, sql, limit=limit)
    for each in found:
        order = ORDER_RECORDS.read(tx, each)
        due = None if order is None else _awaited_until(order)
        tx.execute(
            "UPDATE orders SET awaited_until = :due WHERE order_id = :id", id=each, due=NEVER if due is None else due
        )
    return len(found)


def held_orders(tx: Transaction) -> list[str]:
    """The ids of the orders that are held here, oldest first."""
    return tx.all(str, f"SELECT order_id FROM orders WHERE state = {_HELD} ORDER BY create_time, order_id")  # noqa: S608


def _note_event(tx: Transaction, order: Order, former_state: Value, now: datetime) -> None:
    columns: dict[str, Value] = {
        "version": order.version,
        "state": order.state,
        "former_state": former_state,
        "time": to_microseconds(now),
        "body": event_of(order, now).SerializeToString(),
    }
    EVENTS.note(tx, order.id, columns)
    if order.operator == NODE_OPERATOR:  # durable, unlike published events: the cause of the order continues from here
        set_timer(tx, f"{FOLLOW_TIMER}/{order.id}", kind=FOLLOW_TIMER, subject=order.id, due=now)
    changed = OrderChanged(order)
    tx.publish(changed, about=changed.about)


def _changing(order: Order) -> dict[str, Value]:
    return {
        "home_region": order.home_region,
        "state": order.state,
        "version": order.version,
        "awaiting": order.awaiting.party,
        "awaited_until": _awaited_until(order),
        **_completion(order),
    }


def _awaited_until(order: Order) -> int | None:
    """The due time of a step of staff; one that has none comes last. None where nothing is awaited of staff."""
    awaiting = order.awaiting
    if awaiting.party != Party.PARTY_HOME_STAFF:
        return None
    return to_microseconds(from_timestamp(awaiting.due_time)) if awaiting.HasField("due_time") else NEVER


def _completion(order: Order) -> dict[str, Value]:
    """The columns that only a completed order has."""
    if order.state != COMPLETED or not order.HasField("completion_time"):
        return dict.fromkeys(("completion_time", "is_late", "is_returned", "handling_fee"))
    completed, promised = from_timestamp(order.completion_time), from_timestamp(order.expected_completion_time)
    return {
        "completion_time": to_microseconds(completed),
        "is_late": int(completed > promised),
        "is_returned": int(any(change.reason == rules.RETURNED for change in order.state_changes)),
        "handling_fee": order.handling_fee.minor_units if order.HasField("handling_fee") else None,
    }


def _erased_order(order_id: str, origin_region: str, home_region: str, operator: str) -> Order:
    return Order(id=order_id, origin_region=origin_region, home_region=home_region, operator=operator)


def facts(order: Order) -> Facts:
    """The regions with a part in an order."""
    return Facts(
        name=order.id,
        origin=order.origin_region,
        owner=order.home_region,
        operator=order.operator,
        version=order.version,
        state=order.state,
        created=order.create_time,
        number=order.request.number,
        home=order.home_region,
    )


ORDER: Followed[Order, OrderRow] = Followed(
    records=ORDER_RECORDS,
    facts=facts,
    prefix="",
    first=rules.ACKNOWLEDGED,
    final=rules.FINAL,
    fixed=("id", "origin_region", "operator", "create_time", "home_region"),
    owner_column="home_region",
)
