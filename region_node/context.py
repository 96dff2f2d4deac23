"""What operations of a region need besides the transaction and the command."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.federation.catalogue import Federation
from gateway.relay.border import Border
from region_node.orders.business import BusinessRule


@dataclass(frozen=True)
class RegionContext:
    """One region: its border, and the rules of the businesses that it knows."""

    border: Border
    rules: Mapping[str, BusinessRule]

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
