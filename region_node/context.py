"""What operations of a region need besides the transaction and the command."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.federation.catalogue import Federation
from gateway.relay.border import Border
from region_node.orders.business import BusinessRule
from region_node.orders.fulfilment import Fulfilment, OwnRecords


@dataclass(frozen=True)
class RegionContext:
    """One region: its border, the rules of the businesses that it knows, and what carries them out."""

    border: Border
    rules: Mapping[str, BusinessRule]
    fulfilment: Fulfilment = field(default_factory=OwnRecords)

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

    @property
    def time_zone(self) -> str:
        """The time zone of this region's billing and working days."""
        return self.federation.region(self.region).time_zone
