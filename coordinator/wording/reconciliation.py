"""Compared days of pairs of regions."""

from collections.abc import Mapping, Sequence

from gateway.api.coordinator.v1.reconciliation_oversight_service_pb2 import PairDay, PairStanding
from gateway.wording.languages import translated

Pair = tuple[str, str]
"""The ids of two regions, the first in order first."""


def by_pair(days: Sequence[PairDay]) -> Mapping[Pair, Mapping[str, PairDay]]:
    """The days of each pair by their names, in the order of the pairs."""
    found: dict[Pair, dict[str, PairDay]] = {}
    for each in days:
        found.setdefault((each.first_region, each.second_region), {})[each.day] = each
    return dict(sorted(found.items()))


def differs(found: PairDay) -> bool:
    """Whether the regions have different records of a day."""
    return found.standing == PairStanding.PAIR_STANDING_DIFFERENT


def told_day(found: PairDay) -> str:
    """How the records of a pair agree on a day."""
    if differs(found):
        return translated("{number} differ", number=found.differences)
    if found.standing == PairStanding.PAIR_STANDING_CONTRADICTORY:
        return translated("reports contradict: compare again")
    if found.standing == PairStanding.PAIR_STANDING_UNANSWERED:
        return translated("no answer")
    if found.standing == PairStanding.PAIR_STANDING_OPEN:
        return translated("{records} equal, {number} open", records=found.first_records, number=found.open_records)
    return translated("{records} equal", records=found.first_records)
