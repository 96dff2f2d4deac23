"""Working days and due times."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import Calendar, TimeLimit
from gateway.time.calendars import WorkingDays, due_time
from tests.shipped import shipped_configuration

WEEKDAYS_ONLY = WorkingDays([])
DAYS = st.dates(date(2024, 12, 1), date(2027, 2, 28))
COUNTS = st.integers(0, 60)


@pytest.fixture(scope="module", name="china")
def chinese_working_days() -> WorkingDays:
    return WorkingDays(shipped_configuration().calendars)


@pytest.mark.parametrize(
    ("received", "days", "last"),
    [
        ("2026-02-10", 5, "2026-02-24"),
        ("2026-02-10", 15, "2026-03-09"),
        ("2026-09-28", 5, "2026-10-10"),
        ("2026-09-28", 15, "2026-10-23"),
    ],
)
def test_limits_run_past_the_long_holidays(china: WorkingDays, received: str, days: int, last: str) -> None:
    assert china.add_working_days(date.fromisoformat(received), days) == date.fromisoformat(last)


def test_a_saturday_can_be_worked_and_a_monday_free(china: WorkingDays) -> None:
    assert china.is_working_day(date(2026, 2, 14))
    assert not china.is_working_day(date(2026, 2, 16))
    assert not china.is_working_day(date(2026, 2, 15))
    assert china.is_working_day(date(2026, 2, 24))


def test_a_year_without_calendar_is_monday_to_friday_and_says_so(china: WorkingDays) -> None:
    assert china.covers(2025)
    assert china.covers(2026)
    assert not china.covers(2030)
    # 1 October is National Day, and a Tuesday in 2030.
    assert china.is_working_day(date(2030, 10, 1))
    assert china.add_working_days(date(2030, 10, 4), 1) == date(2030, 10, 7)


@given(DAYS, COUNTS)
def test_as_many_working_days_lie_between_as_were_added(start: date, count: int) -> None:
    days = WorkingDays([Calendar(year=2026, holidays=["2026-01-01"], makeup_workdays=["2026-01-04"])])
    last = days.add_working_days(start, count)
    between = [start + timedelta(days=n) for n in range(1, (last - start).days + 1)]
    assert sum(map(days.is_working_day, between)) == count
    assert last == start or days.is_working_day(last)


@given(DAYS, COUNTS, COUNTS)
def test_adding_in_two_parts_is_adding_at_once(start: date, first: int, second: int) -> None:
    middle = WEEKDAYS_ONLY.add_working_days(start, first)
    at_once = WEEKDAYS_ONLY.add_working_days(start, first + second)
    assert WEEKDAYS_ONLY.add_working_days(middle, second) == at_once


def test_working_days_cannot_be_taken_away() -> None:
    with pytest.raises(ValueError, match="added"):
        WEEKDAYS_ONLY.add_working_days(date(2026, 2, 10), -1)


def working_days(count: int) -> TimeLimit:
    return TimeLimit(working_days=count)


def test_a_working_day_ends_at_midnight_of_the_region(china: WorkingDays) -> None:
    start = datetime(2026, 2, 10, 9, 30, tzinfo=UTC)
    due = due_time(working_days(5), start, "Asia/Shanghai", china)
    assert due == datetime(2026, 2, 25, 0, 0, tzinfo=timezone(timedelta(hours=8)))


def test_the_day_of_the_start_is_the_region_s_day(china: WorkingDays) -> None:
    # 17:00 in London on the 10th is 01:00 on the 11th in Shanghai.
    start = datetime(2026, 2, 10, 17, 0, tzinfo=UTC)
    assert due_time(working_days(1), start, "Asia/Shanghai", china) == datetime(2026, 2, 12, 16, tzinfo=UTC)
    assert due_time(working_days(1), start, "UTC", china) == datetime(2026, 2, 12, tzinfo=UTC)


def test_a_duration_runs_through_nights_and_holidays(china: WorkingDays) -> None:
    limit = TimeLimit(duration=Duration(seconds=48 * 3600))
    start = datetime(2026, 2, 15, 12, 0, tzinfo=timezone(timedelta(hours=8)))
    assert due_time(limit, start, "Asia/Shanghai", china) == start + timedelta(hours=48)


@pytest.mark.parametrize(
    ("start", "midnight"),
    [
        (datetime(2026, 3, 27, 12, tzinfo=UTC), datetime(2026, 3, 30, 22, tzinfo=UTC)),
        (datetime(2026, 10, 23, 12, tzinfo=UTC), datetime(2026, 10, 26, 23, tzinfo=UTC)),
    ],
)
def test_a_change_of_the_clocks_keeps_the_end_at_local_midnight(start: datetime, midnight: datetime) -> None:
    assert due_time(working_days(1), start, "Europe/Berlin", WEEKDAYS_ONLY) == midnight


def test_a_start_without_time_zone_is_an_error(china: WorkingDays) -> None:
    with pytest.raises(ValueError, match="time zone"):
        due_time(working_days(1), datetime(2026, 2, 10), "Asia/Shanghai", china)  # noqa: DTZ001 - the point


def test_a_limit_that_says_nothing_is_an_error(china: WorkingDays) -> None:
    with pytest.raises(ValueError, match="neither"):
        due_time(TimeLimit(), datetime(2026, 2, 10, tzinfo=UTC), "Asia/Shanghai", china)


@given(st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 1), timezones=st.just(UTC)), st.integers(1, 30))  # noqa: DTZ001 - hypothesis adds the zone
def test_a_limit_ends_after_it_begins(start: datetime, count: int) -> None:
    due = due_time(working_days(count), start, "Asia/Shanghai", WEEKDAYS_ONLY)
    assert due > start
    assert due - start <= timedelta(days=2 * count + 3)
