"""Compares plans by the cost of a month's usage, rated in the same way as bills. Pure."""

from collections.abc import Iterable

from gateway.api.federation.v1.configuration_pb2 import Allowance, LineKind, Plan
from region_node.business.billing.rating import Tariff, cost, volume_in


def cost_of(plan: Plan, usage: Allowance) -> int:
    """The cost of a month's usage with a plan: the rent, and the usage beyond the allowance, in minor units."""
    return plan.monthly_rent.minor_units + cost(volume_in(usage), Tariff.of(plan, packs=()))


def cheapest_first(plans: Iterable[Plan], usage: Allowance, *, mobile: bool = True) -> list[tuple[Plan, int]]:
    """The plans for mobile lines, or for the others, with the cost of a month of use, cheapest first."""
    mobile_kinds = (LineKind.LINE_KIND_UNSPECIFIED, LineKind.LINE_KIND_MOBILE)
    fitting = [plan for plan in plans if (plan.line_kind in mobile_kinds) == mobile]
    return sorted(((plan, cost_of(plan, usage)) for plan in fitting), key=lambda each: (each[1], each[0].id))
