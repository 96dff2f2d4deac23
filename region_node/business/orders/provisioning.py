"""Orders for the region's own system: start, withdrawal and decision. Parts of one transaction.

The system is called in phases (`provisioning_rows.Phase`) and with the order id as key. `provisioning_answers` handles
its answers. After a rejection the order waits for the region's staff, who repeat the call or give up.
"""

from datetime import datetime
from typing import Final

from gateway.api.region.v1.order_pb2 import Order, Party
from gateway.api.region.v1.order_service_pb2 import ReviewDecision
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp
from region_node.business.orders import rules
from region_node.business.orders.context import OrderContext
from region_node.business.orders.provisioning_rows import Phase, Task, add_task, enter_phase, find_task, remove_task

PROVISION: Final = "provision"  # the awaited action of the home region


def begin(tx: Transaction, order: Order, now: datetime) -> None:
    """The order goes to the region's own system."""
    add_task(tx, order.id, now)
    _wait(order, Party.PARTY_HOME_REGION, PROVISION, now)


def cancel(tx: Transaction, context: OrderContext, order: Order, reason: str, now: datetime) -> None:
    """Cancels an order; it ends immediately unless the system may have work to undo."""
    task = find_task(tx, order.id)
    if task is None:
        rules.cancel(order, reason=reason, now=now, region=context.node.region)
        return
    rules.grant_cancellation(order, reason=reason, now=now, region=context.node.region)
    withdraw(tx, context, order, task, now)


def is_for_staff(order: Order) -> bool:
    """Whether the region's staff have to decide after a rejection by the region's own system."""
    return order.awaiting.party == Party.PARTY_HOME_STAFF and order.awaiting.action in (rules.FULFIL, rules.UNDO)


def review(
    tx: Transaction, context: OrderContext, order: Order, decision: ReviewDecision.ValueType, note: str, now: datetime
) -> None:
    """Repeats the system's call with APPROVE. Undoes the finished work and fails the order with REJECT.

    Where the system refused the undo itself, REJECT means that it is undone by other means. Raises Refused with
    ORDER_STATE_FORBIDS for an order that the system does not have.
    """
    action = order.awaiting.action
    task = find_task(tx, order.id)
    if task is None:
        raise Refused(Reason.REASON_ORDER_STATE_FORBIDS, state=rules.state_name(order.state), action="review")
    if decision == ReviewDecision.REVIEW_DECISION_APPROVE:
        if action == rules.FULFIL:
            order.ClearField("error")
        enter_phase(tx, task, task.phase, now, task.results)
        _wait(order, Party.PARTY_HOME_REGION, PROVISION if action == rules.FULFIL else rules.UNDO, now)
    elif action == rules.FULFIL:
        rules.note_error(order, Refused(Reason.REASON_REVIEW_REJECTED, note=note))
        withdraw(tx, context, order, task, now)
    else:
        end(tx, context, order, now)


def withdraw(tx: Transaction, context: OrderContext, order: Order, task: Task, now: datetime) -> None:
    """Withdraws an order from the system, which undoes its work. An order without any work just ends."""
    if task.phase == Phase.CHECK:
        end(tx, context, order, now)
        return
    enter_phase(tx, task, Phase.UNDO, now, task.results)
    _wait(order, Party.PARTY_HOME_REGION, rules.UNDO, now)


def end(tx: Transaction, context: OrderContext, order: Order, now: datetime) -> None:
    """Ends an order without remaining work at the system: cancelled where that was granted, else failed."""
    remove_task(tx, order.id)
    if order.state == rules.PENDING_CANCELLATION:
        rules.enter(order, rules.CANCELLED, now=now, region=context.node.region, reason="undone")
    else:
        rules.enter(order, rules.FAILED, now=now, region=context.node.region, reason="not carried out")


def give_to_staff(order: Order, action: str, now: datetime) -> None:
    """The region's staff have to decide."""
    _wait(order, Party.PARTY_HOME_STAFF, action, now)


def _wait(order: Order, party: Party.ValueType, action: str, now: datetime) -> None:
    due = from_timestamp(order.expected_completion_time)
    rules.wait_for(order, party, action, now=now, due=max(due, now))
