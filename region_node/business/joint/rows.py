"""Joint orders and the items of this region, as stored.

The leading region is origin and owner of an order. The regions of items, and the home region of the number, follow it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder, JointOrderState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction, Value
from gateway.time.clock import from_microseconds, from_timestamp, to_microseconds
from gateway.wording.masking import masked_number, prints_masked
from region_node.business.joint import rules, saga
from region_node.business.orders.provisioning_rows import remove_task
from region_node.customers.erased_numbers import look_if_erased
from region_node.customers.known_statuses import NOT_RESTRICTED
from region_node.customers.rows import free_promised
from region_node.node.open_work import OpenRows
from region_node.node.subjects import number_index
from region_node.records.listing import Page
from region_node.records.numbers import Numbers
from region_node.records.stored import Events, Records
from region_node.tickets.followed import Facts, Followed

JOINT_SUBJECTS = "joint/"
KIND = "joint"
_NO_REGIONS = " "  # of an unreadable order
_FIRST = from_microseconds(0)
_AHEAD = timedelta(days=1)  # far more than clocks differ
_LONGEST_HOLD = timedelta(days=732)  # the longest survey and window of a catalogue


def joint_subject(joint_order_id: str) -> str:
    """The subject whose key seals a joint order and its items."""
    return JOINT_SUBJECTS + joint_order_id


def item_key(joint_order_id: str, item_id: str) -> str:
    """The id of an item among those of all orders."""
    return f"{joint_order_id}/{item_id}"


def work_id(joint_order_id: str, item_id: str) -> str:
    """The id by which the region's own system knows an item: no order has such an id."""
    return f"{joint_order_id}#{item_id}"


def order_of(key: str) -> str:
    """The joint order of an item, by the key of the item."""
    return key.rpartition("/")[0]


@dataclass(frozen=True)
class JointOrderRow:
    """A joint order and the trace of all its envelopes."""

    order: JointOrder = field(repr=False)
    traceparent: str


@dataclass(frozen=True)
class JointItemRow:
    """An item of this region and the trace of all its envelopes."""

    item: JointItem = field(repr=False)
    traceparent: str


@dataclass(frozen=True)
class JointOrderChanged:
    """Published when a joint order or an item of it was stored."""

    joint_order_id: str

    @property
    def about(self) -> str:
        """The subject by which other processes hear of it."""
        return joint_subject(self.joint_order_id)


ORDER_RECORDS = Records(
    table="joint_orders",
    key="joint_order_id",
    dated="create_time",
    fixed=("joint_order_id", "joint_number", "origin_region", "operator", "number_index", "create_time"),
    changing=("state", "version", "changed", "regions"),
    message=JointOrder,
    row=JointOrderRow,
    subject=joint_subject,
    not_found=lambda name: Refused(Reason.REASON_JOINT_ORDER_NOT_FOUND, order=name),
)
ITEM_RECORDS = Records(
    table="joint_items",
    key="joint_item_id",
    dated="create_time",
    fixed=("joint_item_id", "joint_order_id", "create_time"),
    changing=("state", "version"),
    message=JointItem,
    row=JointItemRow,
    subject=lambda key: joint_subject(order_of(key)),
    not_found=lambda key: Refused(Reason.REASON_JOINT_ITEM_NOT_FOUND, order=order_of(key), item=key.rpartition("/")[2]),
)
OPEN = OpenRows(
    "joint_orders", "joint_order_id", "create_time", f"state NOT IN ({', '.join(map(str, sorted(saga.FINAL)))})"
)
"""The joint orders that have not ended."""
ENDS = Events("joint_order_ends", "joint_order_id")
NUMBERS = Numbers("joint_orders", "joint_number", purged="purged_joint_orders")


@prints_masked(number=masked_number)
@dataclass(frozen=True)
class JointOrderFilter:
    """A filter of joint orders; empty values restrict nothing. `operator` sees its own orders."""

    operator: str = ""
    states: Sequence[JointOrderState.ValueType] = ()
    number: str = ""
    concerning: str = ""
    """A region that leads or follows them."""


def next_joint_number(tx: Transaction) -> int:
    """The number of the next joint order that this region leads."""
    return NUMBERS.next(tx)


