"""RESUME 复机: immediately or at an agreed time (specification 3.3.2)."""

from gateway.api.region.v1.customer_service_pb2 import SuspensionKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from region_node.business.orders.business import BusinessRule, Effects, Situation

IDENTITY_DOCUMENT = "ID_ORIG"


class Rule(BusinessRule):
    """Ends a suspension of any kind."""

    def check(self, situation: Situation) -> None:
        """Requires the identity document after a report of a loss: the finder of a telephone may know its password."""
        shown = {document.code for document in situation.order.request.documents}
        lost = situation.line.suspension_kind == SuspensionKind.SUSPENSION_KIND_LOST
        if lost and IDENTITY_DOCUMENT not in shown:
            raise Refused(Reason.REASON_DOCUMENT_MISSING, documents=IDENTITY_DOCUMENT)

    def fulfil(self, situation: Situation) -> Effects:
        """The line is active again; an agreed end of the suspension is void."""
        return Effects(situation.line.resumed())
