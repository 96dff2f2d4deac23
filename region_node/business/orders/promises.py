"""Promises: the origin region watches the date that it gave, also when the home region is silent."""

from datetime import datetime

from gateway.api.region.v1.order_pb2 import Order
from gateway.store.port import Transaction
from gateway.store.timers import Timer
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.business.orders import rules
from region_node.business.orders.context import OrderContext
from region_node.business.orders.rows import find_order, update_order


def promised_date(order: Order) -> datetime | None:
    """The date to be watched; None for a final order."""
    return None if rules.is_final(order) else from_timestamp(order.expected_completion_time)


def promise_is_due(tx: Transaction, context: OrderContext, timer: Timer, now: datetime) -> None:
    """Raises the jeopardy alert for an unfinished order at its promised date.

    A timer that an earlier version has set may outlast its order.
    """
    row = find_order(tx, timer.subject)
    if row is None or rules.is_final(row.order):
        return
    order = row.order
    order.jeopardy_alerts.add(
        alert_time=to_timestamp(now),
        region=context.node.region,
        message=f"promised date missed; {order.awaiting.action}",
    )
    update_order(tx, order, now)
