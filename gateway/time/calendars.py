"""Working days and due times. Pure."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gateway.api.federation.v1.configuration_pb2 import Calendar, TimeLimit

_SATURDAY = 5
_DAY = timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)


class WorkingDays:
    """Working days: Monday to Friday, corrected by the calendars of single years. Immutable."""

    def __init__(self, calendars: Iterable[Calendar]) -> None:
        years: set[int] = set()
        exceptions: dict[date, bool] = {}
        for calendar in calendars:
            years.add(calendar.year)
            exceptions.update((date.fromisoformat(day), False) for day in calendar.holidays)
            exceptions.update((date.fromisoformat(day), True) for day in calendar.makeup_workdays)
        self._years = frozenset(years)
        self._exceptions = exceptions

    def covers(self, year: int) -> bool:
        """Whether the year has a calendar; without one, Monday to Friday is assumed."""
        return year in self._years

    def is_working_day(self, day: date) -> bool:
        """Whether the day is worked."""
        worked = self._exceptions.get(day)
        return day.weekday() < _SATURDAY if worked is None else worked

    def add_working_days(self, start: date, days: int) -> date:
        """The last day of a limit of `days` working days; the day of the start is not counted.

        Raises ValueError for a negative count.
        """
        if days < 0:
            raise ValueError("working days can only be added")
        day = start
        while days:
            day += _DAY
            if self.is_working_day(day):
                days -= 1
        return day


def due_time(limit: TimeLimit, start: datetime, time_zone: str, days: WorkingDays) -> datetime:
    """The end of a limit that starts at `start`, in UTC.

    A limit in days or working days ends at 24:00 of its last day in the IANA zone `time_zone`. A duration runs day and
    night. Raises ValueError for a start without a time zone and for an empty limit. A limit in working time needs
    opening hours: see `working_time.deadline`.
    """
    if start.tzinfo is None:
        raise ValueError("the start of a limit needs a time zone")
    kind = limit.WhichOneof("limit")
    if kind == "duration":
        return start.astimezone(UTC) + limit.duration.ToTimedelta()
    zone = ZoneInfo(time_zone)
    first = start.astimezone(zone).date()
    if kind == "working_days":
        last = days.add_working_days(first, limit.working_days)
    elif kind == "days":
        last = first + limit.days * _DAY
    else:
        raise ValueError("the limit says neither a duration nor days, or needs opening hours")
    return datetime.combine(last + _DAY, time.min, zone).astimezone(UTC)


def years_without_calendar(
    limit: TimeLimit, start: datetime, due: datetime, time_zone: str, days: WorkingDays
) -> list[int]:
    """The years from the start of a limit to its end in which weekends alone counted as days off.

    Empty for a limit without working days. `due` is the result of `due_time`, or `deadline`, for the other values.
    """
    if limit.WhichOneof("limit") not in ("working_days", "working_time"):
        return []
    zone = ZoneInfo(time_zone)
    last = (due - _MICROSECOND).astimezone(zone)
    return [year for year in range(start.astimezone(zone).year, last.year + 1) if not days.covers(year)]
