"""Answers of a region that lies, or is late: none harms the comparison, and the day is compared again."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from gateway.api.region.v1.reconciliation_envelopes_pb2 import (
    BucketDigests,
    DayDigests,
    KindDigest,
    ReconciledRecords,
    ReconciliationQuestion,
)
from gateway.api.region.v1.reconciliation_pb2 import ReconciledRecord, RecordStanding
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.types_pb2 import Money
from gateway.store.timers import due_timers, fire
from gateway.time.clock import to_timestamp
from region_node.business.reconciliation import answers, comparing, days, rules
from region_node.business.reconciliation.nightly import NIGHT_TIMER, ensure_reconciliation, night_is_due
from region_node.business.reconciliation.rows import unsettled_days
from tests.unit.reconciling import DAY, HOME, NIGHT, ORIGIN, TAKEN_IN, THIRD, Region, Two, two_regions

RECONCILIATION = EnvelopeKind.ENVELOPE_KIND_RECONCILIATION
SETTLED = RecordStanding.RECORD_STANDING_SETTLED
HOUR = timedelta(hours=1)


@pytest.fixture(name="two")
def regions_with_equal_days() -> Iterator[Two]:
    with two_regions() as two:
        for number in range(20):
            two.order(f"pay-{number}")
        yield two


def asked(region: Region, other: str, now: datetime = NIGHT) -> EnvelopeContent:
    """The question of a region that begins to compare the day."""
    comparing.compare(region.tx, region.context, other, DAY, now)
    [content] = region.waiting()
    return content


def answered(
    two: Two, region: Region, content: EnvelopeContent, told: DayDigests | ReconciledRecords, now: datetime = NIGHT
) -> None:
    """A region gets an answer to its question."""
    receipt = ReceiptContent(envelope_id=content.id, outcome=Outcome.OUTCOME_ACCEPTED, result=told.SerializeToString())
    two.handler(region, RECONCILIATION).answered(region.tx, content, receipt, now)


def bucket_question(region: Region, kind: str, buckets: int, first: int = 0) -> EnvelopeContent:
    """The question about the records of a kind, of a region that compares the day."""
    records = region.context.kinds[kind].records(region.tx, days.wanted(region.context.node, HOME, DAY))
    told = rules.bucket_digests(rules.in_buckets(records, buckets))
    asked = BucketDigests(record_kind=kind, digests=told, first_bucket=first)
    question = ReconciliationQuestion(day=f"{DAY}", buckets=asked, start_time=to_timestamp(NIGHT))
    return EnvelopeContent(destination=HOME, subject=f"reconciliation/{DAY}", payload=question.SerializeToString())


def digests(**changes: object) -> DayDigests:
    fields: dict[str, object] = {"record_kind": "order", "records": 20, "digest": bytes(32), **changes}
    return DayDigests(kinds=[KindDigest(**fields)])  # type: ignore[arg-type]


def record(**changes: object) -> ReconciledRecord:
    fields: dict[str, object] = {"serial": f"{ORIGIN}/x", "standing": SETTLED, "state": "completed", **changes}
    return ReconciledRecord(**fields)  # type: ignore[arg-type]


def test_an_answer_that_no_honest_region_gives_is_not_taken_and_the_day_is_compared_again(two: Two) -> None:
    lies = {
        "more records than there can be": digests(records=2**64 - 1),
        "a long digest": digests(digest=bytes(100)),
        "a kind twice": DayDigests(kinds=[*digests().kinds, *digests().kinds]),
        "many kinds": DayDigests(kinds=[KindDigest(record_kind=f"k{n}", digest=bytes(32)) for n in range(1000)]),
    }
    for number, (case, told) in enumerate(lies.items()):
        content = asked(two.origin, HOME, NIGHT + number * HOUR)
        answered(two, two.origin, content, told)
        assert two.origin.waiting() == [], case
        assert unsettled_days(two.origin.tx, HOME) == {DAY}, case


def test_records_that_no_honest_region_has_are_not_taken(two: Two) -> None:
    money = Money(minor_units=5, currency="CNY")
    lies = {
        "a third region's": [record(serial="henan/x")],
        "a long serial": [record(serial=f"{ORIGIN}/{'x' * 300}")],
        "a serial that acts on a terminal": [record(serial=f"{ORIGIN}/\x1b[2J")],
        "no state": [record(state="")],
        "no standing": [record(standing=RecordStanding.RECORD_STANDING_UNSPECIFIED)],
        "an amount without postings": [record(amount=money)],
        "an endless amount": [record(amount=Money(minor_units=2**63 - 1, currency="CNY"), postings=1)],
        "one record twice": [record(), record()],
        "a huge list": [record(serial=f"{ORIGIN}/x{n}") for n in range(answers.MOST_RECORDS + 1)],
    }
    content = bucket_question(two.origin, "order", 1)
    for case, told in lies.items():
        answered(two, two.origin, content, ReconciledRecords(buckets=[0], records=told))
        assert two.origin.differences == [], case
    answered(two, two.origin, content, ReconciledRecords(records=[record()], buckets=range(5000)))
    assert two.origin.differences == []


@pytest.mark.parametrize("kind", ["part", "credit", "waived-rent", "warranty-part"])
def test_a_record_of_a_fault_that_a_third_region_has_reported_is_taken_and_no_serial_without_a_region(
    two: Two, kind: str
) -> None:
    content = bucket_question(two.origin, kind, 1)
    for serial in ("", "/F1#waived0", "he nan/F1#waived0", f"{'x' * 65}/F1#waived0", f"{THIRD}/{'x' * 300}"):
        answered(two, two.origin, content, ReconciledRecords(buckets=[0], records=[record(serial=serial)]))
        assert two.origin.differences == [], serial
    told = record(serial=f"{THIRD}/F1#waived0")
    answered(two, two.origin, content, ReconciledRecords(buckets=[0], records=[told]))
    assert two.origin.named == {"F1#waived0": "missing_here"}


def test_a_region_that_tells_of_ever_more_records_is_not_asked_for_more(
    two: Two, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(comparing, "MOST_DIFFERENCES", 40)
    content = bucket_question(two.origin, "order", 64)
    invented = [record(serial=f"{ORIGIN}/invented-{number}") for number in range(500)]
    for bucket in range(64):
        placed = [each for each in invented if rules.bucket_of(each.serial, 64) == bucket]
        told = ReconciledRecords(buckets=[bucket], records=placed, next_bucket=bucket + 1)
        answered(two, two.origin, content, told)
        asked_for = two.origin.waiting()
        if not asked_for:
            break
        [content] = asked_for
    assert 40 <= len(two.origin.differences) < 60
    assert "too many differences" in caplog.text


def test_a_record_that_a_region_got_after_its_question_is_left_to_the_next_comparison(two: Two) -> None:
    content = bucket_question(two.origin, "order", 1)
    question = ReconciliationQuestion.FromString(content.payload)
    two.home.execute(f"DELETE FROM orders WHERE order_id = '{ORIGIN}/counter/pay-7'")
    early = comparing.answer(two.home.tx, two.home.context, ORIGIN, question)
    assert isinstance(early, ReconciledRecords)
    two.order("late")
    answered(two, two.origin, content, early)
    assert two.origin.differences == [], "the answer is of before the order"
    two.compare(now=NIGHT + HOUR)
    assert two.origin.named == {"pay-7": "missing_there"}


def test_pages_that_begin_again_at_an_earlier_bucket_end_the_comparison(two: Two) -> None:
    content = bucket_question(two.origin, "order", 4, 2)
    for following in (1, 2, 4, 2**32 - 1):
        answered(two, two.origin, content, ReconciledRecords(next_bucket=following))
        assert two.origin.waiting() == [], following


def test_a_day_of_which_the_records_never_came_is_compared_again(two: Two) -> None:
    two.home.execute(f"DELETE FROM orders WHERE order_id = '{ORIGIN}/counter/pay-7'")
    content = asked(two.origin, HOME)
    told = comparing.answer(two.home.tx, two.home.context, ORIGIN, ReconciliationQuestion.FromString(content.payload))
    assert isinstance(told, DayDigests)
    answered(two, two.origin, content, told)
    assert two.origin.waiting(), "the question about the records, which nobody answers"
    assert unsettled_days(two.origin.tx, HOME) == {DAY}
    two.compare(now=NIGHT + timedelta(days=30))
    assert two.origin.named == {"pay-7": "missing_there"}


def test_an_answer_to_an_earlier_comparison_neither_raises_nor_closes_what_a_later_one_has_seen(two: Two) -> None:
    lost = f"UPDATE orders SET home_region = '%s' WHERE order_id = '{ORIGIN}/counter/pay-7'"
    two.home.execute(lost % "henan")
    content = asked(two.origin, HOME)
    told = comparing.answer(two.home.tx, two.home.context, ORIGIN, ReconciliationQuestion.FromString(content.payload))
    assert isinstance(told, DayDigests)
    answered(two, two.origin, content, told)
    [records_asked] = two.origin.waiting()
    early = comparing.answer(
        two.home.tx, two.home.context, ORIGIN, ReconciliationQuestion.FromString(records_asked.payload)
    )
    assert isinstance(early, ReconciledRecords)
    two.compare(now=NIGHT + HOUR)
    [found] = two.origin.differences
    answered(two, two.origin, records_asked, early, NIGHT + 2 * HOUR)
    assert two.origin.differences == [found], "the later comparison saw it last"
    two.home.execute(lost % HOME)
    two.compare(now=NIGHT + 3 * HOUR)
    answered(two, two.origin, records_asked, early, NIGHT + 4 * HOUR)
    assert two.origin.differences == [], "what a later comparison closed stays closed"


def test_a_time_ahead_of_the_clock_keeps_no_difference_open(two: Two) -> None:
    where = f"WHERE order_id = '{ORIGIN}/counter/pay-7'"
    two.home.execute(f"UPDATE orders SET home_region = 'henan' {where}")
    two.compare(now=NIGHT + timedelta(days=400))
    assert two.origin.named == {"pay-7": "missing_there"}
    two.home.execute(f"UPDATE orders SET home_region = '{HOME}' {where}")
    two.compare(now=NIGHT)
    assert (two.origin.named, two.home.named) == ({}, {})


def test_a_night_with_a_wrong_clock_waits_until_it_is_right(two: Two) -> None:
    region, now = two.home, TAKEN_IN
    handlers = {NIGHT_TIMER: lambda tx, timer, now: night_is_due(tx, region.context, timer, now)}
    ensure_reconciliation(region.tx, now)

    def asked_until(end: timedelta) -> int:
        nonlocal now
        until, asked = TAKEN_IN + end, 0
        while now < until:
            for timer in due_timers(region.tx, now):
                fire(region.tx, timer, handlers, now)
            asked += len(region.waiting())
            now += timedelta(minutes=10)
        return asked

    clock = region.context.node.border.clock
    clock.hear("coordinator", clock.now() + timedelta(hours=2))
    assert asked_until(timedelta(days=1)) == 0
    clock.hear("coordinator", clock.now())
    assert asked_until(timedelta(days=2)) == 3, "the days of one night"
