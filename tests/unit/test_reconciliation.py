"""Two regions compare a business day: what was planted in a copy of their data is found, and named."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.region.v1.reconciliation_envelopes_pb2 import (
    BucketDigests,
    DayDigests,
    KindDigest,
    ReconciledRecords,
    ReconciliationQuestion,
)
from gateway.api.region.v1.reconciliation_pb2 import ReconciledRecord
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.store.timers import cancel_timer, due_timers, fire
from gateway.time.clock import to_timestamp
from region_node.business.reconciliation import comparing
from region_node.business.reconciliation.kind import KEPT
from region_node.business.reconciliation.nightly import (
    DAY_TIMER,
    NIGHT_TIMER,
    compare_between,
    compare_soon,
    day_is_due,
    ensure_reconciliation,
    night_is_due,
)
from region_node.business.reconciliation.rules import SETTLED, bucket_of
from tests.unit.reconciling import DAY, HOME, IN_PROGRESS, NIGHT, ORIGIN, TAKEN_IN, Region, Two, two_regions
from tests.unit.situations import FEDERATION

MANY = 120
RECONCILIATION = EnvelopeKind.ENVELOPE_KIND_RECONCILIATION


@pytest.fixture(name="two")
def regions_with_equal_days() -> Iterator[Two]:
    """Both have the same payments, and money for two complaints."""
    with two_regions() as two:
        for number in range(MANY):
            two.order(f"pay-{number}", 100 + number)
        for number in range(2):
            two.order(f"money-{number}", 50, business="COMPLAINT_REMEDY")
        yield two


def test_equal_days_cost_each_region_one_small_message(two: Two) -> None:
    assert two.compare() == 2
    assert (two.origin.differences, two.home.differences) == ([], [])
    sizes = [len(each.SerializeToString()) for each in two.origin.sent]
    assert max(sizes) < 1024
    [day] = two.origin.days
    assert (day.region, day.day, day.records_here, day.records_there) == (HOME, f"{DAY}", MANY + 2, MANY + 2)
    assert day.digest_here == day.digest_there != b""


def test_each_planted_difference_is_found_and_named_in_both_regions() -> None:
    where = f"order_id = '{ORIGIN}/counter/pay-7'"
    posting = f"posting_id = '{ORIGIN}/counter/pay-7#credit' AND account = 'receivable/{ORIGIN}'"
    doubled = (
        "INSERT INTO ledger_entries SELECT replace(posting_id, '#credit', '#credit-again'), account, amount, currency,"
        f" kind, time FROM ledger_entries WHERE {posting}"
    )
    remedy = f"DELETE FROM orders WHERE order_id = '{ORIGIN}/counter/money-1'"
    unbooked = f"DELETE FROM ledger_entries WHERE posting_id = '{ORIGIN}/counter/money-1#owed' AND account LIKE 'pay%'"
    plants: dict[str, tuple[Callable[[Two], Region], str, str, str, str]] = {
        "a lost receipt": (
            lambda two: two.origin,
            f"UPDATE orders SET state = {IN_PROGRESS} WHERE {where}",
            "pay-7",
            "in_flight",
            "in_flight",
        ),
        "a doubled row": (lambda two: two.home, doubled, "pay-7", "doubled", "doubled"),
        "a changed amount": (
            lambda two: two.home,
            f"UPDATE ledger_entries SET amount = amount - 5 WHERE {posting}",
            "pay-7",
            "different_amount",
            "different_amount",
        ),
        "a missing remedy": (lambda two: two.home, remedy, "money-1", "missing_there", "missing_here"),
        "a remedy without its posting": (
            lambda two: two.origin,
            unbooked,
            "money-1",
            "different_amount",
            "different_amount",
        ),
        "a lost order": (
            lambda two: two.origin,
            f"DELETE FROM orders WHERE {where}",
            "pay-7",
            "missing_here",
            "missing_there",
        ),
    }
    wrong = {}
    for plant, (where_planted, sql, serial, at_origin, at_home) in plants.items():
        with two_regions() as two:
            for number in range(20):
                two.order(f"pay-{number}")
            two.order("money-1", business="COMPLAINT_REMEDY")
            where_planted(two).execute(sql)
            two.compare()
            found = (two.origin.named, two.home.named)
            if found != ({serial: at_origin}, {serial: at_home}):
                wrong[plant] = found
    assert wrong == {}


def test_a_difference_has_both_copies(two: Two) -> None:
    two.home.execute(
        f"UPDATE ledger_entries SET amount = amount - 5 WHERE posting_id = '{ORIGIN}/counter/pay-7#credit'"
        " AND account LIKE 'receivable%'"
    )
    two.compare()
    [found] = two.origin.differences
    assert (found.here.amount.minor_units, found.there.amount.minor_units) == (107, 112)
    assert (found.here.amount.currency, found.record_kind) == ("CNY", "order")


def test_an_order_in_flight_is_late_after_two_nights_and_closes_by_itself(two: Two) -> None:
    two.order("slow", at_origin=IN_PROGRESS)
    two.compare()
    assert two.origin.named == {"slow": "in_flight"}
    assert [each.open_records for each in two.origin.days] == [1]
    two.compare(now=NIGHT + timedelta(hours=47))
    assert two.origin.named == {"slow": "in_flight"}
    two.compare(now=NIGHT + timedelta(hours=48, seconds=-5))  # the second night begins a little earlier than the first
    assert two.origin.named == two.home.named == {"slow": "late"}
    two.home.execute(f"DELETE FROM orders WHERE order_id = '{ORIGIN}/counter/slow'")
    two.origin.execute(f"DELETE FROM orders WHERE order_id = '{ORIGIN}/counter/slow'")
    two.compare(now=NIGHT + timedelta(hours=72))
    assert (two.origin.named, two.home.named) == ({}, {})
    assert [each.open_records for each in two.origin.days] == [0]


def test_a_record_whose_customer_one_region_has_erased_already_is_no_difference_there(two: Two) -> None:
    serial = f"{ORIGIN}/counter/pay-7"
    two.home.execute(f"UPDATE orders SET erased = 1, body = x'00' WHERE order_id = '{serial}'")
    two.compare()
    assert (two.origin.named, two.home.named) == ({"pay-7": "missing_there"}, {})


def test_a_region_tells_another_only_of_what_both_have(two: Two) -> None:
    question = ReconciliationQuestion(day=f"{DAY}", digests=DayDigests(kinds=[KindDigest(record_kind="order")]))
    told = comparing.answer(two.home.tx, two.home.context, "henan", question)
    assert isinstance(told, DayDigests)
    assert [(each.record_kind, each.records) for each in told.kinds] == [("order", 0)]


def test_a_question_that_no_region_asks_is_refused(two: Two) -> None:
    bad = {
        "another subject": ("reconciliation/2030-06-13", ReconciliationQuestion(day=f"{DAY}")),
        "no day": ("reconciliation/today", ReconciliationQuestion(day="today")),
        "no digests": (
            f"reconciliation/{DAY}",
            ReconciliationQuestion(day=f"{DAY}", buckets=BucketDigests(record_kind="order", digests=b"123")),
        ),
        "no kind": (
            f"reconciliation/{DAY}",
            ReconciliationQuestion(day=f"{DAY}", buckets=BucketDigests(record_kind="cake", digests=bytes(8))),
        ),
    }
    wrong = []
    for case, (subject, question) in bad.items():
        content = EnvelopeContent(subject=subject, origin=ORIGIN, payload=question.SerializeToString())
        try:
            two.handler(two.home, RECONCILIATION).act(two.home.tx, content, NIGHT)
        except Refused as refused:
            if refused.reason in (Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED, Reason.REASON_REQUEST_INVALID):
                continue
        wrong.append(case)
    assert wrong == []


def test_a_night_compares_the_last_days_with_each_region_that_joined_and_then_waits_for_the_next(two: Two) -> None:
    region, now, end = two.home, TAKEN_IN, TAKEN_IN + timedelta(days=2)
    handlers = {NIGHT_TIMER: lambda tx, timer, now: night_is_due(tx, region.context, timer, now)}
    ensure_reconciliation(region.tx, now)
    while now < end:
        for timer in due_timers(region.tx, now):
            fire(region.tx, timer, handlers, now)
        two.settle(now)
        now += timedelta(minutes=10)
    asked = [(each.destination, each.subject.rpartition("/")[2]) for each in region.sent]
    first, second = ([f"{DAY - timedelta(days=each)}" for each in back] for back in ((2, 1, 0), (1, 0, -1)))
    assert asked == [*((ORIGIN, day) for day in first), *((ORIGIN, day) for day in second)]


def test_the_days_of_a_region_that_was_away_are_compared_once_it_is_back(two: Two) -> None:
    home, lost, older = two.home, MemberState.MEMBER_STATE_LOST, DAY - timedelta(days=30)
    handlers = {
        NIGHT_TIMER: lambda tx, timer, now: night_is_due(tx, home.context, timer, now),
        DAY_TIMER: lambda tx, timer, now: day_is_due(tx, home.context, timer, now),
    }

    def asked_in(nights: int, state: MemberState.ValueType, now: datetime) -> set[str]:
        """The days for which the home region asks in some nights, while the origin is in a state."""
        home.context.node.border.current.update(FEDERATION, [Member(region=ORIGIN, state=state)])
        days, end = set(), now + timedelta(days=nights)
        while now < end:
            for timer in due_timers(home.tx, now):
                fire(home.tx, timer, handlers, now)
            days |= {each.subject.rpartition("/")[2] for each in home.waiting()}
            now += timedelta(minutes=15)
        return days

    ensure_reconciliation(home.tx, TAKEN_IN)
    compare_soon(home.tx, ORIGIN, older, TAKEN_IN)
    assert asked_in(8, lost, TAKEN_IN) == set(), "nothing waits for it"
    found = asked_in(1, MemberState.MEMBER_STATE_JOINED, TAKEN_IN + timedelta(days=8))
    assert {f"{older}", *(f"{DAY + timedelta(days=each)}" for each in range(8))} <= found


def test_each_ended_day_of_a_lost_part_is_compared_soon(two: Two) -> None:
    home, begin, now = two.home, TAKEN_IN - timedelta(days=10), TAKEN_IN
    handlers = {DAY_TIMER: lambda tx, timer, now: day_is_due(tx, home.context, timer, now)}
    two.order("lost", taken_in=begin)
    home.execute(f"DELETE FROM orders WHERE order_id = '{ORIGIN}/counter/lost'")
    compare_between(home.tx, home.context.node, ORIGIN, begin, now - timedelta(days=2), now)
    while timers := due_timers(home.tx, now):
        for timer in timers:
            fire(home.tx, timer, handlers, now)
        two.settle(now)
        now += timedelta(seconds=1)
    assert [each.day for each in reversed(home.days)] == [f"{DAY - timedelta(days=each)}" for each in range(10, 1, -1)]
    assert home.named["lost"] == "missing_here"


def test_no_day_is_compared_of_which_no_finding_would_be_kept_and_none_by_a_federation_without_a_policy(
    two: Two,
) -> None:
    def compared() -> list[str]:
        found = due_timers(home.tx, TAKEN_IN + timedelta(days=1), 2 * KEPT.days, of={DAY_TIMER})
        for each in found:
            cancel_timer(home.tx, each.timer_id)
        return [each.subject for each in found]

    home, node = two.home, two.home.context.node
    compare_between(home.tx, node, ORIGIN, TAKEN_IN - timedelta(days=10_000), TAKEN_IN, TAKEN_IN)
    found = compared()
    assert (found[0], len(found)) == (f"{ORIGIN} {DAY - KEPT}", KEPT.days)
    unregulated = Configuration()
    unregulated.CopyFrom(FEDERATION.configuration)
    unregulated.ClearField("policies")
    node.border.current.update(Federation(9, unregulated), node.border.current.state().members.values())
    compare_between(home.tx, node, ORIGIN, TAKEN_IN - timedelta(days=10), TAKEN_IN, TAKEN_IN)
    assert compared() == []


def test_an_unreadable_answer_ends_the_comparison_and_a_record_outside_of_its_bucket_is_left_out(two: Two) -> None:
    comparing.compare(two.origin.tx, two.origin.context, HOME, DAY, NIGHT)
    [content] = two.origin.waiting()
    handler = two.handler(two.origin, RECONCILIATION)
    receipt = ReceiptContent(envelope_id=content.id, outcome=Outcome.OUTCOME_ACCEPTED, result=b"\xff")
    handler.answered(two.origin.tx, content, receipt, NIGHT)
    buckets = BucketDigests(record_kind="order", digests=bytes(8 * 1024))
    question = ReconciliationQuestion(day=f"{DAY}", buckets=buckets, start_time=to_timestamp(NIGHT))
    content.payload = question.SerializeToString()
    stray = ReconciledRecord(serial=f"{ORIGIN}/counter/x", standing=SETTLED, state="completed")
    told = ReconciledRecords(buckets=[(bucket_of(stray.serial, 1024) + 1) % 1024], records=[stray])
    receipt.result = told.SerializeToString()
    handler.answered(two.origin.tx, content, receipt, NIGHT)
    assert "x" not in two.origin.named


def test_a_region_that_has_lost_a_day_is_told_of_it_in_many_answers() -> None:
    with two_regions() as two:
        for number in range(600):
            two.order(f"pay-{number}", amount=0)
        two.origin.tx.execute("DELETE FROM orders")
        two.compare()
        assert len(two.origin.differences) == 600
        asked = [
            each for each in two.origin.sent if ReconciliationQuestion.FromString(each.payload).HasField("buckets")
        ]
        assert len(asked) > 1, "an answer has about 250 records"


def test_a_night_and_staff_that_begin_at_one_instant_make_one_comparison(two: Two) -> None:
    for _ in range(2):
        comparing.compare(two.origin.tx, two.origin.context, HOME, DAY, NIGHT)
    assert len(two.origin.waiting()) == 1


def by_cut_off(region: Region, hour: int) -> None:
    """A revision of the federation with another end of the business day reaches a region."""
    configuration = Configuration()
    configuration.CopyFrom(FEDERATION.configuration)
    [policy] = [each for each in configuration.policies if each.name == "reconciliation-cut-off"]
    policy.figure.value = hour
    joined = MemberState.MEMBER_STATE_JOINED
    members = [Member(region=each, state=joined) for each in (ORIGIN, HOME)]
    region.context.node.border.current.update(Federation(2, configuration), members)


def test_a_record_that_a_new_cut_off_puts_on_another_day_is_one_difference_and_closes_there(two: Two) -> None:
    where = f"WHERE posting_id = '{ORIGIN}/counter/pay-7#credit' AND account LIKE 'receivable%'"
    two.home.execute(f"UPDATE ledger_entries SET amount = amount - 5 {where}")
    two.compare()
    before, later = DAY - timedelta(days=1), NIGHT + timedelta(days=1)
    for region in (two.origin, two.home):
        by_cut_off(region, 13)  # of the next day: noon belongs to the day before
    for day in (before, DAY):
        two.compare(day, later)
    assert [(each.day, each.serial.rpartition("/")[2]) for each in two.origin.differences] == [(f"{before}", "pay-7")]
    two.home.execute(f"UPDATE ledger_entries SET amount = amount + 5 {where}")
    two.compare(before, later + timedelta(days=1))
    assert (two.origin.differences, two.home.differences) == ([], [])


def test_regions_that_learn_of_a_new_cut_off_one_after_the_other_agree_in_the_next_night(two: Two) -> None:
    before = DAY - timedelta(days=1)
    by_cut_off(two.origin, 13)
    two.compare(before)
    assert set(two.origin.named.values()) == {"missing_there"}
    by_cut_off(two.home, 13)
    for day in (before, DAY):
        two.compare(day, NIGHT + timedelta(days=1))
    assert (two.origin.differences, two.home.differences) == ([], [])


def test_a_cut_off_that_is_no_hour_stops_the_comparison_and_says_so(two: Two) -> None:
    by_cut_off(two.origin, 24)
    with pytest.raises(Refused) as caught:
        comparing.compare(two.origin.tx, two.origin.context, HOME, DAY, NIGHT)
    assert caught.value.reason == Reason.REASON_CONFIGURATION_INVALID
