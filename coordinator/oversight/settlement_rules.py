"""The settlement of pairs of regions, of what both regions report about it. Pure."""

from collections.abc import Mapping, Sequence

from gateway.api.coordinator.v1.settlement_oversight_service_pb2 import PairSettlement
from gateway.api.region.v1.settlement_pb2 import SettlementState, SettlementStatement

SIGNED = SettlementState.SETTLEMENT_STATE_SIGNED
DISPUTED = SettlementState.SETTLEMENT_STATE_DISPUTED
PROPOSED = SettlementState.SETTLEMENT_STATE_PROPOSED


def pair_settlements(reports: Mapping[str, Sequence[SettlementStatement]]) -> list[PairSettlement]:
    """Each pair once, in order. `reports` of one month are by region; one of a pair may be missing."""
    found: dict[tuple[str, str], list[SettlementStatement]] = {}
    for statements in reports.values():
        for each in statements:
            found.setdefault((each.terms.first_region, each.terms.second_region), []).append(each)
    return [_pair(first, second, told) for (first, second), told in sorted(found.items())]


def positions(pairs: Sequence[PairSettlement]) -> dict[tuple[str, str], int]:
    """The net claims of each region against all others, by region and currency; they sum up to zero."""
    sums: dict[tuple[str, str], int] = {}
    for pair in pairs:
        for each in pair.net:
            for region, amount in ((pair.first_region, -each.minor_units), (pair.second_region, each.minor_units)):
                sums[region, each.currency] = sums.get((region, each.currency), 0) + amount
    return dict(sorted(sums.items()))


def _pair(first: str, second: str, told: Sequence[SettlementStatement]) -> PairSettlement:
    states = {each.state for each in told}
    state = next((each for each in (DISPUTED, PROPOSED) if each in states), SIGNED)
    is_same = all(list(each.terms.net) == list(told[0].terms.net) for each in told)
    net = told[0].terms.net if is_same else ()
    return PairSettlement(first_region=first, second_region=second, state=state, net=net, differs=not is_same)
