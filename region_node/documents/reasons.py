"""For what reason another region may see the content of a document: asked in the transaction that reads it."""

from datetime import datetime

from gateway.federation.catalogue import Federation
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


def without_agreement(federation: Federation, asking: str, home: str, now: datetime) -> str:
    """The first of both that has no data agreement in force, where another region asks; empty where nothing lacks."""
    if asking == home:
        return ""
    return next((each for each in (asking, home) if not federation.shares_records(each, now)), "")
