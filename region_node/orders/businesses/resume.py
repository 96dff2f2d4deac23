"""RESUME 复机: at once or at an agreed time (specification 3.3.2)."""

from dataclasses import replace

from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from region_node.orders.business import BusinessRule, Effects, Situation


class Rule(BusinessRule):
    """Ends a suspension."""

    def fulfil(self, situation: Situation) -> Effects:
        """The line is active again; an agreed end of the suspension is void."""
        line = replace(
            situation.line,
            status=ProductStatus.PRODUCT_STATUS_ACTIVE,
            suspension_reason="",
            suspension_end=None,
        )
        return Effects(line)
