"""The calculations for consultation: costs, opening hours, durations of orders, words."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import Allowance, Calendar, OpeningHours, Plan, Rates, ServicePoint
from gateway.api.types.v1.types_pb2 import Money
from gateway.time.calendars import WorkingDays
from region_node.business.catalogue.comparing import cheapest_first, cost_of
from region_node.business.catalogue.rules import opening, time_taken
from region_node.business.catalogue.search import words_of
from region_node.business.orders.completed import rounded_up

CHINA = "Asia/Shanghai"
DAYS = WorkingDays([Calendar(year=2026, holidays=["2026-02-16", "2026-02-17"], makeup_workdays=["2026-02-14"])])
WORKDAYS = OpeningHours(working_days=True, opens="08:30", closes="12:00")
AFTERNOONS = OpeningHours(working_days=True, opens="13:30", closes="17:30")
WEEKENDS = OpeningHours(days_off=True, opens="10:00", closes="16:00")
ALWAYS = OpeningHours(working_days=True, days_off=True, opens="00:00", closes="24:00")


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(CHINA)).astimezone(UTC)


@pytest.mark.parametrize(
    ("hours", "now", "is_open", "changes"),
    [
        ([], "2026-02-10 03:00", True, None),
        ([ALWAYS], "2026-02-10 03:00", True, None),
        ([WORKDAYS, AFTERNOONS], "2026-02-10 08:29", False, "2026-02-10 08:30"),
        ([WORKDAYS, AFTERNOONS], "2026-02-10 08:30", True, "2026-02-10 12:00"),
        ([WORKDAYS, AFTERNOONS], "2026-02-10 12:00", False, "2026-02-10 13:30"),
        ([AFTERNOONS, WORKDAYS], "2026-02-10 17:30", False, "2026-02-11 08:30"),
        # Saturday the 14th is worked, Monday and Tuesday are holidays.
        ([WORKDAYS], "2026-02-13 13:00", False, "2026-02-14 08:30"),
        ([WORKDAYS], "2026-02-14 13:00", False, "2026-02-18 08:30"),
        ([WORKDAYS, WEEKENDS], "2026-02-16 11:00", True, "2026-02-16 16:00"),
        ([WEEKENDS], "2026-02-14 11:00", False, "2026-02-15 10:00"),
        # Two days on end are one time of opening.
        (
            [OpeningHours(days_off=True, opens="00:00", closes="24:00")],
            "2026-02-15 11:00",
            True,
            "2026-02-18 00:00",
        ),
    ],
)
def test_a_service_point_opens_and_closes_by_the_calendar_of_its_region(
    hours: list[OpeningHours], now: str, is_open: bool, changes: str | None
) -> None:
    found = opening(ServicePoint(opening_hours=hours), local(now), CHINA, DAYS)
    assert (found.is_open, found.next_change) == (is_open, None if changes is None else local(changes))


def test_opening_hours_are_those_of_the_regions_time_zone() -> None:
    point = ServicePoint(opening_hours=[WORKDAYS])
    noon = datetime(2026, 2, 10, 10, 0, tzinfo=UTC)
    assert not opening(point, noon, CHINA, DAYS).is_open
    assert opening(point, noon, "Europe/London", DAYS).is_open


@settings(max_examples=50)
@given(
    st.integers(0, 50 * 24 * 60),
    st.lists(
        st.builds(
            OpeningHours,
            working_days=st.just(True),
            days_off=st.booleans(),
            opens=st.sampled_from(["06:00", "08:30"]),
            closes=st.sampled_from(["12:00", "18:00", "24:00"]),
        ),
        max_size=3,
    ),
)
def test_a_point_is_open_exactly_at_the_minutes_of_its_hours(minutes: int, hours: list[OpeningHours]) -> None:
    instant = local("2026-01-05 00:00") + timedelta(minutes=minutes)
    now = instant.astimezone(ZoneInfo(CHINA))
    wall_clock, day = f"{now:%H:%M}", now.date()
    worked = DAYS.is_working_day(day)
    applying = [each for each in hours if (each.working_days if worked else each.days_off)]
    expected = not hours or any(each.opens <= wall_clock < each.closes for each in applying)
    found = opening(ServicePoint(opening_hours=hours), instant, CHINA, DAYS)
    assert found.is_open == expected
    if found.next_change is not None:
        assert found.next_change > instant
        after = opening(ServicePoint(opening_hours=hours), found.next_change, CHINA, DAYS)
        assert after.is_open != found.is_open


USAGE = st.builds(Allowance, minutes=st.integers(0, 500), messages=st.integers(0, 500), mebibytes=st.integers(0, 9000))
RATES = st.builds(Rates, minute=st.integers(0, 30), message=st.integers(0, 30), mebibyte=st.integers(0, 30))


@given(USAGE, USAGE, RATES, st.integers(1, 20_000))
def test_a_plan_costs_its_rent_and_each_unit_beyond_its_allowance(
    used: Allowance, free: Allowance, rates: Rates, rent: int
) -> None:
    plan = Plan(id="a", monthly_rent=Money(minor_units=rent), allowance=free, rates=rates)
    expected = rent
    for name, rate in (("minutes", rates.minute), ("messages", rates.message), ("mebibytes", rates.mebibyte)):
        expected += len(range(getattr(free, name), getattr(used, name))) * rate
    assert cost_of(plan, used) == expected


def test_the_cheapest_plan_depends_on_the_use() -> None:
    small = Plan(id="small", monthly_rent=Money(minor_units=1000), rates=Rates(minute=20))
    large = Plan(id="large", monthly_rent=Money(minor_units=3000), allowance=Allowance(minutes=500))
    for minutes, first in ((0, "small"), (99, "small"), (101, "large")):
        assert cheapest_first([large, small], Allowance(minutes=minutes))[0][0].id == first


@given(st.lists(st.integers(1, 10**7), min_size=1, max_size=60))
def test_of_the_orders_half_and_nine_in_ten_took_at_most_what_is_told(times: list[int]) -> None:
    counts = sorted({each: times.count(each) for each in times}.items())
    told = time_taken(counts)
    assert told is not None
    median, decile = told.median.ToMilliseconds(), told.ninth_decile.ToMilliseconds()
    assert told.orders == len(times)
    assert 2 * sum(each <= median for each in times) >= len(times)
    assert 10 * sum(each <= decile for each in times) >= 9 * len(times)
    assert 2 * sum(each < median for each in times) < len(times)
    assert 10 * sum(each < decile for each in times) < 9 * len(times)


def test_of_no_orders_nothing_is_told() -> None:
    assert time_taken([]) is None


@given(st.timedeltas(timedelta(0), timedelta(days=400)))
def test_a_time_is_rounded_up_by_at_most_a_tenth_and_to_two_digits(took: timedelta) -> None:
    rounded = rounded_up(took)
    exact = max(1.0, took / timedelta(milliseconds=1))
    assert exact <= rounded <= max(exact * 1.1, exact + 1)
    assert len(str(rounded).rstrip("0")) <= 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("停机保号", ["停机", "机保", "保号"]),
        ("卡", ["卡"]),
        ("换SIM卡", ["换", "sim", "卡"]),
        ("ＳＩＭ-Card!", ["sim", "card"]),
        ("  ", []),
    ],
)
def test_words_are_pairs_in_chinese_and_whole_in_english(text: str, words: list[str]) -> None:
    assert words_of(text) == words
