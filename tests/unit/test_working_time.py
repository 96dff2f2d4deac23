"""Working time: opening hours by calendars and zones, counted against an oracle that looks at every minute.

Each bug that ticket systems are known for is a test of its own.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import Calendar, OpeningHours, TimeLimit
from gateway.time.calendars import WorkingDays, years_without_calendar
from gateway.time.working_time import NeverOpen, WorkingHours, deadline

CHINA, LONDON, NEW_YORK = "Asia/Shanghai", "Europe/London", "America/New_York"
# Lord Howe moves its clocks by half an hour, Havana at midnight, the Azores and London on the same day.
ZONES = (CHINA, LONDON, NEW_YORK, "Australia/Lord_Howe", "America/Havana", "Atlantic/Azores")
SPRING_FESTIVAL = [f"2026-02-{day}" for day in range(15, 24)]  # the feed names each day off, the last one too
YEAR = Calendar(year=2026, holidays=SPRING_FESTIVAL, makeup_workdays=["2026-02-14", "2026-02-28"])
OFFICE = [
    OpeningHours(working_days=True, opens="09:00", closes="12:00"),
    OpeningHours(working_days=True, opens="13:30", closes="17:30"),
]
HOUR, MINUTE, DAY = timedelta(hours=1), timedelta(minutes=1), timedelta(days=1)


def office(zone: str = CHINA, *calendars: Calendar) -> WorkingHours:
    return WorkingHours(OFFICE, zone, WorkingDays(calendars or (YEAR,)))


def always(zone: str) -> WorkingHours:
    return WorkingHours([], zone, WorkingDays([YEAR]))


def at(text: str, zone: str = CHINA) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def hours_of(value: float) -> TimeLimit:
    return TimeLimit(working_time=Duration(seconds=round(value * 3600)), source="x")


def test_a_day_that_is_open_all_round_loses_no_minute_at_midnight() -> None:
    all_round = WorkingHours(
        [OpeningHours(working_days=True, days_off=True, opens="00:00", closes="24:00")], CHINA, WorkingDays([YEAR])
    )
    start = at("2026-02-10 23:59")
    assert all_round.between(start, at("2026-02-12 00:01")) == DAY + 2 * MINUTE
    assert all_round.add(start, 2 * MINUTE) == at("2026-02-11 00:01")
    assert all_round.add(start, 5 * DAY) == start + 5 * DAY


def test_no_deadline_in_working_time_falls_at_night_or_on_a_weekend() -> None:
    hours, start = office(), at("2026-02-06 16:45")  # a Friday
    assert deadline(hours_of(1), start, hours) == at("2026-02-09 09:15")
    assert deadline(hours_of(0.75), start, hours) == at("2026-02-06 17:30")
    assert deadline(hours_of(7.75), start, hours) == at("2026-02-09 17:30")


def test_the_last_day_of_a_holiday_is_off_and_the_day_after_it_is_worked() -> None:
    hours = office()
    assert hours.next_open(at("2026-02-14 17:30")) == at("2026-02-24 09:00")
    assert hours.between(at("2026-02-15 00:00"), at("2026-02-24 00:00")) == timedelta()
    assert hours.between(at("2026-02-23 23:59"), at("2026-02-24 10:00")) == HOUR


def test_a_calendar_without_mondays_has_none_and_ends() -> None:
    first = date(2026, 1, 5)
    mondays = [(first + number * 7 * DAY).isoformat() for number in range(52)]
    hours = office(CHINA, Calendar(year=2026, holidays=mondays))
    assert hours.add(at("2026-03-06 17:00"), HOUR) == at("2026-03-10 09:30")
    assert hours.between(at("2026-03-02 00:00"), at("2026-03-09 00:00")) == 4 * 7 * HOUR


def test_a_lunch_break_stops_the_clock_and_makes_no_holiday() -> None:
    hours = office()
    assert hours.add(at("2026-02-10 11:30"), HOUR) == at("2026-02-10 14:00")
    assert hours.add(at("2026-02-10 12:15"), HOUR) == at("2026-02-10 14:30")
    assert hours.between(at("2026-02-10 09:00"), at("2026-02-10 17:30")) == 7 * HOUR
    assert not hours.is_open(at("2026-02-10 12:00"))
    assert hours.days.is_working_day(date(2026, 2, 10))


def test_an_hour_before_a_deadline_never_lands_before_opening() -> None:
    hours = office()
    assert hours.before(at("2026-02-10 09:30"), HOUR) == at("2026-02-09 17:00")
    assert hours.before(at("2026-02-10 14:00"), HOUR) == at("2026-02-10 11:30")
    assert hours.before(at("2026-02-24 09:00"), HOUR) == at("2026-02-14 16:30")


def test_clocks_put_forward_leave_a_day_of_23_hours_and_back_one_of_25() -> None:
    hours = always(LONDON)
    for day, length in (("2026-03-29", 23), ("2026-10-25", 25)):
        start = at(f"{day} 00:00", LONDON)
        midnight = at(f"{(date.fromisoformat(day) + DAY).isoformat()} 00:00", LONDON)
        assert hours.between(start, midnight) == length * HOUR
        assert hours.add(start, length * HOUR) == midnight
        # Within one open time, too: from half past midnight to noon.
        before, after = at(f"{day} 00:30", LONDON), at(f"{day} 12:00", LONDON)
        assert hours.between(before, after) == (length - 12.5) * HOUR


def test_an_hour_that_clocks_skip_opens_at_the_change_and_one_that_comes_twice_counts_once() -> None:
    night = [OpeningHours(working_days=True, days_off=True, opens="01:30", closes="03:00")]
    hours = WorkingHours(night, LONDON, WorkingDays([]))
    spring, autumn = date(2026, 3, 29), date(2026, 10, 25)
    assert [(span.opens, span.closes) for span in hours.spans_of(spring)] == [
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), datetime(2026, 3, 29, 2, 0, tzinfo=UTC))
    ]
    assert [(span.opens, span.closes) for span in hours.spans_of(autumn)] == [
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 3, 0, tzinfo=UTC))
    ]
    swallowed = [OpeningHours(working_days=True, days_off=True, opens="01:10", closes="01:50")]
    assert WorkingHours(swallowed, LONDON, WorkingDays([])).spans_of(spring) == []


def test_a_limit_in_days_ends_at_local_midnight_on_either_side_of_a_change_of_clocks() -> None:
    hours = always(LONDON)
    for start, end in (("2026-03-28 12:00", "2026-03-30 00:00"), ("2026-10-24 12:00", "2026-10-26 00:00")):
        assert deadline(TimeLimit(days=1), at(start, LONDON), hours) == at(end, LONDON)
    # A duration runs by the second, whatever clocks show.
    day = TimeLimit(duration=Duration(seconds=86400))
    assert deadline(day, at("2026-03-28 12:00", LONDON), hours) == at("2026-03-29 13:00", LONDON)


def test_a_year_without_holiday_data_counts_weekends_and_says_which_year() -> None:
    hours, start = office(), at("2030-09-30 17:00")
    due = deadline(hours_of(7.5), start, hours)
    assert due == at("2030-10-01 17:30")  # National Day, unknown here
    assert years_without_calendar(hours_of(7.5), start, due, CHINA, hours.days) == [2030]
    assert hours.add(at("2030-10-04 17:00"), HOUR) == at("2030-10-07 09:30")  # Friday to Monday
    ends = deadline(hours_of(7), at("2026-12-31 09:00"), hours)
    assert years_without_calendar(hours_of(7), at("2026-12-31 09:00"), ends, CHINA, hours.days) == []


@pytest.mark.parametrize(
    ("limit", "last"),
    [
        (TimeLimit(working_days=5), "2026-02-24"),
        (TimeLimit(working_days=15), "2026-03-09"),
        (TimeLimit(days=15), "2026-02-25"),
    ],
)
def test_fact_1_limits_from_the_tenth_of_february_2026(limit: TimeLimit, last: str) -> None:
    due = deadline(limit, at("2026-02-10 15:00"), office())
    assert due == at(last) + DAY


def test_hours_that_never_open_are_told_and_do_not_run_for_ever() -> None:
    closed = WorkingHours([OpeningHours(opens="09:00", closes="17:00")], CHINA, WorkingDays([]))
    start = at("2026-02-10 09:00")
    with pytest.raises(NeverOpen):
        closed.add(start, HOUR)
    with pytest.raises(NeverOpen):
        closed.before(start, HOUR)
    with pytest.raises(NeverOpen):
        closed.next_open(start)
    assert closed.between(start, start + 30 * DAY) == timedelta()
    assert closed.add(start, timedelta()) == start


def test_what_cannot_be_counted_is_refused() -> None:
    hours, start = office(), at("2026-02-10 09:00")
    with pytest.raises(ValueError, match="never negative"):
        hours.add(start, -HOUR)
    with pytest.raises(ValueError, match="before the start"):
        hours.between(start, start - HOUR)
    with pytest.raises(ValueError, match="time zone"):
        hours.add(start.replace(tzinfo=None), HOUR)


CLOCK = st.integers(0, 24 * 4 - 1).map(lambda quarter: f"{quarter // 4:02d}:{quarter % 4 * 15:02d}")


@st.composite
def opening_hours(draw: st.DrawFn) -> OpeningHours:
    """Hours that a configuration may hold."""
    opens = draw(CLOCK)
    closes = draw(CLOCK.filter(lambda each: each > opens) if opens < "23:45" else st.just("24:00"))
    kinds = draw(st.sampled_from([(True, False), (False, True), (True, True)]))
    return OpeningHours(
        working_days=kinds[0],
        days_off=kinds[1],
        opens=opens,
        closes=draw(st.sampled_from([closes, "24:00"])),
    )


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    """A year of which some days are off and some weekends worked."""
    days = st.dates(date(2026, 1, 1), date(2026, 12, 31))
    off = draw(st.sets(days, max_size=60))
    worked = draw(st.sets(days.filter(lambda day: day.weekday() > 4), max_size=10)) - off
    return Calendar(year=2026, holidays=sorted(map(str, off)), makeup_workdays=sorted(map(str, worked)))


def open_minutes(
    hours: Sequence[OpeningHours], zone: str, days: WorkingDays, start: datetime, end: datetime
) -> Iterator[datetime]:
    """Every open minute from the start on: doors are opened and closed by somebody who looks at the clock."""
    local = ZoneInfo(zone)
    instant = start - 2 * DAY
    today, doors = instant.astimezone(local).date(), ["closed"] * len(hours)
    while instant < end:
        now = instant.astimezone(local)
        if now.date() != today:
            today, doors = now.date(), ["closed"] * len(hours)
        for index, each in enumerate(hours):
            if not (each.working_days if days.is_working_day(today) else each.days_off):
                continue
            shown = f"{now:%H:%M}"
            if doors[index] == "closed" and shown >= each.opens:
                doors[index] = "open"
            if doors[index] == "open" and shown >= each.closes:
                doors[index] = "done"
        if instant >= start and "open" in doors:
            yield instant
        instant += MINUTE


# Three weeks around each change of clocks of the year, and others.
STARTS = st.integers(0, 340 * 24 * 60).map(lambda minutes: datetime(2026, 1, 4, tzinfo=UTC) + minutes * MINUTE) | (
    st.sampled_from([(3, 7), (3, 28), (10, 3), (10, 24), (10, 31), (4, 4)]).flatmap(
        lambda day: st.integers(0, 2 * 24 * 60).map(
            lambda minutes: datetime(2026, day[0], day[1], tzinfo=UTC) + minutes * MINUTE
        )
    )
)


@settings(max_examples=120)
@given(
    st.lists(opening_hours(), min_size=1, max_size=3),
    st.sampled_from(ZONES),
    calendars(),
    STARTS,
    st.integers(0, 9 * 24 * 60),
    st.data(),
)
def test_working_time_is_what_somebody_counts_who_looks_at_the_clock_every_minute(
    told: list[OpeningHours], zone: str, calendar: Calendar, start: datetime, length: int, data: st.DataObject
) -> None:
    days = WorkingDays([calendar])
    hours, end = WorkingHours(told, zone, days), start + length * MINUTE
    counted = list(open_minutes(told, zone, days, start, end))
    assert hours.between(start, end) == len(counted) * MINUTE
    if not counted:
        return
    number = data.draw(st.integers(1, len(counted)), label="minutes to add")
    assert hours.add(start, number * MINUTE) == counted[number - 1] + MINUTE
    assert hours.before(end, number * MINUTE) == counted[-number]
    assert hours.next_open(start) == counted[0]
    probe = data.draw(st.integers(0, length - 1), label="minute")
    assert hours.is_open(start + probe * MINUTE) == (start + probe * MINUTE in set(counted))


@settings(max_examples=60)
@given(st.lists(opening_hours(), max_size=3), st.sampled_from(ZONES), calendars(), STARTS, st.integers(0, 40 * 3600))
def test_what_was_added_lies_between_and_a_time_divided_is_the_sum_of_its_parts(
    told: list[OpeningHours], zone: str, calendar: Calendar, start: datetime, seconds: int
) -> None:
    hours, amount = WorkingHours(told, zone, WorkingDays([calendar])), timedelta(seconds=seconds)
    end = hours.add(start, amount)
    assert hours.between(start, end) == amount
    middle = start + (end - start) / 3
    assert hours.between(start, middle) + hours.between(middle, end) == amount
    assert hours.add(middle, hours.between(middle, end)) <= end
