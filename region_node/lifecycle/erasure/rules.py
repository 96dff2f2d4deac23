"""When a customer may be erased (Personal Information Protection Law, art. 47). Pure."""

from collections.abc import Sequence

from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.money import in_major_units


def require_erasable(
    lines: Sequence[ProductStatus.ValueType],
    open_orders: Sequence[str],
    open_complaints: Sequence[str],
    balances: Sequence[int],
    holds: Sequence[str],
    currency: str,
) -> None:
    """Raises Refused with the first thing that stands against erasing a customer.

    `lines` is how each line stands, `open_orders` and `open_complaints` the ids of those that are not final, `balances`
    those of the accounts in minor units, `holds` why the data must be kept.
    """
    in_service = [status for status in lines if status != ProductStatus.PRODUCT_STATUS_TERMINATED]
    if in_service:
        raise Refused(Reason.REASON_CUSTOMER_HAS_LINES, lines=str(len(in_service)))
    if open_orders:
        raise Refused(Reason.REASON_CUSTOMER_HAS_ORDERS, orders=str(len(open_orders)), order=open_orders[0])
    if open_complaints:
        raise Refused(
            Reason.REASON_CUSTOMER_HAS_COMPLAINTS, complaints=str(len(open_complaints)), complaint=open_complaints[0]
        )
    unsettled = next((balance for balance in balances if balance), 0)
    if unsettled:
        raise Refused(Reason.REASON_CUSTOMER_HAS_BALANCE, amount=in_major_units(unsettled, currency))
    if holds:
        raise Refused(Reason.REASON_CUSTOMER_ON_HOLD, hold=", ".join(holds))
