"""An order across regions: the origin region is its origin, the home region of its customer owns it."""

from gateway.api.region.v1.order_pb2 import Order
from region_node.business.orders import rules
from region_node.business.orders.rows import ORDER_RECORDS, OrderRow
from region_node.tickets.followed import Facts, Followed


def facts(order: Order) -> Facts:
    """The regions with a part in an order."""
    return Facts(
        name=order.id,
        origin=order.origin_region,
        owner=order.home_region,
        operator=order.operator,
        version=order.version,
        state=order.state,
        created=order.create_time,
    )


ORDER: Followed[Order, OrderRow] = Followed(
    records=ORDER_RECORDS,
    facts=facts,
    prefix="",
    first=rules.ACKNOWLEDGED,
    final=rules.FINAL,
    fixed=("id", "origin_region", "operator", "create_time", "home_region"),
    owner_column="home_region",
)
