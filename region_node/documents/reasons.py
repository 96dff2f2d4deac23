"""For what reason another region may see the content of a document: asked in the transaction that reads it."""

from gateway.store.port import Transaction
from region_node.orders import rules
from region_node.orders.rows import OrderFilter, list_orders

_ORDERS_SEEN = 100  # orders of one number that are under way at once: far more than anybody has
_UNDER_WAY = (
    rules.ACKNOWLEDGED,
    rules.PENDING,
    rules.HELD,
    rules.IN_PROGRESS,
    rules.ASSESSING_CANCELLATION,
    rules.PENDING_CANCELLATION,
)


def may_see_content(tx: Transaction, region: str, number: str) -> bool:
    """Whether a region has a reason, at this home region: an order of its own about the number that is under way."""
    orders = list_orders(tx, OrderFilter(number=number, states=_UNDER_WAY), None, _ORDERS_SEEN)
    return any(order.handling_region == region for order in orders)
