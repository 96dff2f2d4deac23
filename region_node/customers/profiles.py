"""The profile of a customer, from the home region at the time of the query (business QRY_PROFILE)."""

from datetime import datetime

from gateway.api.region.v1.customer_service_pb2 import Profile, QueryProfileRequest
from gateway.api.types.v1.types_pb2 import Money
from gateway.store.port import Transaction
from gateway.wording.masking import masked_name
from region_node.customers.messages import product_message
from region_node.customers.preconditions import line_situation, require_preconditions
from region_node.customers.rows import find_customer
from region_node.customers.status import require_readable
from region_node.customers.subscriptions import subscriptions_of
from region_node.customers.verified import QRY_PROFILE, verified_line
from region_node.node.context import RegionContext
from region_node.requests.auditing import AuditedCall
from region_node.requests.checks import Questioner, require_requester


def read_profile(
    tx: Transaction, context: RegionContext, asked: QueryProfileRequest, questioner: Questioner, now: datetime
) -> Profile:
    """The profile of one of this region's customers; the read is audited. The number is in E.164.

    Raises Refused, or Moved where the number belongs to another region.
    """
    require_requester(asked.requester)
    line = verified_line(tx, context, asked, questioner, now, asked.requester)
    require_readable(tx, line.customer_id)
    situation = line_situation(tx, context, line, questioner.region, now)
    require_preconditions(context.federation.business(QRY_PROFILE).preconditions, situation)
    call = AuditedCall(questioner.path, asked.requester.staff_id, now, questioner.proof)
    call.record(tx, "QueryProfile", line.customer_id)
    customer = find_customer(tx, line.customer_id)
    return Profile(
        region=context.region,
        masked_name=masked_name("" if customer is None else customer.name),
        product=product_message(line, subscriptions_of(tx, line.product_id)),
        balance=Money(minor_units=situation.balance, currency=context.currency),
    )
