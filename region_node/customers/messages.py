"""Customers and lines as the contract shows them."""

from collections.abc import Sequence
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.region.v1 import customer_service_pb2 as api
from gateway.api.types.v1.types_pb2 import Money
from gateway.time.clock import to_timestamp
from region_node.customers.other_contacts.rows import contact_messages
from region_node.customers.other_contacts.rules import OtherContact
from region_node.customers.rows import CustomerRow, Line
from region_node.customers.subscriptions import Subscription


def customer_message(
    customer: CustomerRow,
    line: Line,
    subscriptions: Sequence[Subscription],
    balance: Money,
    other_contacts: Sequence[OtherContact] = (),
) -> api.Customer:
    """A customer with one line, for the own region, and for the region that becomes the home."""
    return api.Customer(
        id=customer.customer_id,
        name=customer.name,
        email=customer.email,
        product=product_message(line, subscriptions),
        billing_account=api.BillingAccount(id=line.account_id, balance=balance),
        other_contacts=contact_messages(other_contacts),
    )


def product_message(line: Line, subscriptions: Sequence[Subscription] = ()) -> api.Product:
    """A line, with its subscriptions besides the plan."""
    return api.Product(
        id=line.product_id,
        number=line.number,
        status=line.status,
        plan_id=line.plan_id,
        start_time=to_timestamp(line.start_time),
        contract_end_time=_instant(line.contract_end),
        binding=line.binding,
        sim_replace_time=_instant(line.sim_replaced),
        suspension_reason=line.suspension_reason,
        suspension_end_time=_instant(line.suspension_end),
        emergency_calls_allowed=True,
        kind=line.kind,
        rating_type=line.rating_type,
        suspension_kind=line.suspension_kind,
        card_kind=line.card_kind,
        subscriptions=[_subscription(each) for each in subscriptions],
        address=line.address,
    )


def _subscription(subscription: Subscription) -> api.Subscription:
    return api.Subscription(
        id=subscription.subscription_id,
        offering_id=subscription.offering_id,
        start_time=to_timestamp(subscription.start_time),
        end_time=_instant(subscription.end_time),
    )


def _instant(instant: datetime | None) -> Timestamp | None:
    return None if instant is None else to_timestamp(instant)