def insert_joint_order(tx: Transaction, row: JointOrderRow, joint_number: int, now: datetime) -> None:
    """Adds a joint order."""
    order = row.order
    columns: dict[str, Value] = {
        **_changing(order, now),
        "joint_number": joint_number,
        "origin_region": order.leader_region,
        "operator": order.operator,
        "number_index": number_index(tx, order.request.number),
        "create_time": to_microseconds(from_timestamp(order.create_time)),
        "traceparent": row.traceparent,
    }
    ORDER_RECORDS.insert(tx, order.id, order, columns)
    NUMBERS.note(tx, joint_number)
    _stored(tx, order, now)


def update_joint_order(tx: Transaction, order: JointOrder, now: datetime) -> None:
    """Stores a changed joint order. A final order of an erased customer is checked for erasure."""
    ORDER_RECORDS.update(tx, order.id, order, _changing(order, now))
    _stored(tx, order, now)


def note_end(tx: Transaction, order: JointOrder) -> None:
    """Notes that this region has led a joint order to an end in which it is done, wholly or in part; once."""
    end = from_timestamp(order.end_time)
    columns: dict[str, Value] = {
        "end_time": to_microseconds(end),
        "is_late": int(end > from_timestamp(order.expected_completion_time)),
        "is_partial": int(order.state == saga.PARTIAL),
    }
    ENDS.note(tx, order.id, columns)


def is_end_noted(tx: Transaction, joint_order_id: str) -> bool:
    """Whether the end of a joint order is noted."""
    return tx.first(int, "SELECT 1 FROM joint_order_ends WHERE joint_order_id = :id LIMIT 1", id=joint_order_id) == 1


def insert_item(tx: Transaction, joint_order_id: str, row: JointItemRow, now: datetime) -> None:
    """Adds an item of this region."""
    item, key = row.item, item_key(joint_order_id, row.item.id)
    columns: dict[str, Value] = {
        "joint_order_id": joint_order_id,
        "state": item.state,
        "version": item.version,
        "create_time": to_microseconds(now),
        "traceparent": row.traceparent,
    }
    ITEM_RECORDS.insert(tx, key, item, columns)
    _publish(tx, joint_order_id)


def update_item(tx: Transaction, joint_order_id: str, item: JointItem) -> None:
    """Stores a changed item of this region."""
    columns = {"state": item.state, "version": item.version}
    ITEM_RECORDS.update(tx, item_key(joint_order_id, item.id), item, columns)
    _publish(tx, joint_order_id)


def own_items(tx: Transaction, region: str, order: JointOrder) -> Sequence[JointItem]:
    """The items of this region, as it has them."""
    keys = [item_key(order.id, item.id) for item in order.items if item.region == region]
    return [item for key in keys if (item := ITEM_RECORDS.read(tx, key)) is not None]


def own_items_of(tx: Transaction, region: str, orders: Sequence[JointOrder]) -> Mapping[str, Sequence[JointItem]]:
    """As `own_items`, of many joint orders with few queries, by the id of the order."""
    keys = {
        order.id: [item_key(order.id, item.id) for item in order.items if item.region == region] for order in orders
    }
    found = ITEM_RECORDS.read_all(tx, [key for each in keys.values() for key in each])
    return {name: [found[key] for key in each if key in found] for name, each in keys.items()}


def forget_items(tx: Transaction, joint_order_id: str) -> None:
    """Removes the items of a joint order that is destroyed or purged, and what they have promised."""
    keys = tx.all(str, "SELECT joint_item_id FROM joint_items WHERE joint_order_id = :id", id=joint_order_id)
    for key in keys:
        remove_task(tx, work_id(joint_order_id, key.rpartition("/")[2]))
    tx.execute("DELETE FROM joint_items WHERE joint_order_id = :id", id=joint_order_id)
    free_promised(tx, joint_order_id)


def open_joint_orders(tx: Transaction, number: str) -> Sequence[JointOrder]:
    """The joint orders about a number that have not ended, as far as this region knows, by id."""
    final = ", ".join(str(state) for state in sorted(saga.FINAL))
    ids = tx.all(
        str,
        "SELECT joint_order_id FROM joint_orders WHERE number_index = :number AND number_index <> ''"  # noqa: S608
        f" AND state NOT IN ({final}) ORDER BY joint_order_id",
        number=number_index(tx, number),
    )
    return [order for each in ids if (order := ORDER_RECORDS.read(tx, each)) is not None]


