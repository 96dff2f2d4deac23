"""MNP_IN 携号转网: only in the number's own area (MIIT 2019); the catalogue keeps it at home."""

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from region_node.orders.business import BusinessRule, Situation


class Rule(BusinessRule):
    """At home, porting is the business of the region's own porting system, which is not reached through orders."""

    def check(self, situation: Situation) -> None:
        """Always raises Refused with BUSINESS_NOT_OFFERED: no order ports a number."""
        raise Refused(
            Reason.REASON_BUSINESS_NOT_OFFERED,
            business=situation.business.code,
            note=situation.business.reach_note.zh_cn,
        )
