"""SUSPEND 停机保号: from an agreed start to an agreed end (specification 3.3.1)."""

from gateway.api.region.v1.customer_service_pb2 import SuspensionKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.clock import from_timestamp
from gateway.errors import Refused
from region_node.orders.business import BusinessRule, Effects, Situation


class Rule(BusinessRule):
    """Suspends the line. Emergency calls stay possible (Telecommunications Regulations, art. 36)."""

    def check(self, situation: Situation) -> None:
        """The end lies after the start and in the future."""
        end = situation.time("end")
        if end is None:
            return
        if end <= (situation.time("start") or from_timestamp(situation.order.order_date)):
            raise Refused(Reason.REASON_CHARACTERISTIC_INVALID, name="end", problem="not after the start")
        if end <= situation.now:
            raise Refused(Reason.REASON_ORDER_EXPIRED)

    def fulfil(self, situation: Situation) -> Effects:
        """The line is suspended, until the agreed end if there is one."""
        kind = SuspensionKind.SUSPENSION_KIND_REQUESTED
        return Effects(situation.line.suspended(kind, situation.text("reason"), situation.time("end")))
