"""The comparison of two regions' records: exactly the differing ones are found, and named."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.api.region.v1.reconciliation_pb2 import DifferenceKind
from region_node.business.reconciliation import rules
from region_node.business.reconciliation.rules import ENDED, OPEN, SETTLED, Pair, Record

CHINA = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 12, 10, 9, tzinfo=UTC)
LATE = timedelta(hours=48)
BASE = Record("sichuan/counter/1", SETTLED, "completed", 100, "CNY", 1)

_records = st.lists(
    st.builds(
        Record,
        serial=st.integers(0, 400).map("sichuan/counter/{}".format),
        standing=st.sampled_from([OPEN, SETTLED, ENDED]),
        state=st.sampled_from(["completed", "closed"]),
        amount=st.integers(0, 3),
    ),
    unique_by=lambda each: each.serial,
    max_size=400,
)


def compared(ours: Sequence[Record], theirs: Sequence[Record]) -> tuple[list[Pair], int]:
    """The differences as two regions find them by digests, buckets and records; the number of messages."""
    if rules.digest(ours) == rules.digest(theirs):
        return [], 1
    count = rules.bucket_count(len(ours))
    buckets = rules.in_buckets(ours, count)
    found: list[Pair] = []
    first, messages = 0, 1
    while True:
        answer = rules.differing(theirs, rules.bucket_digests(buckets), first)
        messages += 1
        found += rules.differences([each for number in answer.buckets for each in buckets[number]], answer.records)
        if not answer.following:
            return sorted(found), messages
        first = answer.following


@given(ours=_records, theirs=_records)
def test_the_comparison_finds_exactly_the_symmetric_difference(ours: list[Record], theirs: list[Record]) -> None:
    settled = [
        {each._replace(standing=SETTLED, postings=0) for each in records if each.standing == SETTLED}
        for records in (ours, theirs)
    ]
    found, _ = compared(ours, theirs)
    assert {each.serial for each in found} == {each.serial for each in settled[0] ^ settled[1]}


@given(ours=_records, data=st.data())
def test_equal_days_cost_one_message_whatever_the_order(ours: list[Record], data: st.DataObject) -> None:
    theirs = data.draw(st.permutations(ours))
    assert compared(ours, theirs) == ([], 1)


@given(ours=_records, theirs=_records)
def test_both_regions_find_the_same_serials(ours: list[Record], theirs: list[Record]) -> None:
    here, there = compared(ours, theirs)[0], compared(theirs, ours)[0]
    assert [each.serial for each in here] == [each.serial for each in there]


def test_one_difference_among_many_records_costs_few_records() -> None:
    ours = [BASE._replace(serial=f"sichuan/counter/{number}") for number in range(20_000)]
    theirs = [*ours[:-1], ours[-1]._replace(amount=7)]
    found, messages = compared(ours, theirs)
    count = rules.bucket_count(len(ours))
    sent = rules.differing(theirs, rules.bucket_digests(rules.in_buckets(ours, count)), 0).records
    assert (len(found), messages) == (1, 2)
    assert len(sent) < 60, "of 20,000"


def test_a_wholly_different_day_is_told_in_bounded_answers() -> None:
    theirs = [BASE._replace(serial=f"sichuan/counter/{number}") for number in range(2_000)]
    found, messages = compared([BASE._replace(serial="x")], theirs)
    assert len(found) == 2_001
    assert messages == 2, "one bucket for one record"
    found, messages = compared([each._replace(amount=1) for each in theirs], theirs)
    assert len(found) == 2_000
    assert messages > 2_000 // (rules.ANSWER_RECORDS + 100)


def test_each_difference_is_named() -> None:
    unsettled, failed = BASE._replace(standing=OPEN, state="in progress"), BASE._replace(standing=ENDED, state="failed")
    doubled, dearer = BASE._replace(amount=200, postings=2), BASE._replace(amount=101)
    unbooked = BASE._replace(amount=0, currency="", postings=0)
    new, old = NOW - timedelta(hours=1), NOW - LATE
    cases = {
        "in flight": (unsettled, BASE, new, DifferenceKind.DIFFERENCE_KIND_IN_FLIGHT),
        "in flight from here": (BASE, unsettled, new, DifferenceKind.DIFFERENCE_KIND_IN_FLIGHT),
        "late": (unsettled, BASE, old, DifferenceKind.DIFFERENCE_KIND_LATE),
        "missing here": (None, BASE, old, DifferenceKind.DIFFERENCE_KIND_MISSING_HERE),
        "missing there": (BASE, None, old, DifferenceKind.DIFFERENCE_KIND_MISSING_THERE),
        "doubled there": (BASE, doubled, new, DifferenceKind.DIFFERENCE_KIND_DOUBLED),
        "doubled here": (doubled, BASE, new, DifferenceKind.DIFFERENCE_KIND_DOUBLED),
        "another amount": (BASE, dearer, new, DifferenceKind.DIFFERENCE_KIND_DIFFERENT_AMOUNT),
        "not booked": (BASE, unbooked, new, DifferenceKind.DIFFERENCE_KIND_DIFFERENT_AMOUNT),
        "another state": (failed, BASE, new, DifferenceKind.DIFFERENCE_KIND_DIFFERENT_STATE),
    }
    wrong = [
        case
        for case, (here, there, found, kind) in cases.items()
        if rules.named(Pair(BASE.serial, here, there), found, NOW, LATE) != kind
    ]
    assert wrong == []


def test_a_correction_closes_the_difference_from_either_side() -> None:
    there = BASE._replace(amount=130)
    assert rules.correction(BASE, there, acting_here=True) == 30
    assert rules.correction(BASE, there, acting_here=False) == -30
    corrected = BASE._replace(amount=130, postings=2)
    assert rules.differences([corrected], [there]) == [], "the number of postings is no difference"


@pytest.mark.parametrize("cut_off", [0, 4, 22])
def test_a_business_day_is_the_span_between_two_cut_offs(cut_off: int) -> None:
    first, end = rules.span_of(date(2026, 12, 9), cut_off, CHINA)
    days = [rules.day_of(each, cut_off, CHINA) for each in (first, end - timedelta(microseconds=1), end)]
    assert days == [date(2026, 12, 9), date(2026, 12, 9), date(2026, 12, 10)]


@given(
    instant=st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    cut_off=st.integers(0, 23),
    zone=st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "UTC"]),
)
@example(datetime(2026, 10, 25, 0, 30, tzinfo=UTC), 2, "Europe/Berlin")
@example(datetime(2026, 3, 29, 1, 30, tzinfo=UTC), 2, "Europe/Berlin")
@example(datetime(2026, 12, 31, 23, 59, tzinfo=UTC), 0, "UTC")
def test_every_instant_belongs_to_one_business_day_also_where_clocks_are_put_forward_and_back(
    instant: datetime, cut_off: int, zone: str
) -> None:
    day = rules.day_of(instant, cut_off, ZoneInfo(zone))
    first, end = (each.astimezone(UTC) for each in rules.span_of(day, cut_off, ZoneInfo(zone)))
    assert first <= instant < end
    assert rules.span_of(day + timedelta(days=1), cut_off, ZoneInfo(zone))[0].astimezone(UTC) == end


def test_ended_days_are_compared_for_some_nights_and_unsettled_ones_until_they_are_settled() -> None:
    today, old = date(2026, 12, 10), date(2026, 10, 1)
    assert rules.days_to_compare(today, 2, [old, today]) == [old, date(2026, 12, 8), date(2026, 12, 9)]
