"""An order at the border: the handling region is the origin, the home region is the owner."""

from gateway.api.region.v1.order_pb2 import Order
from region_node.business.orders import rules
from region_node.business.orders.rows import ORDER_RECORDS, OrderRow
from region_node.tickets.ticket import Facts, Ticket


def facts(order: Order) -> Facts:
    """Who has a part in an order."""
    return Facts(
        name=order.id,
        origin=order.handling_region,
        owner=order.home_region,
        operator=order.operator,
        version=order.version,
        state=order.state,
        created=order.order_date,
    )


ORDER: Ticket[Order, OrderRow] = Ticket(
    records=ORDER_RECORDS,
    facts=facts,
    prefix="",
    first=rules.ACKNOWLEDGED,
    final=rules.FINAL,
    fixed=("id", "handling_region", "operator", "order_date", "home_region"),
    owner_column="home_region",
)
