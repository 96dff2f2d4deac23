"""The signals in reports of regions: complaints by day, and differences of records that stay open."""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from coordinator.oversight.complaint_service import COUNT_SECONDS, counted
from coordinator.oversight.figures import Counts
from coordinator.oversight.reconciliation_rules import pair_days
from coordinator.oversight.reconciliation_service import reconciled_days
from coordinator.oversight.region_queries import ANSWER_SECONDS, Regions
from coordinator.registry.port import Registry
from coordinator.risks import rules
from coordinator.risks.change_detection import DAYS, WEEK, rise
from coordinator.risks.rules import Signal
from coordinator.risks.signals import Observation
from gateway.api.coordinator.v1.reconciliation_oversight_service_pb2 import PairDay
from gateway.api.coordinator.v1.risk_service_pb2 import Risk
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.risk_pb2 import RiskRules, RiskSource
from gateway.api.region.v1.complaint_oversight_service_pb2 import CountComplaintsResponse
from gateway.federation.checks import day_of
from gateway.time.months import months_between

COMPLAINTS = RiskSource.RISK_SOURCE_COMPLAINTS
RECONCILIATION = RiskSource.RISK_SOURCE_RECONCILIATION
_WITHOUT_CATEGORY = "NONE"
_LONGEST_MONTH = 31  # days
_MOST = 10**6  # complaints of a day that are counted: a test of absurd counts would take minutes
_COMPARED = timedelta(days=92)  # business days for which differences are looked at


class RegionReports:
    """Asks the regions for the figures that they report anyway. A region without an answer stays as it is."""

    def __init__(self, regions: Regions, registry: Registry) -> None:
        self._regions = regions
        self._registry = registry

    async def observations(self, scales: RiskRules, risks: Mapping[str, Risk], now: datetime) -> list[Observation]:
        """The signals in the reports of the regions that joined; `risks` by id."""
        joined, found = self._regions.joined(), list[Observation]()
        if (rule := rules.rule_of(scales, COMPLAINTS)) is not None:
            months = months_between(f"{now - timedelta(days=DAYS + 2):%Y-%m}", f"{now:%Y-%m}")
            counts = await self._regions.ask_within(joined, counted(months), COUNT_SECONDS)
            lasting = {each.subject for each in risks.values() if each.source == COMPLAINTS and each.signal_lasts}
            known = KnownCounts.of(self._registry.snapshot().configuration or Configuration())
            observed = of_complaints(counts.by_region, known, lasting, rule.false_alarm_days, now)
            found.append(_without(observed, counts.refusals.keys()))
        if (rule := rules.rule_of(scales, RECONCILIATION)) is not None:
            first = f"{now - _COMPARED:%Y-%m-%d}"
            days = await self._regions.ask_within(
                joined, lambda channel, seconds: reconciled_days(channel, first, seconds), ANSWER_SECONDS
            )
            last = f"{now - rule.tolerance.ToTimedelta():%Y-%m-%d}"
            observed = of_reconciliation(pair_days(days.by_region), joined, last)
            found.append(_without(observed, days.refusals.keys()))
        return found


@dataclass(frozen=True)
class KnownCounts:
    """The regions and categories of which counts are taken: whatever else a region reports raises nothing."""

    time_zones: Mapping[str, str]
    """The time zone of each region, by which its days begin."""
    categories: Set[str]

    @classmethod
    def of(cls, configuration: Configuration) -> "KnownCounts":
        """Those of a configuration, and complaints without a category."""
        zones = {each.id: each.time_zone for each in configuration.regions}
        return cls(zones, {"", *(each.code for each in configuration.complaint_categories)})


def of_complaints(
    counts: Counts, known: KnownCounts, lasting: Set[str], false_alarm_days: int, now: datetime
) -> Observation:
    """The categories of regions whose complaints rise, by the days before today. `lasting` has the present subjects.

    A region without complaints in the first week of the past has no past to compare with, and counts as silent.
    """
    found: list[Signal] = []
    silent: set[str] = set()
    for region, months in counts.items():
        yesterday = now.astimezone(ZoneInfo(known.time_zones.get(region, "UTC"))).date() - timedelta(days=1)
        series = {
            category: [days[yesterday - timedelta(days=back)] for back in reversed(range(DAYS))]
            for category, days in _by_day(months, known.categories).items()
        }
        if not any(any(days[:WEEK]) for days in series.values()):
            silent.add(region)
            continue
        for category, days in series.items():
            subject = f"{region}/{category or _WITHOUT_CATEGORY}"
            risen = rise(days, false_alarm_days, lasts=subject in lasting)
            if risen is not None:
                detail = f"{risen.observed} / {risen.expected:.1f} ({risen.days} d, p = {risen.probability:.1g})"
                found.append(Signal(COMPLAINTS, subject, region, detail))
    return Observation(COMPLAINTS, tuple(found), frozenset(silent))


def of_reconciliation(days: Sequence[PairDay], joined: Sequence[str], last: str) -> Observation:
    """The pairs of joined regions with differences of a business day up to `last`, `YYYY-MM-DD`."""
    open_days: dict[str, list[PairDay]] = {}
    for each in days:
        is_known = day_of(each.day) is not None and {each.first_region, each.second_region} <= set(joined)
        if is_known and each.differences and each.day <= last:
            open_days.setdefault(f"{each.first_region}/{each.second_region}", []).append(each)
    signals = (
        Signal(
            RECONCILIATION,
            pair,
            of_pair[0].first_region,
            f"{min(each.day for each in of_pair)}: {sum(each.differences for each in of_pair)}",
        )
        for pair, of_pair in open_days.items()
    )
    return Observation(RECONCILIATION, tuple(signals))


def _by_day(months: Mapping[str, CountComplaintsResponse], categories: Set[str]) -> dict[str, Counter[date]]:
    """The complaints of each day, by known category, of all departments."""
    found: dict[str, Counter[date]] = {}
    for month, answer in months.items():
        first = date.fromisoformat(f"{month}-01")
        for each in answer.counts:
            if each.category not in categories:
                continue
            counted_days = each.days[:_LONGEST_MONTH]
            days = {first + timedelta(days=index): min(count, _MOST) for index, count in enumerate(counted_days)}
            found.setdefault(each.category, Counter()).update(days)
    for of_days in found.values():  # departments together
        of_days.update({day: _MOST - count for day, count in of_days.items() if count > _MOST})
    return found


def _without(observed: Observation, silent: Set[str]) -> Observation:
    return Observation(observed.source, observed.signals, observed.silent | silent)
