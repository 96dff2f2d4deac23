"""The origin region's bookings for orders of other regions' customers: at intake, and at the end."""

from collections.abc import Sequence
from datetime import datetime

from gateway.api.region.v1.order_pb2 import Order
from gateway.store.port import Transaction
from region_node.business.orders import rules
from region_node.business.orders.business import BusinessRule
from region_node.business.orders.context import OrderContext
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import Posting


def book_intake(tx: Transaction, context: OrderContext, order: Order, now: datetime) -> None:
    """Books the intake of an order for another region."""
    _post(tx, context, rule_of(context, order).taken_in(order), now)


def take_back(tx: Transaction, context: OrderContext, order: Order, now: datetime) -> None:
    """Reverses the bookings of intake."""
    _post(tx, context, rule_of(context, order).given_up(order), now)


def book_again(tx: Transaction, context: OrderContext, order: Order, now: datetime) -> None:
    """Books what is not booked any more of a completed order of another region's customer."""
    rule = rule_of(context, order)
    ledger.post_once(tx, (*rule.taken_in(order), *rule.done_elsewhere(order)), context.node.currency, now)


def close_books(tx: Transaction, context: OrderContext, before: Order, after: Order, now: datetime) -> None:
    """Transfers or reverses the bookings of intake when an order becomes final."""
    if rules.is_final(before) or not rules.is_final(after):
        return
    if after.state == rules.COMPLETED:
        _post(tx, context, rule_of(context, after).done_elsewhere(after), now)
    else:
        take_back(tx, context, after, now)


def _post(tx: Transaction, context: OrderContext, postings: Sequence[Posting], now: datetime) -> None:
    if postings:
        ledger.post_all(tx, postings, context.node.currency, now)


def rule_of(context: OrderContext, order: Order) -> BusinessRule:
    """The rule of an order's business; one without any bookings where this version has none."""
    return context.rules.get(context.node.federation.rule_of(order.request.business), BusinessRule())
