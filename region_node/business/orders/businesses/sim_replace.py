"""SIM_REPLACE 异地补换卡: a new card for the same number, also after a report of a loss."""

import re
from dataclasses import replace
from datetime import timedelta

from gateway.api.region.v1.customer_service_pb2 import SuspensionKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant
from gateway.errors import Refused
from gateway.federation.policies import SIM_SETTLES
from region_node.business.orders.business import BusinessRule, Effects, Situation
from region_node.business.orders.rules import characteristic_invalid

# ITU-T E.118: 89 for telecommunications, then country, issuer and account; cards of the mainland have 19 or 20 digits.
_ICCID = re.compile(r"89[0-9]{17,18}", re.ASCII)
RESIDENT_ID_CARD = "resident-id-card"


class Rule(BusinessRule):
    """Puts a new card into use and the former one out of use.

    A card may be replaced again at any time; each replacement restarts the time in which no bill is shown.
    """

    def check(self, situation: Situation) -> None:
        """Requires a card number and a way to the customer.

        Far from home, only the holder with an identity card may order.
        """
        if not _ICCID.fullmatch(situation.text("iccid")):
            raise characteristic_invalid(
                "iccid", "not 19 or 20 digits that begin with 89", "须为以89开头的19或20位数字"
            )
        code = situation.business.code
        if situation.text("delivery") == "post" and not situation.text("address"):
            raise Refused(Reason.REASON_CHARACTERISTIC_MISSING, business=code, name="address")
        if situation.order.origin_region == situation.region:
            return
        if situation.order.request.applicant == Applicant.APPLICANT_AGENT:
            raise Refused(Reason.REASON_APPLICANT_NOT_ALLOWED, business=code)
        if situation.text("id_kind") != RESIDENT_ID_CARD:
            raise Refused(Reason.REASON_IDENTITY_NOT_ALLOWED, kind=situation.text("id_kind"))

    def fulfil(self, situation: Situation) -> Effects:
        """The line has the card from now on, and is in service again where its loss was reported."""
        line = situation.line
        if line.suspension_kind == SuspensionKind.SUSPENSION_KIND_LOST:
            line = line.resumed()
        settles = situation.now + timedelta(hours=situation.federation.figure(SIM_SETTLES, situation.regions))
        return Effects(
            replace(line, sim_replaced=situation.now),
            results={"settles": settles.isoformat(timespec="seconds")},
        )
