"""The notices about limits of joint orders to the persons on duty, and the registration of joint orders with them."""

from dataclasses import replace
from datetime import datetime, timedelta

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.api.region.v1.complaint_pb2 import EscalationTrigger
from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder
from gateway.federation.body import JOINT_ORDER
from gateway.store.port import Transaction
from gateway.store.timers import Timer
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.business.joint import rules, saga
from region_node.business.joint.kind import JOINT_TICKETS
from region_node.business.joint.rows import ITEM_RECORDS, ORDER_RECORDS, facts, forget_items, order_of
from region_node.business.joint.watching import PROMISE, Watched
from region_node.care.escalations.body import WARNING, Escalated, due_by, tell_body
from region_node.care.escalations.rows import remove_notices_below
from region_node.node.context import RegionContext

_USUAL = timedelta(days=1)  # without a row in the matrix of responsibility


def limit_is_near(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """Notifies the person on duty of a milestone whose limit is near, and has people called once that has passed.

    The region that leads the order does so for each item, the region of an item for its own.
    """
    watched = Watched.parse(timer.subject)
    found = _open_limit(tx, context, watched)
    if found is None:
        return
    order, limit = found
    if now >= limit:
        _call(tx, context, order, watched, limit, now)
    else:
        watched.call_at(tx, limit)
        _tell(tx, context, order, watched, limit, JOINT_ORDER, now)


def limit_is_overdue(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """Calls the persons on duty about a limit that has passed, or a promise, each time the limit of the matter passes.

    Each call reaches the next level: of a limit the coordinator, of a promise the lead, then the executive and the
    highest of the matrix.
    """
    watched = Watched.parse(timer.subject)
    found = _open_limit(tx, context, watched)
    if found is not None:
        order, limit = found
        _call(tx, context, order, watched, limit, now)


def _open_limit(tx: Transaction, context: RegionContext, watched: Watched) -> tuple[JointOrder, datetime] | None:
    """The order and the limit that this region still waits for; None once it is met, or the order has ended."""
    is_promise = watched.kind == PROMISE
    row = ORDER_RECORDS.find(tx, watched.key if is_promise else order_of(watched.key))
    if row is None or saga.is_final(row.order):
        return None
    order, is_led_here = row.order, row.order.leader_region == context.region
    if is_promise:
        return (order, from_timestamp(order.expected_completion_time)) if is_led_here else None
    item = _item(tx, context, order, watched.key)
    if item is None:
        return None
    milestone = saga.awaited_milestone(order, item) if is_led_here else rules.milestone_at_work(item)
    if milestone is None or str(milestone.kind) != watched.kind:
        return None
    return order, rules.limits(milestone, order.warn_before)[1]


def _item(tx: Transaction, context: RegionContext, order: JointOrder, key: str) -> JointItem | None:
    """The item, as this region has it where it is its own."""
    item = saga.item_of(order, key.rpartition("/")[2])
    is_own = item is not None and context.region == item.region != order.leader_region
    return ITEM_RECORDS.read(tx, key) if is_own else item


def _call(
    tx: Transaction, context: RegionContext, order: JointOrder, watched: Watched, limit: datetime, now: datetime
) -> None:
    """Calls the next level. About a promise the lead takes the place of the coordinator: no warning has called it."""
    watched = watched._replace(calls=watched.calls + 1)
    _tell(tx, context, order, watched, limit, JOINT_ORDER if watched.kind == PROMISE else "", now)
    watched.call_at(tx, due_by(context, JOINT_ORDER, now, _USUAL))


def _tell(
    tx: Transaction,
    context: RegionContext,
    order: JointOrder,
    watched: Watched,
    limit: datetime,
    matter: str,
    now: datetime,
) -> None:
    trigger = (
        EscalationTrigger.ESCALATION_TRIGGER_LIMIT_PASSED
        if watched.calls
        else EscalationTrigger.ESCALATION_TRIGGER_LIMIT_NEAR
    )
    escalated = Escalated(watched.calls or WARNING, trigger, to_timestamp(now), to_timestamp(limit))
    # The duty is that of this region, whichever leads the order.
    about = facts(order)._replace(owner=context.region)
    part = f"{watched.key}/{watched.kind}"
    tell_body(tx, context, about, escalated, "EscalateJointOrder", matter, now, part=part)


def _forget(tx: Transaction, joint_order_id: str) -> None:
    forget_items(tx, joint_order_id)
    remove_notices_below(tx, joint_order_id)


JOINT_ORDERS = replace(JOINT_TICKETS, forget=_forget).registered(DataClass.DATA_CLASS_JOINT_ORDERS)
