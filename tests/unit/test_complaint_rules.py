"""Complaints: states, deadlines that stop for the customer, the ledger of every second, and levels of escalation."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import Calendar, OpeningHours, TimeLimit
from gateway.api.region.v1.complaint_pb2 import (
    Complaint,
    ComplaintRequest,
    ComplaintState,
    Deadline,
    DeadlineKind,
    EscalationTrigger,
    Remedy,
    Resolution,
    Severity,
    TimeReason,
)
from gateway.api.types.v1.types_pb2 import Money
from gateway.calendars import WorkingDays
from gateway.clock import from_timestamp, to_timestamp
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.federation.files import load
from gateway.working_time import WorkingHours
from region_node.complaints import escalation, ledger, rules
from region_node.complaints.deadlines import Limit, Pause, due_of, find, mark, meet, promised, reopen, resume, starting
from region_node.complaints.limits import set_deadlines
from region_node.complaints.taxonomy import UsualCategories, owner_of
from tests.unit.test_federation_rules import SHIPPED

CHINA = ZoneInfo("Asia/Shanghai")
DAYS = WorkingDays(
    [
        Calendar(
            year=2026,
            holidays=[f"2026-02-{day}" for day in range(15, 24)],
            makeup_workdays=["2026-02-14", "2026-02-28"],
        )
    ]
)
OFFICE = [OpeningHours(working_days=True, opens="09:00", closes="17:00")]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HALF_USED = EscalationTrigger.ESCALATION_TRIGGER_HALF_USED


def hours(region: str) -> WorkingHours:
    """Departments of `night` never close."""
    return WorkingHours([] if region == "night" else OFFICE, "Asia/Shanghai", DAYS)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHINA).astimezone(UTC)


def duration(value: float) -> TimeLimit:
    return TimeLimit(duration=Duration(seconds=round(value * 3600)), source="x")


def working(value: float) -> TimeLimit:
    return TimeLimit(working_time=Duration(seconds=round(value * 3600)), source="x")


def complaint(
    start: datetime, *deadlines: tuple[DeadlineKind.ValueType, TimeLimit], region: str = "sichuan", version: int = 1
) -> Complaint:
    """A complaint at work in a region since `start`, with deadlines that run from there."""
    found = Complaint(
        docket="guangdong/1",
        version=version,
        state=rules.IN_PROGRESS if version else rules.ACKNOWLEDGED,
        handling_region="guangdong",
        owner_region=region,
        creation_date=to_timestamp(start),
        severity=Severity.SEVERITY_NORMAL,
    )
    found.deadlines.extend(starting(kind, [Limit(region, limit)], start, hours) for kind, limit in deadlines)
    rules.hand_over(found, region, rules.WORKING, start)
    escalation.file(found, start, "guangdong")
    return found


def due(found: Complaint, kind: DeadlineKind.ValueType = rules.RESOLVE) -> datetime:
    each = find(found, kind)
    assert each is not None
    return due_of(each)


def fired(found: Complaint) -> list[tuple[int, str]]:
    return [
        (each.level, EscalationTrigger.Name(each.trigger).removeprefix("ESCALATION_TRIGGER_"))
        for each in found.escalations
    ]


# States.


@given(st.sampled_from(ComplaintState.values()[1:]), st.sampled_from(ComplaintState.values()[1:]))
def test_states_change_as_tmf621_says_and_in_no_other_way(
    before: ComplaintState.ValueType, after: ComplaintState.ValueType
) -> None:
    found = Complaint(state=before)
    if before == after or after in rules.TRANSITIONS.get(before, ()):
        rules.enter(found, after, now=at("2026-03-02 10:00"), region="sichuan", reason="x")
        assert found.state == after
        assert len(found.state_changes) == (before != after)
    else:
        with pytest.raises(ValueError, match="does not go from"):
            rules.enter(found, after, now=at("2026-03-02 10:00"), region="sichuan", reason="x")


def test_final_states_have_no_way_out_and_every_state_is_reached() -> None:
    assert rules.FINAL.isdisjoint(rules.TRANSITIONS)
    reached = {after for each in rules.TRANSITIONS.values() for after in each}
    assert reached | {rules.ACKNOWLEDGED} == set(ComplaintState.values()) - {0}


# Deadlines.


@pytest.mark.parametrize(
    ("limit", "last"),
    [
        (TimeLimit(working_days=5), "2026-02-25 00:00"),
        (TimeLimit(working_days=15), "2026-03-10 00:00"),
        (TimeLimit(days=15), "2026-02-26 00:00"),
    ],
)
def test_fact_1_a_complaint_of_the_tenth_of_february_2026_is_answered_in_time(limit: TimeLimit, last: str) -> None:
    found = complaint(at("2026-02-10 15:00"), (rules.LEGAL, limit))
    assert due(found, rules.LEGAL) == at(last)


@pytest.mark.parametrize(
    ("handling", "home", "last"),
    [
        ("guangdong", "sichuan", "2026-02-26 00:00"),  # the national 15 days
        ("guangdong", "henan", "2026-02-25 00:00"),  # Henan's 5 working days
        ("henan", "guangdong", "2026-02-25 00:00"),
        ("guangdong", "chongqing", "2026-02-26 00:00"),  # Chongqing's 15 working days are looser
    ],
)
def test_fact_2_of_the_two_regions_limits_by_law_the_strictest_holds(handling: str, home: str, last: str) -> None:
    federation = Federation(1, load(SHIPPED))
    found = Complaint(handling_region=handling, home_region=home, owner_region=home, severity=Severity.SEVERITY_LOW)
    set_deadlines(federation, found, UsualCategories().category("SUGGESTION"), at("2026-02-10 15:00"))
    assert due(found, rules.LEGAL) == at(last)
    # No promise to a customer is later than the law's limit, whatever the category or the severity says.
    assert from_timestamp(found.expected_resolution_date) == min(due(found), at(last))


def test_the_categorys_limit_goes_before_that_of_its_severity() -> None:
    federation, start = Federation(1, load(SHIPPED)), at("2026-03-02 10:00")
    found = Complaint(
        handling_region="guangdong", home_region="sichuan", owner_region="sichuan", severity=Severity.SEVERITY_MAJOR
    )
    set_deadlines(federation, found, UsualCategories().category("BILL_ABNORMAL"), start)
    assert due(found) == start + 24 * HOUR  # of the severity: 48 hours
    set_deadlines(federation, found, UsualCategories().category("SVC_PORTING"), start)
    assert due(found) == start + 48 * HOUR


def test_a_pause_over_a_weekend_is_not_counted_twice() -> None:
    friday, monday = at("2026-03-06 16:00"), at("2026-03-09 10:00")
    in_working_time = complaint(at("2026-03-06 10:00"), (rules.RESOLVE, working(12)))
    assert due(in_working_time) == at("2026-03-09 14:00")
    resume(in_working_time, Pause(friday, monday), hours)
    # Friday's last hour and Monday's first one were waited for: two hours, not sixty-six.
    assert due(in_working_time) == at("2026-03-09 16:00")
    in_days = complaint(at("2026-03-06 10:00"), (rules.RESOLVE, TimeLimit(working_days=5, source="x")))
    assert due(in_days) == at("2026-03-14 00:00")
    resume(in_days, Pause(friday, monday), hours)
    assert due(in_days) == at("2026-03-17 00:00")  # one working day later: Friday the 13th becomes Monday the 16th


def test_a_customers_answer_starts_the_clock_again_where_it_stopped() -> None:
    start = at("2026-03-02 10:00")
    found = complaint(start, (rules.RESOLVE, duration(24)))
    resume(found, Pause(start + 6 * HOUR, start + 16 * HOUR), hours)
    assert due(found) == start + 34 * HOUR
    resume(found, Pause(start + 20 * HOUR, start + 21 * HOUR), hours)
    assert due(found) == start + 35 * HOUR
    each = find(found, rules.RESOLVE)
    assert each is not None
    assert mark(each, 0.5, hours) == start + 11 * HOUR + 12 * HOUR


def test_the_laws_clock_never_stops_and_what_was_late_stays_late() -> None:
    start = at("2026-03-02 10:00")
    found = complaint(
        start, (rules.FIRST_RESPONSE, duration(2)), (rules.RESOLVE, duration(24)), (rules.LEGAL, duration(48))
    )
    meet(found, [rules.FIRST_RESPONSE], start + HOUR)
    resume(found, Pause(start + 30 * HOUR, start + 40 * HOUR), hours)
    assert due(found) == start + 24 * HOUR
    assert due(found, rules.LEGAL) == start + 48 * HOUR
    assert promised(found) == start + 24 * HOUR


def test_a_reopened_complaint_is_still_to_be_resolved() -> None:
    start = at("2026-03-02 10:00")
    found = complaint(start, (rules.RESOLVE, duration(24)), (rules.LEGAL, duration(48)))
    meet(found, [rules.RESOLVE, rules.LEGAL], start + HOUR)
    reopen(found)
    assert not any(each.HasField("met_time") for each in found.deadlines)


LIMITS = (
    st.integers(1, 400).map(duration)
    | st.integers(1, 60).map(working)
    | st.integers(1, 20).map(lambda days: TimeLimit(days=days, source="x"))
    | st.integers(1, 20).map(lambda days: TimeLimit(working_days=days, source="x"))
)
MOMENTS = st.integers(0, 60 * 24 * 60).map(lambda minutes: at("2026-01-20 00:00") + timedelta(minutes=minutes))


@settings(deadline=None, max_examples=80)
@given(LIMITS, MOMENTS, st.integers(0, 9000), st.integers(0, 9000), st.sampled_from(["sichuan", "night"]))
def test_a_pause_in_two_parts_moves_a_deadline_as_one_does_and_never_forward(
    limit: TimeLimit, start: datetime, first: int, second: int, region: str
) -> None:
    whole = complaint(start, (rules.RESOLVE, limit), region=region)
    parts = complaint(start, (rules.RESOLVE, limit), region=region)
    known, begins = due(whole), start + HOUR
    middle = begins + timedelta(minutes=first)
    ends = middle + timedelta(minutes=second)
    resume(whole, Pause(begins, ends), hours)
    resume(parts, Pause(begins, middle), hours)
    resume(parts, Pause(middle, ends), hours)
    assert due(whole) == due(parts) >= known
    if known > begins and limit.WhichOneof("limit") in ("duration", "working_time"):
        counted = hours(region).between if limit.WhichOneof("limit") == "working_time" else lambda a, b: b - a
        assert counted(begins, known) == counted(ends, due(whole))


@settings(deadline=None, max_examples=80)
@given(LIMITS, MOMENTS, st.sampled_from([0.25, 0.5, 0.75]))
def test_no_mark_of_a_limit_in_days_or_working_time_falls_into_closed_hours(
    limit: TimeLimit, start: datetime, fraction: float
) -> None:
    each = starting(rules.RESOLVE, [Limit("sichuan", limit)], start, hours)
    reached = mark(each, fraction, hours)
    assert start <= reached <= due_of(each)
    if limit.WhichOneof("limit") != "duration" and reached < due_of(each):
        closing = reached - timedelta(microseconds=1)
        assert hours("sichuan").is_open(reached) or hours("sichuan").is_open(closing)


# The ledger.

HOLDERS = st.sampled_from(
    [
        ("sichuan", rules.WORKING),
        ("night", rules.WORKING),
        ("henan", rules.WAITING_FOR_REGION),
        ("", rules.WAITING_FOR_CUSTOMER),
    ]
)


@settings(deadline=None, max_examples=80)
@given(MOMENTS, st.lists(st.tuples(HOLDERS, st.integers(-60, 5000)), max_size=8), st.integers(0, 5000))
def test_every_second_is_booked_once_and_the_ledger_sums_to_the_whole(
    start: datetime, turns: Sequence[tuple[tuple[str, TimeReason.ValueType], int]], rest: int
) -> None:
    found, now = complaint(start), start
    for (
        region,
        reason,
    ), minutes in turns:  # clocks of two regions may differ: some turns seem to begin before the last
        now += timedelta(minutes=minutes)
        rules.hand_over(found, region, reason, now)
    end = max(now, from_timestamp(found.custody[-1].start_time)) + timedelta(minutes=rest)
    booked = ledger.booked(found, end, hours)
    assert sum(booked.values(), timedelta()) == end - start
    assert all(amount > timedelta() for amount in booked.values())
    assert ("night", rules.CLOSED_HOURS) not in booked


def test_why_late_names_who_had_it_and_how_long() -> None:
    start = at("2026-03-02 10:00")  # a Monday
    found = complaint(start, (rules.RESOLVE, duration(24)))
    rules.hand_over(found, "", rules.WAITING_FOR_CUSTOMER, start + 2 * HOUR)
    rules.hand_over(found, "sichuan", rules.WORKING, start + 5 * HOUR)
    end = start + 30 * HOUR
    assert ledger.booked(found, end, hours) == {
        ("sichuan", rules.WORKING): 2 * HOUR + 2 * HOUR + 7 * HOUR,
        ("", rules.WAITING_FOR_CUSTOMER): 3 * HOUR,
        ("sichuan", rules.CLOSED_HOURS): 16 * HOUR,
    }
    assert ledger.lateness(found, end) == 6 * HOUR
    meet(found, [rules.RESOLVE], start + 25 * HOUR)
    assert ledger.lateness(found, end) == HOUR
    rules.enter(found, rules.CANCELLED, now=end, region="sichuan", reason="x")
    until_now = ledger.entries(found, end + 100 * DAY, hours)
    assert sum((each.duration.ToTimedelta() for each in until_now), timedelta()) == 30 * HOUR


# Escalation.

ALL = (
    (rules.ACKNOWLEDGE, duration(1)),
    (rules.FIRST_RESPONSE, duration(4)),
    (rules.RESOLVE, duration(24)),
    (rules.LEGAL, duration(360)),
)


def advanced(found: Complaint, now: datetime) -> list[tuple[int, str]]:
    """What is reached at an instant."""
    known = len(found.escalations)
    escalation.raise_due(found, hours, now, "sichuan")
    return fired(found)[known:]


def test_levels_come_one_after_the_other_as_their_times_come() -> None:
    start = at("2026-03-02 10:00")
    found = complaint(start, *ALL, region="night")
    meet(found, [rules.ACKNOWLEDGE], start)
    assert fired(found) == [(0, "FILED"), (1, "NOT_SETTLED_AT_FIRST_CONTACT")]
    assert escalation.next_due(found, hours) == start + 4 * HOUR
    assert advanced(found, start + 4 * HOUR - timedelta(seconds=1)) == []
    assert advanced(found, start + 4 * HOUR) == [(2, "FIRST_RESPONSE_MISSED")]
    assert advanced(found, start + 17 * HOUR) == []
    assert advanced(found, start + 18 * HOUR) == [(3, "THREE_QUARTERS_USED")]
    assert advanced(found, start + 24 * HOUR) == [(4, "LIMIT_PASSED")]
    assert advanced(found, start + 360 * HOUR) == [(5, "LEGAL_LIMIT_PASSED")]
    assert escalation.next_due(found, hours) is None


def test_half_of_the_time_raises_only_where_nobody_has_answered() -> None:
    start = at("2026-03-02 10:00")
    silent = complaint(start, (rules.FIRST_RESPONSE, duration(20)), (rules.RESOLVE, duration(24)))
    assert advanced(silent, start + 12 * HOUR) == [(2, "HALF_USED")]
    answered = complaint(start, (rules.FIRST_RESPONSE, duration(20)), (rules.RESOLVE, duration(24)))
    meet(answered, [rules.FIRST_RESPONSE], start + HOUR)
    assert advanced(answered, start + 12 * HOUR) == []


def test_nobody_is_woken_at_night_or_on_a_weekend_for_a_limit_in_working_days() -> None:
    start = at("2026-03-02 10:00")
    found = complaint(
        start, (rules.FIRST_RESPONSE, duration(99)), (rules.RESOLVE, TimeLimit(working_days=4, source="x"))
    )
    assert due(found) == at("2026-03-07 00:00")  # the midnight that ends Friday
    # A third-quarter, and that it is over, are told when the department works.
    assert [(each.level, each.due) for each in escalation.steps(found, hours) if each.trigger != HALF_USED] == [
        (3, at("2026-03-05 15:15")),
        (2, start + 99 * HOUR),
        (4, at("2026-03-09 09:00")),
    ]


def test_while_the_customer_is_waited_for_only_the_law_raises() -> None:
    start = at("2026-03-02 10:00")
    found = complaint(start, *ALL, region="night")
    meet(found, [rules.ACKNOWLEDGE, rules.FIRST_RESPONSE], start)
    rules.enter(found, rules.PENDING, now=start, region="night", reason="customer asked")
    assert advanced(found, start + 359 * HOUR) == []
    assert [each[0] for each in advanced(found, start + 360 * HOUR)] == [2, 3, 4, 5]


def test_a_region_that_has_not_taken_it_up_is_raised_to_the_coordinator() -> None:
    start = at("2026-03-02 10:00")
    found = complaint(start, *ALL, version=0)
    assert advanced(found, start + 2 * HOUR) == [(2, "REGION_UNREACHABLE"), (3, "REGION_UNREACHABLE")]
    escalation.take_up(found, start + 3 * HOUR, "sichuan")  # late, and raised higher already
    assert len(found.escalations) == 4


def test_refusals_raise_to_quality_then_to_the_coordinator_and_at_wish_to_the_regulator() -> None:
    start = at("2026-03-02 10:00")
    found = complaint(start, *ALL)
    for refusals, levels in ((1, [2]), (2, [3]), (3, [])):
        known, found.refusals = len(found.escalations), refusals
        escalation.refuse(found, start, "sichuan", to_regulator=False)
        assert [each.level for each in found.escalations[known:]] == levels
    escalation.refuse(found, start, "sichuan", to_regulator=True)
    assert fired(found)[-2:] == [(4, "CUSTOMER_ASKED"), (5, "CUSTOMER_ASKED")]


def test_a_reminder_that_nobody_answers_raises_to_quality_and_the_next_one_further() -> None:
    start = at("2026-03-02 10:00")
    found = complaint(start, (rules.RESOLVE, duration(500)))
    for number, level in enumerate((2, 3, 4, 4)):
        asked = start + number * 10 * HOUR
        found.deadlines.append(starting(rules.EXPEDITE, [Limit("sichuan", duration(4))], asked, hours))
        advanced(found, asked + 4 * HOUR)
        assert found.level == level


@pytest.mark.parametrize("state", [rules.RESOLVED, rules.CLOSED, rules.CANCELLED])
def test_nothing_is_raised_once_it_is_resolved(state: ComplaintState.ValueType) -> None:
    start = at("2026-03-02 10:00")
    found = complaint(start, *ALL)
    found.state = state
    assert escalation.next_due(found, hours) is None
    assert advanced(found, start + 1000 * DAY) == []


@settings(deadline=None, max_examples=60)
@given(
    MOMENTS,
    st.lists(LIMITS, min_size=4, max_size=4),
    st.lists(
        st.tuples(st.integers(1, 6000), st.sampled_from(["wait", "ask", "answer", "respond", "refuse"])), max_size=12
    ),
)
def test_levels_ascend_and_each_is_reached_once_whatever_happens(
    start: datetime, limits: Sequence[TimeLimit], events: Sequence[tuple[int, str]]
) -> None:
    kinds = (rules.ACKNOWLEDGE, rules.FIRST_RESPONSE, rules.RESOLVE, rules.LEGAL)
    found, now = complaint(start, *zip(kinds, limits, strict=True)), start
    for minutes, event in events:
        now += timedelta(minutes=minutes)
        step = escalation.next_due(found, hours)
        while step is not None and step <= now:  # as timers do
            before = len(found.escalations)
            escalation.raise_due(found, hours, step, "sichuan")
            assert len(found.escalations) > before
            step = escalation.next_due(found, hours)
        if event == "ask" and found.state == rules.IN_PROGRESS:
            rules.enter(found, rules.PENDING, now=now, region="sichuan", reason="x")
            rules.hand_over(found, "", rules.WAITING_FOR_CUSTOMER, now)
        elif event == "answer" and found.state == rules.PENDING:
            resume(found, Pause(from_timestamp(found.custody[-1].start_time), now), hours)
            rules.enter(found, rules.IN_PROGRESS, now=now, region="sichuan", reason="x")
            rules.hand_over(found, "sichuan", rules.WORKING, now)
        elif event == "respond":
            meet(found, [rules.FIRST_RESPONSE], now)
        elif event == "refuse":
            found.refusals += 1
            escalation.refuse(found, now, "sichuan", to_regulator=False)
    assert [each.level for each in found.escalations] == list(range(found.level + 1))
    times = [from_timestamp(each.time) for each in found.escalations]
    assert times == sorted(times)


# Who is responsible, and what is refused.


@pytest.mark.parametrize(
    ("category", "home", "location", "owner"),
    [
        ("SVC_ATTITUDE", "sichuan", "", "guangdong"),
        ("BILL_WRONG", "sichuan", "", "sichuan"),
        ("BILL_WRONG", None, "", "guangdong"),
        ("NET_OUTAGE", "sichuan", "henan", "henan"),
        ("NET_OUTAGE", "sichuan", "", "guangdong"),
        ("SVC_XREGION_REFUSED", "sichuan", "", "guangdong"),
    ],
)
def test_the_category_says_whose_department_answers_and_the_first_receiver_leads_otherwise(
    category: str, home: str | None, location: str, owner: str
) -> None:
    request = ComplaintRequest(location_region=location)
    assert owner_of(UsualCategories().category(category), request, handling="guangdong", home=home) == owner


@pytest.mark.parametrize(
    ("resolution", "field"),
    [
        (Resolution(cause_code="x", remedy=Remedy.REMEDY_APOLOGY), "text"),
        (Resolution(text="x", cause_code="Not A Code", remedy=Remedy.REMEDY_APOLOGY), "cause_code"),
        (Resolution(text="x", cause_code="x"), "remedy"),
        (Resolution(text="x", cause_code="x", remedy=Remedy.REMEDY_REFUND), "amount"),
        (Resolution(text="x", cause_code="x", remedy=Remedy.REMEDY_APOLOGY, amount=Money(minor_units=1)), "amount"),
        (
            Resolution(
                text="x", cause_code="x", remedy=Remedy.REMEDY_CREDIT, amount=Money(minor_units=1, currency="USD")
            ),
            "amount",
        ),
    ],
)
def test_a_resolution_says_what_the_cause_and_what_the_customer_gets(resolution: Resolution, field: str) -> None:
    with pytest.raises(Refused) as refused:
        rules.require_resolution(resolution, "CNY")
    assert refused.value.parameters["field"] == field


def test_a_filing_of_another_region_was_filed_at_some_time() -> None:
    start = at("2026-03-02 10:00")
    good = complaint(start)
    rules.require_plausible(good, start + DAY)
    for spoiled in (
        Complaint(creation_date=to_timestamp(start + HOUR)),
        Complaint(),
        Complaint(creation_date=to_timestamp(start), level=9),
    ):
        with pytest.raises(Refused):
            rules.require_plausible(spoiled, start)


def test_no_deadline_is_without_a_term() -> None:
    with pytest.raises(ValueError, match="empty"):
        starting(rules.RESOLVE, [], at("2026-03-02 10:00"), hours)
    assert Deadline().due.seconds == 0
