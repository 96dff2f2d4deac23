"""Complaints: their states, the ledger of every second, and what is refused."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.region.v1.complaint_pb2 import (
    Complaint,
    ComplaintRequest,
    ComplaintState,
    Deadline,
    Remedy,
    Resolution,
    TimeReason,
)
from gateway.api.types.v1.types_pb2 import Money
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.care.complaints import ledger, rules
from region_node.care.complaints.deadlines import meet, starting
from region_node.care.complaints.rules import concerned, owner_of
from region_node.tickets.border import require_plausible
from tests.shipped import shipped_configuration
from tests.unit.complaint_scene import DAY, HOUR, MOMENTS, at, complaint, duration, hours


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


# The ledger.

HOLDERS = st.sampled_from(
    [
        ("sichuan", rules.WORKING),
        ("night", rules.WORKING),
        ("henan", rules.WAITING_FOR_REGION),
        ("", rules.WAITING_FOR_CUSTOMER),
    ]
)


@settings(max_examples=80)
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
        ("SVC_MATERIAL_REPEAT", "sichuan", "", "guangdong"),
        ("BILL_ROAM", "sichuan", "sichuan", "sichuan"),
        ("BILL_ROAM", "sichuan", "henan", "guangdong"),
        ("BILL_VAS", "sichuan", "", "guangdong"),
        ("SPAM_CALL", "sichuan", "", "guangdong"),
    ],
)
def test_the_category_says_whose_department_answers_and_the_first_receiver_leads_otherwise(
    category: str, home: str | None, location: str, owner: str
) -> None:
    request = ComplaintRequest(location_region=location)
    found = Federation(1, shipped_configuration()).complaint_category(category)
    assert owner_of(found, request, handling="guangdong", home=home) == owner


@pytest.mark.parametrize(
    ("category", "home", "location", "expected"),
    [
        ("BILL_WRONG", "sichuan", "", ["sichuan BILLING"]),
        ("BILL_ROAM", "sichuan", "henan", ["sichuan SETTLEMENT", "henan SETTLEMENT"]),
        ("BILL_ROAM", "sichuan", "", ["sichuan SETTLEMENT", "guangdong SETTLEMENT"]),
        ("PRIV_SHARE", "sichuan", "", ["guangdong INFORMATION_SECURITY", "sichuan INFORMATION_SECURITY"]),
        ("BILL_WRONG", None, "", []),
        ("BILL_ROAM", None, "henan", []),
        ("PRIV_SHARE", None, "", []),
        ("SVC_ATTITUDE", None, "", ["guangdong SERVICE_QUALITY"]),
        ("BILL_VAS", "sichuan", "", ["sichuan BILLING", "sichuan VALUE_ADDED"]),
        ("NET_CROSS_PATH", "sichuan", "henan", []),
    ],
)
def test_every_department_of_every_region_concerned_has_its_part_once_and_nobody_where_the_coordinator_says(
    category: str, home: str | None, location: str, expected: Sequence[str]
) -> None:
    request = ComplaintRequest(location_region=location)
    found = concerned(
        Federation(1, shipped_configuration()).complaint_category(category), request, handling="guangdong", home=home
    )
    assert [f"{each.region} {each.department.code}" for each in found] == expected


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
    require_plausible(good.create_time, start + DAY)
    good.request_id = "Counter_7.a-b"
    rules.require_possible(good, start)
    for spoiled in (to_timestamp(start + HOUR), Complaint().create_time):
        with pytest.raises(Refused):
            require_plausible(spoiled, start)
    for impossible in (Complaint(level=9), Complaint(request_id="two words"), Complaint(request_id=65 * "a")):
        with pytest.raises(Refused):
            rules.require_possible(impossible, start)


def test_no_deadline_is_without_a_term() -> None:
    with pytest.raises(ValueError, match="empty"):
        starting(rules.RESOLVE, [], at("2026-03-02 10:00"), hours)
    assert Deadline().due_time.seconds == 0
