"""The ports of operations on orders besides the transaction and the command, and the systems that carry orders out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from gateway.api.federation.v1.configuration_pb2 import Business
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.prepared import PreparedBusiness
from gateway.store.port import Transaction
from region_node.business.orders import rules
from region_node.business.orders.business import BusinessRule, Effects, Situation
from region_node.business.orders.records import StoredRecords
from region_node.business.orders.rules import Value
from region_node.customers.accounts import ledger
from region_node.customers.events import note_attributes, note_subscriptions
from region_node.customers.identities import note_identity
from region_node.customers.notices.rows import tell
from region_node.customers.operations import keep_customer, keep_line
from region_node.customers.rows import Line
from region_node.customers.subscriptions import keep_subscription
from region_node.customers.verification.rows import forget_password
from region_node.node.context import RegionContext


class Fulfilment(Protocol):
    """Carries out the effects of an order, once, in the transaction that completes it."""

    def carry_out(self, tx: Transaction, situation: Situation, effects: Effects) -> None:
        """Applies the effects. An exception undoes the whole step, which is repeated."""
        ...


class OwnRecords:
    """The default: the node's own records are the region's line and billing systems."""

    def carry_out(self, tx: Transaction, situation: Situation, effects: Effects) -> None:
        """See the port: changes customer, line and subscriptions, books the postings, writes the notices."""
        if effects.customer is not None:
            keep_customer(tx, effects.customer)
            note_attributes(tx, effects.customer.customer_id, situation.now)
        if effects.line != situation.line:
            keep_line(tx, effects.line, situation.now)
        for subscription in effects.subscriptions:
            keep_subscription(tx, subscription)
        if effects.subscriptions:
            note_subscriptions(tx, effects.line, situation.now)
        ledger.post_all(tx, effects.postings, situation.currency, situation.now)
        for notice in effects.notices:
            tell(tx, notice, situation.now)
        if effects.identity is not None and not effects.identity.document_id:
            attester = situation.order.origin_region
            note_identity(tx, attester, effects.identity.keyed_hash, effects.line.customer_id)
        if effects.forgets_password:
            forget_password(tx, effects.line.product_id)


@dataclass(frozen=True)
class OrderContext:
    """The region, the rules of its businesses, and the port of their execution."""

    node: RegionContext
    rules: Mapping[str, BusinessRule]
    fulfilment: Fulfilment = field(default_factory=OwnRecords)
    is_shown: Callable[[Transaction, str, str], bool] = lambda tx, subject, number: False
    """Whether a joint order about a number may rest on documents that were checked for this subject."""
    told: Order | None = field(default=None, repr=False)
    """The first answer to the command that is done again after a loss; None for each other decision."""

    def again(self, told: Order) -> "OrderContext":
        """The context of a command that is done again after a loss, by its first answer."""
        return replace(self, node=self.node.again(), told=told)

    def situation(
        self, tx: Transaction, order: Order, values: Mapping[str, Value], line: Line, now: datetime
    ) -> Situation:
        """The input of this region's decision on an order; `now` in UTC.

        Raises Refused with BUSINESS_UNKNOWN.
        """
        federation, region = self.node.federation, self.node.region
        own = federation.region(region)
        return Situation(
            order=order,
            business=federation.business(order.request.business),
            values=values,
            line=line,
            balance=ledger.balance(tx, line.account_id),
            now=now,
            regions=(order.origin_region, region),
            currency=own.currency,
            time_zone=own.time_zone,
            federation=federation,
            records=StoredRecords(tx, federation, own.time_zone),
        )

    def rule(self, business: Business) -> BusinessRule:
        """The rule of a business, its own or the one it names. Raises Refused with BUSINESS_UNSUPPORTED for none."""
        rule = self.rules.get(business.rule or business.code)
        if rule is None:
            raise Refused(Reason.REASON_BUSINESS_UNSUPPORTED, business=business.code)
        return rule


def require_amounts(
    context: RegionContext, business: PreparedBusiness, values: Mapping[str, Value], regions: Sequence[str]
) -> None:
    """Raises Refused with AMOUNT_TOO_HIGH for more than the strictest policy of the regions allows."""
    federation = context.federation
    rules.require_amounts(business, values, lambda policy: federation.figure(policy, regions), context.currency)
