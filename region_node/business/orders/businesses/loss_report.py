"""LOSS_REPORT 挂失: a lost card cannot be used any longer."""

from gateway.api.region.v1.customer_service_pb2 import SuspensionKind
from region_node.business.orders.business import BusinessRule, Effects, Situation


class Rule(BusinessRule):
    """Suspends the line until the loss is over: by RESUME with the identity document, or by SIM_REPLACE."""

    def fulfil(self, situation: Situation) -> Effects:
        """The line is suspended immediately and with an open end. Emergency calls stay possible (art. 36)."""
        return Effects(situation.line.suspended(SuspensionKind.SUSPENSION_KIND_LOST, situation.text("reason")))
