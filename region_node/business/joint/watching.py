"""The watch over limits: at the leading region over the promise and all items, elsewhere over the region's own items.

Neither region needs the other one for it. The timers call the persons on duty, who belong to a higher floor.
"""

from datetime import datetime
from typing import NamedTuple

from gateway.api.region.v1.joint_order_pb2 import JointItem, JointMilestone, JointOrder
from gateway.store.port import Transaction
from gateway.store.timers import cancel_timer, is_set, set_timer
from gateway.time.clock import from_timestamp
from region_node.business.joint import rules, saga
from region_node.business.joint.rows import item_key
from region_node.node.context import RegionContext

LIMIT_TIMER = "joint-limit"  # the limit of a milestone is near
OVERDUE_TIMER = "joint-overdue"  # a limit has passed, or the promise of an order, and the order still waits
PROMISE = "promise"  # the kind of a limit that is the promise of an order to its customer


class Watched(NamedTuple):
    """A limit: of a milestone, by the number of its kind, or PROMISE."""

    key: str
    """That of the item, or of the order."""
    kind: str
    calls: int = 0
    """How often the persons on duty were called because the limit had passed."""

    @staticmethod
    def parse(subject: str) -> "Watched":
        """The limit of a timer. One of LIMIT_TIMER counts no calls."""
        key, kind, *calls = subject.split(" ")
        return Watched(key, kind, *map(int, calls))

    def call_at(self, tx: Transaction, due: datetime) -> None:
        """Has the persons on duty called, unless the limit is met by then. An item has one timer, and an order."""
        prefix = OVERDUE_TIMER if self.kind == PROMISE else LIMIT_TIMER
        set_timer(tx, f"{prefix}/{self.key}", kind=OVERDUE_TIMER, subject=" ".join(map(str, self)), due=due)


def watch_promise(tx: Transaction, order: JointOrder) -> None:
    """Watches the promise of an order that this region leads, until the order has ended."""
    timer = f"{OVERDUE_TIMER}/{order.id}"
    if saga.is_final(order):
        cancel_timer(tx, timer)
    elif not is_set(tx, timer):
        Watched(order.id, PROMISE).call_at(tx, from_timestamp(order.expected_completion_time))


def watch(tx: Transaction, order: JointOrder, item: JointItem, milestone: JointMilestone, due: datetime) -> None:
    """Sets the timer of an item for its present milestone; an item has one."""
    key = item_key(order.id, item.id)
    set_timer(tx, f"{LIMIT_TIMER}/{key}", kind=LIMIT_TIMER, subject=f"{key} {milestone.kind}", due=due)


def watch_alerted(tx: Transaction, order: JointOrder, item: JointItem, now: datetime) -> None:
    """Has the persons on duty of the leading region called about a warning that it has just given."""
    milestone = saga.awaited_milestone(order, item)
    if milestone is not None:
        watch(tx, order, item, milestone, now)


def watch_again(tx: Transaction, order: JointOrder, item: JointItem, now: datetime) -> None:
    """Has the persons on duty called at the limit of a milestone that was warned of, and that no timer watches."""
    key, milestone = item_key(order.id, item.id), saga.awaited_milestone(order, item)
    if milestone is not None and milestone.HasField("alert_time") and not is_set(tx, f"{LIMIT_TIMER}/{key}"):
        limit = rules.limits(milestone, order.warn_before)[1]
        Watched(key, str(milestone.kind)).call_at(tx, max(limit, now))


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
