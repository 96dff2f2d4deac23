"""RESUME 复机: at once or at an agreed time (specification 3.3.2)."""

from region_node.orders.business import BusinessRule, Effects, Situation


class Rule(BusinessRule):
    """Ends a suspension."""

    def fulfil(self, situation: Situation) -> Effects:
        """The line is active again; an agreed end of the suspension is void."""
        return Effects(situation.line.resumed())
