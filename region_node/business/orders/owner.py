"""The region that owns the subject of a request, and the line that an order opens. Pure."""

import hashlib
from collections.abc import Mapping

from gateway.api.federation.v1.configuration_pb2 import Business
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.time.clock import from_timestamp
from region_node.business.orders.rules import Value, read_characteristics
from region_node.customers.rows import Line


def owner_of(federation: Federation, request: OrderRequest) -> str | None:
    """The home region of a request: by its number, or by the customer's choice for a new line.

    None where no region is known for the number. Raises Refused for an unknown business or region, for a missing or
    superfluous number, and as `read_characteristics`.
    """
    business = federation.business(request.business)
    if not business.home_characteristic:
        if not request.number:
            raise Refused(Reason.REASON_NUMBER_INVALID, number="")
        return federation.number_plan.home_of(request.number)
    if request.number:
        problem = f"left empty for {business.code}: the line does not exist yet"
        raise Refused(Reason.REASON_REQUEST_INVALID, field="number", problem=problem)
    return chosen_region(federation, business, read_characteristics(business, request))


def chosen_region(federation: Federation, business: Business, values: Mapping[str, Value]) -> str:
    """The region that the customer chose. Raises Refused with REGION_UNKNOWN, or where none was chosen."""
    chosen = values.get(business.home_characteristic)
    if chosen is None:
        raise Refused(Reason.REASON_CHARACTERISTIC_MISSING, business=business.code, name=business.home_characteristic)
    return federation.region(str(chosen)).id


def order_tag(order_id: str) -> str:
    """The stem of ids that belong to an order: 24 characters that reveal nothing about it."""
    return hashlib.sha256(order_id.encode()).hexdigest()[:24]


def line_to_open(order: Order) -> Line:
    """The future line of an order: ids that belong to the order, no number, no plan."""
    tag = order_tag(order.id)
    return Line(
        product_id=f"line-{tag}",
        customer_id=f"customer-{tag}",
        account_id=f"account-{tag}",
        number="",
        status=ProductStatus.PRODUCT_STATUS_CREATED,
        plan_id="",
        start_time=from_timestamp(order.create_time),
        contract_end=None,
        binding="",
        sim_replaced=None,
        suspension_reason="",
        suspension_end=None,
    )
