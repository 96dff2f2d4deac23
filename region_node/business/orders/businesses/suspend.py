"""SUSPEND 停机保号: from an agreed start to an agreed end (specification 3.3.1)."""

from gateway.api.region.v1.customer_service_pb2 import SuspensionKind
from region_node.business.orders.business import BusinessRule, Effects, Situation, require_period


class Rule(BusinessRule):
    """Suspends the line. Emergency calls stay possible (Telecommunications Regulations, art. 36)."""

    def check(self, situation: Situation) -> None:
        """The end lies after the start and in the future."""
        require_period(situation)

    def fulfil(self, situation: Situation) -> Effects:
        """The line is suspended, until the agreed end if there is one."""
        kind = SuspensionKind.SUSPENSION_KIND_REQUESTED
        return Effects(situation.line.suspended(kind, situation.text("reason"), situation.time("end")))
