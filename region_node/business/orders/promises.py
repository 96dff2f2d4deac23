"""Promises: the origin region watches the date that it gave, also when the home region is silent."""

from datetime import datetime

from gateway.api.region.v1.order_pb2 import Order
from gateway.store.port import Transaction
from gateway.store.timers import Timer, cancel_timer, set_timer
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.business.orders import rules
from region_node.business.orders.context import OrderContext
from region_node.business.orders.rows import require_order, update_order

JEOPARDY_TIMER = "order-jeopardy"  # the promised date has come


def watch_promise(tx: Transaction, order: Order) -> None:
    """Sets the timer of an order that is not final."""
    if not rules.is_final(order):
        due = from_timestamp(order.expected_completion_time)
        set_timer(tx, f"{JEOPARDY_TIMER}/{order.id}", kind=JEOPARDY_TIMER, subject=order.id, due=due)


def forget_promise(tx: Transaction, order: Order) -> None:
    """The order is final."""
    cancel_timer(tx, f"{JEOPARDY_TIMER}/{order.id}")


def promise_is_due(tx: Transaction, context: OrderContext, timer: Timer, now: datetime) -> None:
    """Raises the jeopardy alert for an unfinished order at its promised date."""
    row = require_order(tx, timer.subject)
    order = row.order
    if rules.is_final(order):
        return
    order.jeopardy_alerts.add(
        alert_time=to_timestamp(now),
        region=context.node.region,
        message=f"promised date missed; {order.awaiting.action}",
    )
    update_order(tx, order, now)
