"""Deadlines of complaints: by the strictest limit, stopping for the customer, never for the law."""

import functools
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import ComplaintCategory, ComplaintSeverity, TimeLimit
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintRequest
from gateway.federation.catalogue import Federation
from gateway.time.clock import from_timestamp
from region_node.care.complaints import rules
from region_node.care.complaints.deadlines import (
    Limit,
    Pause,
    due_of,
    find,
    marks,
    meet,
    promised,
    reopen,
    resume,
    starting,
)
from region_node.care.complaints.limits import set_deadlines
from tests.shipped import shipped_configuration
from tests.unit.complaint_scene import HOUR, LIMITS, MOMENTS, at, complaint, due, duration, hours, working

S1, S2, S3, S4 = (number for number in ComplaintSeverity.values() if number)


@functools.cache
def shipped() -> Federation:
    return Federation(1, shipped_configuration())


@pytest.mark.parametrize(
    ("severity", "minutes"), [(S1, (15, 60, 1440)), (S2, (60, 240, 2880)), (S3, (240, 1440)), (S4, (1440,))]
)
def test_each_severity_has_its_limits(severity: ComplaintSeverity.ValueType, minutes: Sequence[int]) -> None:
    start = at("2026-02-10 11:00")
    found = Complaint(origin_region="guangdong", home_region="sichuan", owner_region="sichuan", severity=severity)
    set_deadlines(shipped(), found, ComplaintCategory(), start)
    for kind, expected in zip((rules.ACKNOWLEDGE, rules.FIRST_RESPONSE, rules.RESOLVE), minutes, strict=False):
        assert due(found, kind) == start + timedelta(minutes=expected)


@given(st.data(), st.sampled_from([S1, S2, S3, S4]), st.booleans())
def test_nothing_is_promised_for_later_than_the_law_of_any_region_concerned_allows(
    data: st.DataObject, severity: ComplaintSeverity.ValueType, is_rural: bool
) -> None:
    federation, start = shipped(), at("2026-02-10 11:00")
    category = data.draw(st.sampled_from(federation.complaint_categories))
    regions = st.sampled_from([each.id for each in federation.configuration.regions])
    handling, home = data.draw(regions), data.draw(regions)
    found = Complaint(origin_region=handling, home_region=home, owner_region=home, severity=severity)
    found.request.rural_area = is_rural
    set_deadlines(federation, found, category, start)
    by_law = federation.policy_due("complaint-answer", start, (handling, home))
    assert from_timestamp(found.expected_resolution_time) == min(due(found), by_law)


@pytest.mark.parametrize(
    ("limit", "last"),
    [
        (TimeLimit(working_days=5), "2026-02-25 00:00"),
        (TimeLimit(working_days=15), "2026-03-10 00:00"),
        (TimeLimit(days=15), "2026-02-26 00:00"),
    ],
)
@pytest.mark.clause("F1.1")
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
@pytest.mark.clause("F2.2")
def test_fact_2_of_the_two_regions_limits_by_law_the_strictest_holds(handling: str, home: str, last: str) -> None:
    federation = Federation(1, shipped_configuration())
    found = Complaint(origin_region=handling, home_region=home, owner_region=home, severity=S4)
    set_deadlines(federation, found, federation.complaint_category("SUGGESTION"), at("2026-02-10 15:00"))
    assert due(found, rules.LEGAL) == at(last)
    # No promise to a customer is later than the law's limit, whatever the category or the severity says.
    assert from_timestamp(found.expected_resolution_time) == min(due(found), at(last))


def test_the_categorys_limit_goes_before_that_of_its_severity() -> None:
    federation, start = Federation(1, shipped_configuration()), at("2026-03-02 10:00")
    found = Complaint(
        origin_region="guangdong",
        home_region="sichuan",
        owner_region="sichuan",
        severity=S2,
    )
    set_deadlines(federation, found, federation.complaint_category("BILL_ABNORMAL"), start)
    assert due(found) == start + 24 * HOUR  # of the severity: 48 hours
    set_deadlines(federation, found, federation.complaint_category("SVC_PORTING"), start)
    assert due(found) == start + 48 * HOUR


