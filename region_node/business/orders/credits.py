"""The effect of a credit beyond the balance: a line suspended for arrears is resumed. Pure."""

from gateway.api.region.v1.customer_service_pb2 import ProductStatus, SuspensionKind
from region_node.business.billing.wording import resumed
from region_node.business.orders.business import Situation
from region_node.customers.notices.rows import Notice
from region_node.customers.rows import Line


def after_credit(situation: Situation, amount: int) -> tuple[Line, tuple[Notice, ...]]:
    """The line after `amount` was credited, and the notices to the customer.

    Once nothing is overdue the line is in service again in the same transaction. This is well within the strictest
    limit for it (policy `resume-after-payment`).
    """
    line = situation.line
    is_barred = (
        line.status == ProductStatus.PRODUCT_STATUS_SUSPENDED
        and line.suspension_kind == SuspensionKind.SUSPENSION_KIND_ARREARS
    )
    if not is_barred or situation.records.overdue(line.account_id, situation.now) > amount:
        return line, ()
    return line.resumed(), (resumed(situation.order.id, line.number),)
