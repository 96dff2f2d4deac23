"""The items of this region: the steps that a leading region requests, and the ends of reservations."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder, JointVerb
from gateway.store.port import Transaction
from gateway.store.timers import cancel_timer, set_timer
from gateway.time.clock import from_timestamp
from region_node.business.joint import rules, saga
from region_node.business.joint.rows import (
    ITEM_RECORDS,
    JointItemRow,
    insert_item,
    item_key,
    update_item,
)

RESERVATION_TIMER = "joint-reservation"  # the end of a survey or a reservation has come


def obey(
    tx: Transaction,
    order: JointOrder,
    requested: JointItem,
    verb: JointVerb.ValueType,
    begin: Timestamp | None,
    now: datetime,
    traceparent: str,
) -> JointItem | None:
    """Does a step on an item of this region; returns the item, or None for a release of one that was never taken in.

    A step that was done before changes nothing. Raises Refused before the first write.
    """
    key = item_key(order.id, requested.id)
    if verb == saga.RESERVE:
        return _take_in(tx, order, requested, now, traceparent)
    is_release = verb == JointVerb.JOINT_VERB_RELEASE
    if is_release and not ITEM_RECORDS.is_known(tx, key):
        return None
    item = ITEM_RECORDS.require(tx, key).item
    if rules.release(item, now) if is_release else rules.commit(item, begin, now):
        store(tx, order, item)
    return item


def store(tx: Transaction, order: JointOrder, item: JointItem) -> None:
    """Stores a changed item. Only a survey and a reservation end by themselves."""
    if item.state not in rules.RESERVING:
        cancel_timer(tx, _timer(order, item))
    update_item(tx, order.id, item)


def _take_in(
    tx: Transaction, order: JointOrder, requested: JointItem, now: datetime, traceparent: str
) -> JointItem | None:
    key = item_key(order.id, requested.id)
    if ITEM_RECORDS.is_known(tx, key):
        return ITEM_RECORDS.read(tx, key)
    item, hold_until = JointItem(), from_timestamp(order.hold_until_time)
    item.CopyFrom(requested)
    item.state, item.version = rules.ACKNOWLEDGED, 0
    rules.survey(item, hold_until, now)
    insert_item(tx, order.id, JointItemRow(item, traceparent), now)
    if item.state in rules.RESERVING:
        set_timer(tx, _timer(order, item), kind=RESERVATION_TIMER, subject=key, due=hold_until)
    return item


def _timer(order: JointOrder, item: JointItem) -> str:
    return f"{RESERVATION_TIMER}/{item_key(order.id, item.id)}"