@pytest.mark.parametrize(
    ("category", "severity", "hours_there", "hours_in_the_countryside"),
    [
        ("NET_SPEED", S3, 48, 72),  # the category's own
        ("NET_OUTAGE", S2, 48, 72),  # that of the severity
        ("NET_OUTAGE", S1, 24, 24),
        ("BILL_ABNORMAL", S2, 24, 24),
    ],
)
def test_in_the_countryside_the_limits_for_it_hold(
    category: str, severity: ComplaintSeverity.ValueType, hours_there: int, hours_in_the_countryside: int
) -> None:
    federation, start = Federation(1, shipped_configuration()), at("2026-03-02 10:00")
    for is_rural, expected in ((False, hours_there), (True, hours_in_the_countryside)):
        found = Complaint(
            request=ComplaintRequest(rural_area=is_rural),
            origin_region="guangdong",
            home_region="sichuan",
            owner_region="sichuan",
            severity=severity,
        )
        set_deadlines(federation, found, federation.complaint_category(category), start)
        assert due(found) == start + expected * HOUR


def test_what_a_category_promises_to_tell_in_the_meantime_is_a_first_response_where_it_is_stricter() -> None:
    federation, start = Federation(1, shipped_configuration()), at("2026-03-02 10:00")
    for limit, expected in ((TimeLimit(days=3), 24 * HOUR), (working(2), 2 * HOUR)):
        category = ComplaintCategory(interim_limit=limit)
        found = Complaint(origin_region="guangdong", home_region="guangdong", owner_region="guangdong", severity=S3)
        set_deadlines(federation, found, category, start)
        assert due(found, rules.FIRST_RESPONSE) == start + expected


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


def test_an_answer_on_a_day_off_leaves_the_rest_of_a_working_day_after_it() -> None:
    found = complaint(at("2026-03-01 10:00"), (rules.RESOLVE, TimeLimit(working_days=1, source="x")))
    assert due(found) == at("2026-03-03 00:00")
    resume(found, Pause(at("2026-03-02 08:00"), at("2026-03-07 08:00")), hours)
    assert due(found) == at("2026-03-10 00:00"), "the end of Monday, after an answer on Saturday"
    resume(found, Pause(at("2026-03-07 08:00"), at("2026-03-08 08:00")), hours)
    assert due(found) == at("2026-03-10 00:00")


def test_a_customers_answer_starts_the_clock_again_where_it_stopped() -> None:
    start = at("2026-03-02 10:00")
    found = complaint(start, (rules.RESOLVE, duration(24)))
    resume(found, Pause(start + 6 * HOUR, start + 16 * HOUR), hours)
    assert due(found) == start + 34 * HOUR
    resume(found, Pause(start + 20 * HOUR, start + 21 * HOUR), hours)
    assert due(found) == start + 35 * HOUR
    each = find(found, rules.RESOLVE)
    assert each is not None
    assert marks(each, [0.5], hours) == [start + 11 * HOUR + 12 * HOUR]


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


@settings(max_examples=80)
@given(LIMITS, MOMENTS, st.integers(0, 9000), st.integers(0, 9000), st.sampled_from(["sichuan", "night"]))
@example(TimeLimit(working_days=1, source="x"), at("2026-01-25 23:00"), 7200, 2880, "sichuan")
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
    assert due(whole) == known or due(whole) >= ends
    if known > begins and limit.WhichOneof("limit") in ("duration", "working_time"):
        counted = hours(region).between if limit.WhichOneof("limit") == "working_time" else lambda a, b: b - a
        assert counted(begins, known) == counted(ends, due(whole))


@settings(max_examples=80)
@given(LIMITS, MOMENTS, st.sampled_from([0.25, 0.5, 0.75]))
def test_no_mark_of_a_limit_in_days_or_working_time_falls_into_closed_hours(
    limit: TimeLimit, start: datetime, fraction: float
) -> None:
    each = starting(rules.RESOLVE, [Limit("sichuan", limit)], start, hours)
    (reached,) = marks(each, [fraction], hours)
    assert start <= reached <= due_of(each)
    if limit.WhichOneof("limit") != "duration" and reached < due_of(each):
        closing = reached - timedelta(microseconds=1)
        assert hours("sichuan").is_open(reached) or hours("sichuan").is_open(closing)
