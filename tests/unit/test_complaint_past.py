"""A replay of the clock reaches the levels that live timers reach, by the same triggers, and says when each was due."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import ComplaintSeverity, TimeLimit
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintState
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.care.complaints import escalation, rules
from region_node.care.complaints.deadlines import Limit, meet, starting
from region_node.care.complaints.replay import Earlier, Past, levels_at, relive
from tests.unit.complaint_scene import DAY, HOUR, LIMITS, MOMENTS, at, duration, fired, hours

KINDS = (rules.ACKNOWLEDGE, rules.FIRST_RESPONSE, rules.RESOLVE, rules.LEGAL)
GAPS = st.integers(1, 60 * 24 * 20).map(lambda minutes: timedelta(minutes=minutes))
SEVERITIES = st.sampled_from([ComplaintSeverity.COMPLAINT_SEVERITY_S1, ComplaintSeverity.COMPLAINT_SEVERITY_S3])
FILED = at("2026-03-02 10:00")
FOUR = (duration(1), duration(4), duration(48), duration(15 * 24))


def received(
    filed: datetime,
    limits: tuple[TimeLimit, ...] = FOUR,
    severity: ComplaintSeverity.ValueType = ComplaintSeverity.COMPLAINT_SEVERITY_S3,
    repeats: int = 0,
) -> Complaint:
    """A complaint of Sichuan with its deadlines, before anything has happened to it."""
    found = Complaint(
        ticket_id="sichuan/1",
        origin_region="sichuan",
        owner_region="sichuan",
        severity=severity,
        create_time=to_timestamp(filed),
        repeats=repeats,
    )
    found.deadlines.extend(
        starting(kind, [Limit("sichuan", limit)], filed, hours) for kind, limit in zip(KINDS, limits, strict=True)
    )
    return found


def lived(complaint: Complaint, past: Past, until: datetime) -> Complaint:
    """The result of live timers: each fires when the next level is due, and events come at their times."""
    region, filed = "sichuan", past.filed
    rules.enter(complaint, rules.ACKNOWLEDGED, now=filed, region=region, reason="received")
    escalation.file(complaint, filed, region)
    escalation.classified(complaint, filed, region)
    complaint.version = 1
    if past.ended_as != rules.REJECTED:
        rules.enter(complaint, rules.IN_PROGRESS, now=filed, region=region, reason="taken up")
    meet(complaint, (rules.ACKNOWLEDGE,), filed)
    escalation.take_up(complaint, filed, region)

    def fire(before: datetime) -> None:
        while (due := escalation.next_due(complaint, hours)) is not None and due < before:
            assert escalation.raise_due(complaint, hours, due, region)

    for instant, what in ((past.answered, "answer"), (past.resolved, "resolve"), (past.closed, "close")):
        if instant is None or instant > until:
            continue
        fire(instant)
        if what == "answer":
            meet(complaint, (rules.FIRST_RESPONSE,), instant)
        elif what == "resolve":
            meet(complaint, (rules.FIRST_RESPONSE, rules.RESOLVE, rules.LEGAL), instant)
            rules.enter(complaint, rules.RESOLVED, now=instant, region=region, reason="resolution proposed")
        else:
            rules.enter(complaint, past.ended_as, now=instant, region=region, reason="it has ended")
    fire(until + timedelta(microseconds=1))
    return complaint


@given(
    MOMENTS,
    st.tuples(LIMITS, LIMITS, LIMITS, LIMITS),
    SEVERITIES,
    st.integers(0, 3),
    st.lists(GAPS, max_size=3),
    GAPS,
    st.sampled_from([rules.CLOSED, rules.CANCELLED, rules.REJECTED]),
)
def test_a_replay_is_what_live_timers_do(
    filed: datetime,
    limits: tuple[TimeLimit, ...],
    severity: ComplaintSeverity.ValueType,
    repeats: int,
    gaps: list[timedelta],
    rest: timedelta,
    ended_as: ComplaintState.ValueType,
) -> None:
    times: list[datetime | None] = [filed + sum(gaps[: index + 1], timedelta()) for index in range(len(gaps))]
    answered, resolved, closed = times + [None] * (3 - len(times))
    past = Past(filed, answered, resolved if ended_as == rules.CLOSED else None, closed, ended_as)
    until = filed + sum(gaps, rest)
    replayed = received(filed, limits, severity, repeats)
    due = relive(replayed, past, hours, until)
    live = lived(received(filed, limits, severity, repeats), past, until)
    assert fired(replayed) == fired(live)
    assert [each.due_time for each in replayed.escalations] == [each.due_time for each in live.escalations]
    assert due == escalation.next_due(live, hours)
    assert (replayed.state, replayed.level) == (live.state, live.level)
    assert [each.met_time for each in replayed.deadlines] == [each.met_time for each in live.deadlines]
    assert all(each.time == each.due_time for each in replayed.escalations)
    assert [each.level for each in replayed.escalations] == list(range(replayed.level + 1))


def test_what_comes_at_the_instant_at_which_its_time_ends_is_in_time() -> None:
    (_, response, resolution, _) = received(FILED).deadlines
    ends = [from_timestamp(each.due_time) for each in (response, resolution)]
    complaint = received(FILED)
    assert relive(complaint, Past(FILED, ends[0], ends[0] + HOUR), hours, FILED + 30 * DAY) is None
    assert complaint.level == escalation.DEPARTMENT


def test_a_later_instant_never_takes_a_level_back() -> None:
    reached: list[tuple[int, str]] = []
    for step in range(0, 20 * 24, 7):
        complaint = received(FILED)
        relive(complaint, Past(FILED, FILED + 5 * HOUR, FILED + 100 * HOUR), hours, FILED + step * HOUR)
        assert fired(complaint)[: len(reached)] == reached
        reached = fired(complaint)


def test_what_happens_after_the_instant_has_not_happened() -> None:
    complaint = received(FILED)
    relive(complaint, Past(FILED, FILED + DAY, FILED + 2 * DAY, FILED + 3 * DAY), hours, FILED + DAY)
    assert complaint.state == rules.IN_PROGRESS
    assert not complaint.HasField("resolution")


def test_one_that_was_closed_without_a_resolution_was_resolved_by_that() -> None:
    complaint = received(FILED)
    relive(complaint, Past(FILED, closed=FILED + HOUR), hours, FILED + DAY)
    assert complaint.state == rules.CLOSED
    assert [from_timestamp(each.met_time) for each in complaint.deadlines] == [FILED, *[FILED + HOUR] * 3]


def test_one_that_was_withdrawn_or_rejected_was_answered_by_nothing_and_raised_no_more_from_then_on() -> None:
    for ended_as in (rules.CANCELLED, rules.REJECTED):
        complaint = received(FILED)
        assert relive(complaint, Past(FILED, closed=FILED + HOUR, ended_as=ended_as), hours, FILED + DAY) is None
        assert (complaint.state, complaint.level) == (ended_as, escalation.DEPARTMENT)
        assert [each.HasField("met_time") for each in complaint.deadlines] == [True, False, False, False]


def test_a_stored_complaint_tells_what_it_had_reached_and_what_it_will_have_reached_if_nothing_happens() -> None:
    stored, now = received(FILED), FILED + 5 * HOUR
    relive(stored, Past(FILED), hours, now)
    before = stored.SerializeToString()
    assert fired(stored)[-1] == (2, "FIRST_RESPONSE_MISSED")
    assert [each.level for each in levels_at(stored, hours, FILED + 3 * HOUR, now)] == [0, 1]
    assert list(levels_at(stored, hours, now, now)) == list(stored.escalations)
    for until in (FILED + 30 * HOUR, FILED + 49 * HOUR, FILED + 20 * DAY):
        live = received(FILED)
        relive(live, Past(FILED), hours, until)
        assert list(levels_at(stored, hours, until, now)) == list(live.escalations)
    assert stored.SerializeToString() == before


def test_a_complaint_repeats_those_of_its_number_and_category_that_were_filed_within_the_time_before() -> None:
    earlier = Earlier()
    for days, ticket_id in ((31, "too old"), (30, "oldest"), (2, "newer"), (1, "newest")):
        earlier.add("n", "BILL_WRONG", FILED - days * DAY, ticket_id)
    earlier.add("n", "BILL_WRONG", FILED - 20 * DAY, "newer")  # another item of the same case
    earlier.add("n", "BILL_WRONG", FILED + HOUR, "later")
    earlier.add("n", "OTHER", FILED - DAY, "of another category")
    earlier.add("m", "BILL_WRONG", FILED - DAY, "of another number")
    assert earlier.before("n", "BILL_WRONG", FILED) == ["newest", "newer", "oldest"]
