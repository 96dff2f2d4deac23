"""The ports of operations on orders, besides the transaction and the command."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.api.federation.v1.configuration_pb2 import Business
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction
from region_node.business.orders import rules
from region_node.business.orders.business import BusinessRule, Situation
from region_node.business.orders.fulfilment import Fulfilment, OwnRecords
from region_node.business.orders.records import StoredRecords
from region_node.business.orders.rules import Value
from region_node.customers.accounts import ledger
from region_node.customers.rows import Line
from region_node.node.context import RegionContext


@dataclass(frozen=True)
class OrderContext:
    """The region, the rules of its businesses, and the port of their execution."""

    node: RegionContext
    rules: Mapping[str, BusinessRule]
    fulfilment: Fulfilment = field(default_factory=OwnRecords)
    provisioned: frozenset[str] = frozenset()
    """The codes of the businesses that the region's own system carries out before the records change."""

    def situation(
        self, tx: Transaction, order: Order, values: Mapping[str, Value], line: Line, now: datetime
    ) -> Situation:
        """The input of this region's decision on an order; `now` in UTC.

        Raises Refused with BUSINESS_UNKNOWN.
        """
        node = self.node
        return Situation(
            order=order,
            business=node.federation.business(order.request.business),
            values=values,
            line=line,
            balance=ledger.balance(tx, line.account_id),
            now=now,
            region=node.region,
            currency=node.currency,
            time_zone=node.time_zone,
            federation=node.federation,
            records=StoredRecords(tx, node.federation, node.time_zone),
        )

    def rule(self, business: Business) -> BusinessRule:
        """The rule of a business, its own or the one it names. Raises Refused with BUSINESS_UNSUPPORTED for none."""
        rule = self.rules.get(business.rule or business.code)
        if rule is None:
            raise Refused(Reason.REASON_BUSINESS_UNSUPPORTED, business=business.code)
        return rule


def require_amounts(
    context: RegionContext, business: Business, values: Mapping[str, Value], regions: Sequence[str]
) -> None:
    """Raises Refused with AMOUNT_TOO_HIGH for more than the strictest policy of the regions allows."""
    federation = context.federation
    rules.require_amounts(business, values, lambda policy: federation.figure(policy, regions), context.currency)
