"""The origin region's bookings for orders of other regions' customers: at intake, and at the end."""

from datetime import datetime

from gateway.api.region.v1.order_pb2 import Order
from gateway.store.port import Transaction
from region_node.business.orders import rules
from region_node.business.orders.business import BusinessRule
from region_node.business.orders.context import OrderContext
from region_node.customers.accounts import ledger


def book_intake(tx: Transaction, context: OrderContext, order: Order, now: datetime) -> None:
    """Books the intake of an order for another region."""
    ledger.post_all(tx, rule_of(context, order).taken_in(order), context.node.currency, now)


def take_back(tx: Transaction, context: OrderContext, order: Order, now: datetime) -> None:
    """Reverses the bookings of intake."""
    ledger.post_all(tx, rule_of(context, order).given_up(order), context.node.currency, now)


def book_again(tx: Transaction, context: OrderContext, order: Order, now: datetime) -> None:
    """Books what is not booked any more of a completed order of another region's customer."""
    rule = rule_of(context, order)
    ledger.post_once(tx, (*rule.taken_in(order), *rule.done_elsewhere(order)), context.node.currency, now)


def close_books(tx: Transaction, context: OrderContext, before: Order, after: Order, now: datetime) -> None:
    """Transfers or reverses the bookings of intake when an order becomes final."""
    if rules.is_final(before) or not rules.is_final(after):
        return
    if after.state == rules.COMPLETED:
        ledger.post_all(tx, rule_of(context, after).done_elsewhere(after), context.node.currency, now)
    else:
        take_back(tx, context, after, now)


def rule_of(context: OrderContext, order: Order) -> BusinessRule:
    """The rule of an order's business; one without any bookings where this version has none."""
    return context.rules.get(context.node.federation.rule_of(order.request.business), BusinessRule())
