"""WORK_ORDER: work of people or of a region's own systems only. The node's records do not change.

A business of the catalogue follows it by `rule: WORK_ORDER`, without a line of code.
"""

from gateway.api.region.v1.order_pb2 import Quote
from region_node.business.orders.business import BusinessRule, Effects, Situation


class Rule(BusinessRule):
    """Reviewed, confirmed and fulfilled by the catalogue's steps; no record changes."""

    def quote(self, situation: Situation) -> Quote:
        """The business by name, and its fee, if any."""
        business = situation.business
        return Quote(description=business.tariff, amount=business.fee if business.HasField("fee") else None)

    def fulfil(self, situation: Situation) -> Effects:
        """The line stays unchanged."""
        return Effects(situation.line)
