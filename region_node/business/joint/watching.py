"""The watch over the limits of items: at the leading region over all of them, elsewhere over the region's own.

Neither region needs the other one for it. The timers call the persons on duty, who belong to a higher floor.
"""

from datetime import datetime

from gateway.api.region.v1.joint_order_pb2 import JointItem, JointMilestone, JointOrder
from gateway.store.port import Transaction
from gateway.store.timers import cancel_timer, set_timer
from region_node.business.joint import rules, saga
from region_node.business.joint.rows import item_key
from region_node.node.context import RegionContext

LIMIT_TIMER = "joint-limit"  # the limit of a milestone is near, or has passed


def watch(tx: Transaction, order: JointOrder, item: JointItem, milestone: JointMilestone, due: datetime) -> None:
    """Sets the timer of an item for its present milestone; an item has one."""
    key = item_key(order.id, item.id)
    set_timer(tx, f"{LIMIT_TIMER}/{key}", kind=LIMIT_TIMER, subject=f"{key} {milestone.kind}", due=due)


def watch_alerted(tx: Transaction, order: JointOrder, item: JointItem, now: datetime) -> None:
    """Has the persons on duty of the leading region called about a warning that it has just given."""
    milestone = saga.awaited_milestone(order, item)
    if milestone is not None:
        watch(tx, order, item, milestone, now)


def follow(
    tx: Transaction, context: RegionContext, order: JointOrder, before: JointItem | None, item: JointItem
) -> None:
    """Watches an item of this region for another one, once it has begun to work on a milestone or has got a limit."""
    if order.leader_region == context.region:
        return
    known = None if before is None else rules.milestone_at_work(before)
    milestone = rules.milestone_at_work(item)
    if milestone is None:
        cancel_timer(tx, f"{LIMIT_TIMER}/{item_key(order.id, item.id)}")
    elif known is None or (known.kind, known.due_time) != (milestone.kind, milestone.due_time):
        watch(tx, order, item, milestone, rules.limits(milestone, order.warn_before)[0])
