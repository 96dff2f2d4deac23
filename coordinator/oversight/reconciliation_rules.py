"""The days of pairs of regions, of what both regions report about each other. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from gateway.api.coordinator.v1.reconciliation_oversight_service_pb2 import PairDay, PairStanding
from gateway.api.region.v1.reconciliation_pb2 import ReconciledDay


def pair_days(reports: Mapping[str, Sequence[ReconciledDay]]) -> list[PairDay]:
    """Each day of each pair once, the newest day first. `reports` are by region; one of a pair may be missing."""
    found: dict[tuple[str, str, str], list[tuple[str, ReconciledDay]]] = {}
    for region, days in reports.items():
        for each in days:
            first, second = sorted((region, each.region))
            found.setdefault((each.day, first, second), []).append((region, each))
    ordered = sorted(found, key=lambda each: each[1:])
    ordered.sort(key=lambda each: each[0], reverse=True)
    return [_pair_day(each, found[each]) for each in ordered]


def _pair_day(key: tuple[str, str, str], told: Sequence[tuple[str, ReconciledDay]]) -> PairDay:
    day, first, second = key
    days = [each for _, each in told]
    return PairDay(
        first_region=first,
        second_region=second,
        day=day,
        standing=_standing(days),
        first_records=_records(first, told),
        second_records=_records(second, told),
        open_records=max(each.open_records for each in days),
        differences=max(each.differences for each in days),
    )


def _standing(days: Iterable[ReconciledDay]) -> PairStanding.ValueType:
    """The worse of both reports; one without an answer of the other region counts for nothing.

    A coordinator believes no region alone: two that are equal must have the same digest.
    """
    answered = [each for each in days if each.HasField("compare_time")]
    if not answered:
        return PairStanding.PAIR_STANDING_UNANSWERED
    if any(each.differences or each.digest_here != each.digest_there for each in answered):
        return PairStanding.PAIR_STANDING_DIFFERENT
    if any(each.open_records for each in answered):
        return PairStanding.PAIR_STANDING_OPEN
    if len({each.digest_here for each in answered}) > 1:
        return PairStanding.PAIR_STANDING_CONTRADICTORY
    return PairStanding.PAIR_STANDING_EQUAL


def _records(region: str, told: Sequence[tuple[str, ReconciledDay]]) -> int:
    """The records of a region, by its own report, else by that of the other."""
    own = next((each.records_here for teller, each in told if teller == region), None)
    return own if own is not None else told[0][1].records_there
