"""Rules for calendars and opening hours, and the years that promises reach without a calendar. Pure."""

import re
from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from gateway.api.federation.v1.configuration_pb2 import Calendar, Configuration, OpeningHours, TimeLimit
from gateway.federation.checks import day_of, twice

_SATURDAY = 5
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
_MIDNIGHT = "24:00"  # as a time of closing
# An upper bound of calendar days per working day, averaged over a limit and with the longest holidays in between.
_DAYS_OF_A_WORKING_DAY = 2
_LONG_HOLIDAY = timedelta(days=9)


def calendars_problems(calendars: Iterable[Calendar]) -> Iterator[str]:
    """Problems in the calendars, each with its path."""
    calendars = list(calendars)
    yield from twice("calendars", (str(calendar.year) for calendar in calendars))
    for calendar in calendars:
        yield from _calendar_problems(calendar)


def hours_problems(path: str, hours: OpeningHours) -> Iterator[str]:
    """Problems in the opening hours."""
    if not hours.working_days and not hours.days_off:
        yield f"{path}: must be for working days, for days off or for both"
    for name, time in (("opens", hours.opens), ("closes", hours.closes)):
        if not _TIME.fullmatch(time) and (name, time) != ("closes", _MIDNIGHT):
            yield f"{path}.{name}: {time!r} is not of the form HH:MM"
    if hours.closes <= hours.opens:
        yield f"{path}.closes: must be later than it opens"


def calendar_warnings(configuration: Configuration, today: date) -> list[str]:
    """The years without a calendar into which a promise in working days that begins today may reach.

    In them weekends alone are counted as days off.
    """
    longest = max((limit.working_days for limit in _limits(configuration)), default=0)
    if not longest:
        return []
    last = today + timedelta(days=longest * _DAYS_OF_A_WORKING_DAY) + _LONG_HOLIDAY
    covered = {calendar.year for calendar in configuration.calendars}
    return [
        f"calendars[{year}]: is missing; for limits in working days, weekends alone count as days off in {year}:"
        " `coordinator federation import-calendar` writes it, or write it by hand"
        for year in range(today.year, last.year + 1)
        if year not in covered
    ]


def _limits(configuration: Configuration) -> Iterator[TimeLimit]:
    for business in configuration.businesses:
        yield business.limit
        yield from (each.limit for each in business.regional_limits)
    for category in configuration.complaint_categories:
        yield from (category.resolution_limit, category.rural_limit, category.interim_limit, category.refund_limit)
        yield from (each.limit for each in category.regional_limits)
    for policy in configuration.policies:
        yield policy.limit
        yield from (each.limit for each in policy.regional)


def _calendar_problems(calendar: Calendar) -> Iterator[str]:
    path = f"calendars[{calendar.year}]"
    yield from twice(path, (*calendar.holidays, *calendar.makeup_workdays))
    for name, days in (("holidays", calendar.holidays), ("makeup_workdays", calendar.makeup_workdays)):
        for text in days:
            day = day_of(text)
            if day is None:
                yield f"{path}.{name}[{text}]: not a date of the form YYYY-MM-DD"
            elif day.year != calendar.year:
                yield f"{path}.{name}[{text}]: not in {calendar.year}"
            elif name == "makeup_workdays" and day.weekday() < _SATURDAY:
                yield f"{path}.{name}[{text}]: not on a weekend"