def list_joint_orders(
    tx: Transaction, wanted: JointOrderFilter, before: tuple[int, str] | None, limit: int
) -> Page[JointOrder]:
    """At most `limit` joint orders, newest first, older than `before` (creation date in microseconds, id).

    Those of restricted customers are left out.
    """
    listed = ORDER_RECORDS.listed(shown=NOT_RESTRICTED)
    if wanted.operator:
        listed.only("operator = :operator AND joint_number > 0", operator=wanted.operator)
    listed.of_number(tx, wanted.number)
    listed.in_states(wanted.states, OPEN.condition, saga.FINAL)
    if wanted.concerning:
        listed.only("regions LIKE :concerning", concerning=f"% {wanted.concerning} %")
    return ORDER_RECORDS.page(tx, listed, before, limit)


def joint_orders_of(tx: Transaction, number: str, limit: int) -> Page[JointOrder]:
    """At most `limit` joint orders about a number, newest first: those of a restricted customer, too."""
    listed = ORDER_RECORDS.listed(shown="number_index <> ''")
    listed.of_number(tx, number)
    return ORDER_RECORDS.page(tx, listed, None, limit)


def note_regions(tx: Transaction, limit: int) -> int:
    """Stores the regions of at most `limit` joint orders of an earlier version; returns how many."""
    sql = "SELECT joint_order_id FROM joint_orders WHERE regions = '' ORDER BY joint_order_id LIMIT :limit"
    found = tx.all(str, sql, limit=limit)
    for each in found:
        order = ORDER_RECORDS.read(tx, each)
        tx.execute(
            "UPDATE joint_orders SET regions = :regions WHERE joint_order_id = :id",
            id=each,
            regions=_NO_REGIONS if order is None else _regions(order),
        )
    return len(found)


def _stored(tx: Transaction, order: JointOrder, now: datetime) -> None:
    _publish(tx, order.id)
    if saga.is_final(order):
        look_if_erased(tx, KIND, order.id, order.request.number, now)


def _publish(tx: Transaction, joint_order_id: str) -> None:
    changed = JointOrderChanged(joint_order_id)
    tx.publish(changed, about=changed.about)


def _changing(order: JointOrder, now: datetime) -> Mapping[str, Value]:
    return {
        "state": order.state,
        "version": order.version,
        "changed": to_microseconds(now),
        "regions": _regions(order),
    }


def _regions(order: JointOrder) -> str:
    """The regions that lead or follow a joint order, each between blanks."""
    return f" {' '.join((order.leader_region, *saga.followers(order)))} "


def facts(order: JointOrder) -> Facts:
    """The regions with a part in a joint order."""
    return Facts(
        name=order.id,
        origin=order.leader_region,
        owner=order.leader_region,
        operator=order.operator,
        version=order.version,
        state=order.state,
        created=order.create_time,
        number=order.request.number,
        home=order.home_region,
    )


def is_timely(item: JointItem, now: datetime) -> bool:
    """Whether the leading region reports no time of an item that is still to come, or that no calendar has."""
    return rules.has_times_within(item, _FIRST, now + _AHEAD)


def _require_end(order: JointOrder, now: datetime) -> None:
    """Raises Refused with ENVELOPE_INVALID for an order whose reservations, or versions of items, never end.

    Neither has it a time of an item that is still to come, or that no calendar has.
    """
    ends = order.hold_until_time.seconds
    if not order.HasField("hold_until_time") or not 0 < ends <= (now + _LONGEST_HOLD).timestamp():
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="a reservation without an end")
    if any(item.version > rules.MOST_VERSIONS for item in order.items):
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="a version that no region counts")
    if not all(is_timely(item, now) and rules.has_wait_within(item, order.hold_until_time) for item in order.items):
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="a time that is still to come")


JOINT = Followed(
    records=ORDER_RECORDS,
    facts=facts,
    prefix="J",
    first=saga.SURVEYING,
    final=saga.FINAL,
    fixed=(
        "id",
        "request",
        "places",
        "leader_region",
        "operator",
        "request_id",
        "home_region",
        "create_time",
        "survey_due_time",
        "hold_until_time",
        "partial_allowed",
    ),
    require_plausible=_require_end,
    owner_column="origin_region",
)
