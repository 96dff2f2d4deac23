"""The signals in reports of regions: a rise of complaints by day, and differences that stay open."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from coordinator.risks.change_detection import DAYS, WEEK
from coordinator.risks.reports import KnownCounts, of_complaints, of_reconciliation
from gateway.api.coordinator.v1.reconciliation_oversight_service_pb2 import PairDay
from gateway.api.region.v1.complaint_oversight_service_pb2 import ComplaintCount, CountComplaintsResponse

NOW = datetime(2026, 11, 24, 17, tzinfo=UTC)  # the next day has begun in Shanghai
ZONES = KnownCounts({"sichuan": "Asia/Shanghai"}, {"NET_SPEED"})
YESTERDAY = date(2026, 11, 24)
RATE = 100_000


def months(days: Sequence[int], category: str = "NET_SPEED") -> dict[str, CountComplaintsResponse]:
    """The answers of a region with so many complaints a day, the last of them on the day before today."""
    found: dict[str, CountComplaintsResponse] = {}
    for back, count in enumerate(reversed(days)):
        day = YESTERDAY - timedelta(days=back)
        answer = found.setdefault(f"{day:%Y-%m}", CountComplaintsResponse())
        if not answer.counts:
            answer.counts.append(ComplaintCount(category=category, days=[0] * 31))
        answer.counts[0].days[day.day - 1] = count
    return found


def test_a_rise_is_a_signal_of_its_region_and_category_with_its_figures() -> None:
    counts = {"sichuan": months([10] * (DAYS - WEEK) + [25] * WEEK)}
    (found,) = of_complaints(counts, ZONES, set(), RATE, NOW).signals
    assert (found.subject, found.region) == ("sichuan/NET_SPEED", "sichuan")
    assert found.detail.startswith("175 / 70.0 (7 d, p = ")


def test_the_day_that_has_not_ended_does_not_count() -> None:
    found = months([10] * DAYS)
    found["2026-11"].counts[0].days[24] = 500
    assert of_complaints({"sichuan": found}, ZONES, set(), RATE, NOW).signals == ()


def test_a_slight_rise_lasts_where_it_has_begun_and_begins_nowhere() -> None:
    counts = {"sichuan": months([10] * (DAYS - WEEK) + [15] * WEEK)}
    assert of_complaints(counts, ZONES, set(), RATE, NOW).signals == ()
    assert len(of_complaints(counts, ZONES, {"sichuan/NET_SPEED"}, RATE, NOW).signals) == 1


def test_a_region_without_a_past_or_without_daily_counts_is_not_judged() -> None:
    new = months([0] * (DAYS - WEEK) + [9] * WEEK)
    old_version = {"2026-11": CountComplaintsResponse(counts=[ComplaintCount(category="NET_SPEED", complaints=900)])}
    for counts in (new, old_version, {}):
        observed = of_complaints({"sichuan": counts}, ZONES, set(), RATE, NOW)
        assert not observed.signals
        assert observed.silent == {"sichuan"}


def test_departments_of_a_category_are_counted_together() -> None:
    found = months([10] * (DAYS - WEEK) + [14] * WEEK)
    for answer in found.values():
        answer.counts.append(answer.counts[0])
    assert len(of_complaints({"sichuan": found}, ZONES, {"sichuan/NET_SPEED"}, RATE, NOW).signals) == 1


def test_differences_of_a_pair_that_stay_open_are_one_signal_from_the_oldest_day() -> None:
    def day(name: str, differences: int, second: str = "sichuan") -> PairDay:
        return PairDay(first_region="guangdong", second_region=second, day=name, differences=differences)

    days = [day("2026-11-24", 9), day("2026-11-20", 2), day("2026-11-19", 1), day("2026-11-19", 0, "henan")]
    (found,) = of_reconciliation(days, ["guangdong", "henan", "sichuan"], "2026-11-21").signals
    assert (found.subject, found.region, found.detail) == ("guangdong/sichuan", "guangdong", "2026-11-19: 3")


def test_what_a_region_invents_raises_nothing_and_stops_nobody() -> None:
    long = CountComplaintsResponse(counts=[ComplaintCount(category="NET_SPEED", days=[2**32 - 1] * 4_000_000)])
    strange = CountComplaintsResponse(counts=[ComplaintCount(category="../x", days=[0] * 22 + [2**32 - 1] * 3)])
    past = months([1] * DAYS)
    observed = of_complaints({"sichuan": {**past, "2026-10": long, "2026-11": strange}}, ZONES, set(), RATE, NOW)
    assert not observed.signals
    absurd = of_complaints({"sichuan": {**past, "2026-11": long}}, ZONES, set(), RATE, NOW)
    assert [each.subject for each in absurd.signals] == ["sichuan/NET_SPEED"]
    days = [PairDay(first_region="guangdong", second_region="x/y", day="2026-11-19", differences=1)]
    days.append(PairDay(first_region="guangdong", second_region="sichuan", day="", differences=1))
    assert of_reconciliation(days, ["guangdong", "sichuan"], "2026-11-21").signals == ()
