"""MNP_IN 携号转网: only in the number's own area (MIIT 2019); the catalogue keeps it at home."""

from region_node.orders.business import BusinessRule, Situation
from region_node.orders.rules import not_offered


class Rule(BusinessRule):
    """At home, porting is the business of the region's own porting system, which is not reached through orders."""

    def check(self, situation: Situation) -> None:
        """Always raises Refused with BUSINESS_NOT_OFFERED: no order ports a number."""
        raise not_offered(situation.business)
