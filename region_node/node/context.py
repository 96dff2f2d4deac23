"""What operations of a region need besides the transaction and the command."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.api.federation.v1.configuration_pb2 import Business
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.relay.border import Border
from gateway.store.port import Transaction
from region_node.business.billing import ledger
from region_node.business.orders.business import BusinessRule, Situation
from region_node.business.orders.fulfilment import Fulfilment, OwnRecords
from region_node.business.orders.records import StoredRecords
from region_node.business.orders.rules import Value, require_amounts
from region_node.customers.rows import Line
from region_node.lifecycle.erasure.remembered import ErasedKeys, ErasedKeysInMemory


@dataclass(frozen=True)
class RegionContext:
    """One region: its border, the rules of the businesses that it knows, and what carries them out."""

    border: Border
    rules: Mapping[str, BusinessRule]
    fulfilment: Fulfilment = field(default_factory=OwnRecords)
    provisioned: frozenset[str] = frozenset()
    """The codes of the businesses that the region's own system carries out before the records follow."""
    erased_keys: ErasedKeys = field(default_factory=ErasedKeysInMemory)
    """Where the ids of destroyed keys are remembered, apart from the database."""
    sinks: Mapping[str, int] = field(default_factory=dict)
    """Where those above are told of levels of complaints, by name, each with the lowest level that it is told of."""

    @property
    def region(self) -> str:
        """The region's id."""
        return self.border.region

    @property
    def federation(self) -> Federation:
        """The configuration in force. Raises Refused with CONFIGURATION_MISSING before the first."""
        return self.border.current.federation

    @property
    def currency(self) -> str:
        """The currency of this region's accounts."""
        return self.federation.region(self.region).currency

    def situation(
        self, tx: Transaction, order: Order, values: Mapping[str, Value], line: Line, now: datetime
    ) -> Situation:
        """What a decision of this region on an order depends on; `now` in UTC.

        Raises Refused with BUSINESS_UNKNOWN.
        """
        return Situation(
            order=order,
            business=self.federation.business(order.request.business),
            values=values,
            line=line,
            balance=ledger.balance(tx, line.account_id),
            now=now,
            region=self.region,
            currency=self.currency,
            time_zone=self.time_zone,
            federation=self.federation,
            records=StoredRecords(tx, self.federation, self.time_zone),
        )

    def require_amounts(self, business: Business, values: Mapping[str, Value], regions: Sequence[str]) -> None:
        """Raises Refused with AMOUNT_TOO_HIGH for more than the strictest policy of the regions allows."""
        require_amounts(business, values, lambda policy: self.federation.figure(policy, regions), self.currency)

    def rule(self, business: Business) -> BusinessRule:
        """The rule of a business, its own or the one it names. Raises Refused with BUSINESS_UNSUPPORTED for none."""
        rule = self.rules.get(business.rule or business.code)
        if rule is None:
            raise Refused(Reason.REASON_BUSINESS_UNSUPPORTED, business=business.code)
        return rule

    @property
    def time_zone(self) -> str:
        """The time zone of this region's billing and working days."""
        return self.federation.region(self.region).time_zone
