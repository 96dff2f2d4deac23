"""For what reason another region may see the content of a document: asked in the transaction that reads it."""

from collections.abc import Sequence
from datetime import datetime

from gateway.api.region.v1.order_pb2 import Order
from gateway.federation.catalogue import Federation
from gateway.store.port import Transaction
from region_node.business.orders import rules
from region_node.business.orders.rows import OrderFilter, list_orders

_ORDERS_SEEN = 100  # orders of one number that are under way at once: far more than anybody has
_UNDER_WAY = (
    rules.ACKNOWLEDGED,
    rules.PENDING,
    rules.HELD,
    rules.IN_PROGRESS,
    rules.ASSESSING_CANCELLATION,
    rules.PENDING_CANCELLATION,
)


def orders_under_way(tx: Transaction, region: str, number: str) -> Sequence[Order]:
    """The orders of a region about a number that are under way at this home region, the newest first."""
    orders = list_orders(tx, OrderFilter(number=number, states=_UNDER_WAY), None, _ORDERS_SEEN).items
    return [order for order in orders if order.handling_region == region]


def without_agreement(federation: Federation, asking: str, home: str, now: datetime) -> str:
    """The first of both that has no data agreement in force, where another region asks; empty where nothing lacks."""
    if asking == home:
        return ""
    return next((each for each in (asking, home) if not federation.shares_records(each, now)), "")
