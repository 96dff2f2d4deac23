"""Levels of escalation: ascending, each once, none once a complaint is resolved."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import TimeLimit
from gateway.api.region.v1.complaint_pb2 import (
    Complaint,
    ComplaintState,
    WorkItemState,
)
from gateway.time.clock import from_timestamp
from region_node.care.complaints import cases, escalation, rules
from region_node.care.complaints.deadlines import Limit, Pause, meet, resume, starting
from region_node.care.complaints.groups import Alike, Group, made
from tests.unit.complaint_scene import DAY, HALF_USED, HOUR, LIMITS, MOMENTS, at, complaint, due, duration, fired, hours

ALL = (
    (rules.ACKNOWLEDGE, duration(1)),
    (rules.FIRST_RESPONSE, duration(4)),
    (rules.RESOLVE, duration(24)),
    (rules.LEGAL, duration(360)),
)


def advanced(found: Complaint, now: datetime) -> list[tuple[int, str]]:
    """The levels reached at an instant."""
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


@pytest.mark.guarantee("G5")
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
    assert [(each.level, each.due_time) for each in escalation.steps(found, hours) if each.trigger != HALF_USED] == [
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


@pytest.mark.guarantee("G5", "G6")
@settings(max_examples=60)
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


def alike(*ticket_ids: str) -> list[Alike]:
    return [Alike(ticket_id, ticket_id.partition("!")[0] if "!" in ticket_id else "") for ticket_id in ticket_ids]


def test_so_many_complaints_make_a_group_that_is_named_by_the_first_of_them() -> None:
    last = complaint(at("2026-03-02 10:00"), *ALL)
    before = alike("henan/7", "henan/9", "guangdong/4")
    assert made(last, before, 5) is None
    assert made(last, before, 4) == Group("sichuan/BILL_WRONG/henan/7", ["henan/7", "henan/9", "guangdong/4"])


def test_a_case_counts_once_with_all_its_work_items_and_with_its_own_complaint() -> None:
    last = complaint(at("2026-03-02 10:00"), *ALL)
    before = alike("henan/7!/1", "henan/7!/2", "henan/7!/3")
    assert made(last, before, 3) is None
    last.case_id = "guangdong/0"
    found = made(last, before, 2)
    assert found is not None
    assert (found.group_id, len(found.others)) == ("sichuan/BILL_WRONG/henan/7", 3)
    alone = made(last, [], 1)
    assert alone == Group("sichuan/BILL_WRONG/guangdong/0", [])


def test_a_group_raises_a_complaint_to_executives_and_only_through_levels_that_it_has_not_reached() -> None:
    start = at("2026-03-02 10:00")
    found = complaint(start, *ALL, region="night")
    advanced(found, start + 4 * HOUR)
    escalation.grouped(found, "g", start + 5 * HOUR, "sichuan")
    escalation.grouped(found, "g", start + 5 * HOUR, "sichuan")
    assert fired(found)[2:] == [
        (2, "ACKNOWLEDGEMENT_MISSED"),
        (3, "GROUP"),
        (4, "GROUP"),
    ]


def test_a_filing_that_arrives_late_says_what_its_first_contact_has_raised_by_then() -> None:
    start = at("2026-03-02 10:00")
    late = complaint(start, *ALL, version=0)
    escalation.raised_on_the_way(late, hours, start + 59 * timedelta(minutes=1))
    assert late.level == 1
    escalation.raised_on_the_way(late, hours, start + 361 * HOUR)
    assert [(each.level, each.region, from_timestamp(each.time) - start) for each in late.escalations[2:]] == [
        (2, "guangdong", HOUR),
        (3, "guangdong", HOUR),
        (4, "guangdong", 360 * HOUR),
        (5, "guangdong", 360 * HOUR),
    ]


def case_of(start: datetime, *items: tuple[str, WorkItemState.ValueType]) -> Complaint:
    """A case of which each item is with a region, and stands so."""
    found = complaint(start, *ALL, region="night")
    meet(found, [rules.ACKNOWLEDGE, rules.FIRST_RESPONSE], start)
    for number, (region, state) in enumerate(items):
        found.items.add(number=number + 1, region=region, state=state)
    return found


def test_a_case_of_several_regions_that_is_in_part_with_nobody_is_raised_at_half_of_its_time() -> None:
    start, half = at("2026-03-02 10:00"), at("2026-03-02 10:00") + 12 * HOUR
    for state in (cases.AWAITING_COORDINATOR, cases.AWAITING_REGION):
        found = case_of(start, ("sichuan", cases.AT_WORK), ("henan", state))
        assert advanced(found, half - timedelta(seconds=1)) == []
        assert advanced(found, half) == [(2, "WITHOUT_PLAN"), (3, "WITHOUT_PLAN")]
    for others in (
        [("sichuan", cases.AT_WORK), ("henan", cases.DONE)],
        [("sichuan", cases.AWAITING_COORDINATOR)],
        [("henan", cases.ASSIGNED), ("sichuan", cases.AWAITING_REGION)],
    ):
        assert advanced(case_of(start, *others), half) == []


def test_a_second_return_says_that_owners_disagree_and_raises_the_case_to_the_coordinator() -> None:
    start = at("2026-03-02 10:00")
    found = case_of(start, ("sichuan", cases.AWAITING_COORDINATOR), ("henan", cases.AT_WORK))
    found.items[0].returned.author = "sichuan/wang"
    escalation.disagreed(found, start, "guangdong")
    assert found.level == 1
    found.items[1].returned.author = "henan/li"
    for _ in range(2):
        escalation.disagreed(found, start, "guangdong")
    assert fired(found)[2:] == [(2, "OWNERS_DISAGREE"), (3, "OWNERS_DISAGREE")]
    resolved = case_of(start, *[("sichuan", cases.DONE)] * 2)
    for each in resolved.items:
        each.returned.author = "sichuan/wang"
    resolved.state = rules.RESOLVED
    escalation.disagreed(resolved, start, "guangdong")
    assert resolved.level == 1
