"""What coordinators show of the comparison between regions, of what both regions report."""

from datetime import UTC, datetime

from coordinator.oversight.reconciliation_rules import pair_days
from gateway.api.coordinator.v1.reconciliation_oversight_service_pb2 import PairDay, PairStanding
from gateway.api.region.v1.reconciliation_pb2 import ReconciledDay
from gateway.time.clock import to_timestamp

EQUAL, OPEN = PairStanding.PAIR_STANDING_EQUAL, PairStanding.PAIR_STANDING_OPEN
CONTRADICTORY = PairStanding.PAIR_STANDING_CONTRADICTORY
DIFFERENT, UNANSWERED = PairStanding.PAIR_STANDING_DIFFERENT, PairStanding.PAIR_STANDING_UNANSWERED
NOW = datetime(2030, 6, 15, tzinfo=UTC)


def told(
    region: str,
    day: str = "2030-06-14",
    *,
    here: int = 0,
    there: int = 0,
    digest: bytes = b"a",
    there_digest: bytes = b"a",
    still_open: int = 0,
    differences: int = 0,
    answered: bool = True,
) -> ReconciledDay:
    return ReconciledDay(
        region=region,
        day=day,
        records_here=here,
        records_there=there,
        digest_here=digest,
        digest_there=there_digest,
        open_records=still_open,
        differences=differences,
        compare_time=to_timestamp(NOW) if answered else None,
    )


def standing(*days: ReconciledDay) -> PairStanding.ValueType:
    """How one pair stands, of the report of the second region, and of the first one if there are two."""
    [found] = pair_days({"b": days[:1], "a": days[1:]})
    return found.standing


def test_a_pair_stands_as_the_worse_of_both_reports_says() -> None:
    cases = {
        "equal": (EQUAL, [told("a"), told("b")]),
        "one report": (EQUAL, [told("a")]),
        "open": (OPEN, [told("a", still_open=2), told("b")]),
        "a difference": (DIFFERENT, [told("a", differences=1), told("b", still_open=1)]),
        "equal each by itself": (CONTRADICTORY, [told("a", digest=b"c", there_digest=b"c"), told("b")]),
        "other digests": (DIFFERENT, [told("a"), told("b", there_digest=b"c")]),
        "one answer": (EQUAL, [told("a", answered=False, there_digest=b""), told("b")]),
        "no answer": (UNANSWERED, [told("a", answered=False), told("b", answered=False)]),
    }
    assert {case: standing(*days) for case, (_, days) in cases.items()} == {
        case: wanted for case, (wanted, _) in cases.items()
    }


def test_each_pair_has_a_row_for_each_day_by_the_newest_day_with_its_own_counts() -> None:
    ours = [told("a", here=5, there=4), told("c", day="2030-06-15", here=1, there=2)]
    first = PairDay(first_region="b", second_region="c", day="2030-06-15", standing=EQUAL)
    first.first_records, first.second_records = 1, 2
    second = PairDay(first_region="a", second_region="b", day="2030-06-14", standing=EQUAL)
    second.first_records, second.second_records = 4, 5
    assert pair_days({"b": ours, "a": [told("b", here=4, there=5)]}) == [first, second]
