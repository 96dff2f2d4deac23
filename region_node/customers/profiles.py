"""What a customer has, from the home region at the time of asking (business QRY_PROFILE)."""

from datetime import datetime

from gateway.api.region.v1.customer_service_pb2 import Profile, QueryProfileRequest
from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.api.types.v1.types_pb2 import Money
from gateway.store.port import Transaction
from region_node.auditing import AuditedCall
from region_node.context import RegionContext
from region_node.customers.messages import product_message
from region_node.customers.operations import own_line
from region_node.customers.rows import find_customer
from region_node.customers.subscriptions import subscriptions_of
from region_node.documents.register import require_on_file, with_file
from region_node.orders import rules
from region_node.orders.preconditions import require_preconditions
from region_node.requests import Questioner, require_requester
from region_node.verification.rows import find_key
from region_node.verification.rules import require_verified

QRY_PROFILE = "QRY_PROFILE"


def read_profile(
    tx: Transaction, context: RegionContext, asked: QueryProfileRequest, questioner: Questioner, now: datetime
) -> Profile:
    """The profile of one of this region's customers; the reading is audited. The number is in E.164.

    Raises Refused, or Moved where the number belongs to another region.
    """
    business = context.federation.business(QRY_PROFILE)
    request = OrderRequest(
        business=QRY_PROFILE, number=asked.number, applicant=asked.applicant, documents=asked.documents
    )
    require_requester(asked.requester)
    request = with_file(tx, context, business, request, now)
    rules.require_documents(business, request, now)
    rules.require_materials(context.federation.material_codes, asked.documents)
    require_verified(find_key(tx), questioner.subject(asked.request_id), asked.number, asked.documents)
    line = own_line(tx, context.federation, context.region, asked.number)
    require_on_file(tx, context, request.documents, line, now)
    order = Order(request=request, handling_region=questioner.region, home_region=context.region)
    situation = context.situation(tx, order, {}, line, now)
    require_preconditions(situation)
    AuditedCall(questioner.path, asked.requester.staff_id, now).record(tx, "QueryProfile", line.customer_id)
    customer = find_customer(tx, line.customer_id)
    return Profile(
        region=context.region,
        masked_name=masked_name("" if customer is None else customer.name),
        product=product_message(line, subscriptions_of(tx, line.product_id)),
        balance=Money(minor_units=situation.balance, currency=context.currency),
    )


def masked_name(name: str) -> str:
    """A name of which only the first character is shown, and not how long it is, for example `李**`."""
    return f"{name[:1]}**"
