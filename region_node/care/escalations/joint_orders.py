"""The notices about limits of joint orders to the persons on duty, and the registration of joint orders with them."""

from dataclasses import replace
from datetime import datetime

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.api.provider.v1.raised_complaint_pb2 import RaisedComplaint
from gateway.api.region.v1.complaint_pb2 import EscalationTrigger
from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder
from gateway.auditing import audit
from gateway.federation.body import JOINT_ORDER
from gateway.store.port import Transaction
from gateway.store.timers import Timer
from gateway.time.clock import to_timestamp
from region_node.business.joint import rules, saga, watching
from region_node.business.joint.kind import JOINT_TICKETS
from region_node.business.joint.rows import ITEM_RECORDS, ORDER_RECORDS, forget_items, order_of
from region_node.care.escalations.rows import add_notices, remove_notices_below
from region_node.node.context import RegionContext

_NEAR, _PASSED = 2, 3  # levels: the department that leads, the coordinator
_TRIGGERS = {
    _NEAR: EscalationTrigger.ESCALATION_TRIGGER_LIMIT_NEAR,
    _PASSED: EscalationTrigger.ESCALATION_TRIGGER_LIMIT_PASSED,
}


def limit_is_near(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """Notifies the person on duty of a milestone whose limit is near, and one level up once it has passed.

    The region that leads the order does so for each item, the region of an item for its own.
    """
    key, _, kind = timer.subject.rpartition(" ")
    row = ORDER_RECORDS.find(tx, order_of(key))
    item = None if row is None else _item(tx, context, row.order, key)
    if row is None or item is None:
        return
    is_led_here = row.order.leader_region == context.region
    milestone = saga.awaited_milestone(row.order, item) if is_led_here else rules.milestone_at_work(item)
    if milestone is None or str(milestone.kind) != kind:
        return
    limit = rules.limits(milestone, row.order.warn_before)[1]
    has_passed = now >= limit
    if not has_passed:
        watching.watch(tx, row.order, item, milestone, limit)
    _tell(tx, context, row.order, key, _PASSED if has_passed else _NEAR, limit, kind, now)


def _item(tx: Transaction, context: RegionContext, order: JointOrder, key: str) -> JointItem | None:
    """The item, as this region has it where it is its own. An order that has ended has none."""
    item = saga.item_of(order, key.rpartition("/")[2])
    if item is None or saga.is_final(order):
        return None
    return ITEM_RECORDS.read(tx, key) if context.region == item.region != order.leader_region else item


def _tell(
    tx: Transaction,
    context: RegionContext,
    order: JointOrder,
    key: str,
    level: int,
    limit: datetime,
    kind: str,
    now: datetime,
) -> None:
    trigger, ticket_id = _TRIGGERS[level], f"{key}/{kind}"
    actor, detail = f"region/{context.region}", EscalationTrigger.Name(trigger)
    audit.append(tx, now=now, actor=actor, action="EscalateJointOrder", subject=order.id, detail=detail)
    told = RaisedComplaint(
        id=f"{ticket_id}/L{level}",
        ticket_id=ticket_id,
        level=level,
        matter=JOINT_ORDER if level == _NEAR else "",
        trigger=trigger,
        due_time=to_timestamp(limit),
        time=to_timestamp(now),
        region=context.region,
        origin_region=order.leader_region,
        # The duty is that of this region, whichever leads the order.
        owner_region=context.region,
        home_region=order.home_region,
    )
    add_notices(tx, context, [told], now, due=now)


def _forget(tx: Transaction, joint_order_id: str) -> None:
    forget_items(tx, joint_order_id)
    remove_notices_below(tx, joint_order_id)


JOINT_ORDERS = replace(JOINT_TICKETS, forget=_forget).registered(DataClass.DATA_CLASS_JOINT_ORDERS)
