"""Working time: the hours in which a region's departments, or a service point, are open. Pure.

A door opens when the wall clock first shows its opening time on a day. It closes when the clock first shows the closing
time. Where clocks skip a time, the change itself counts; where an hour comes twice, its first occurrence counts.
Instants carry a zone as arguments and are in UTC as results.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from gateway.api.federation.v1.configuration_pb2 import OpeningHours, TimeLimit
from gateway.time.calendars import WorkingDays, due_time

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_NONE = timedelta()
_ALWAYS = OpeningHours(working_days=True, days_off=True, opens="00:00", closes="24:00")
_DAYS_KEPT = 4000  # days whose open times are cached: ten years
_LONGEST_CLOSED = 400  # days on end; hours that are of no day at all never open


class NeverOpen(ValueError):
    """The hours have no opening in more than a year: there is no working time to count."""


@dataclass(frozen=True)
class Span:
    """An open time of one day, from an instant to just before another one."""

    opens: datetime
    closes: datetime


class WorkingHours:
    """Opening hours by the calendar and in the IANA zone of a region; none at all mean day and night. Immutable."""

    def __init__(self, hours: Iterable[OpeningHours], time_zone: str, days: WorkingDays) -> None:
        self.days = days
        self.time_zone = time_zone
        self._hours = tuple(hours) or (_ALWAYS,)
        self._zone = ZoneInfo(time_zone)
        self.spans_of: Callable[[date], Sequence[Span]] = lru_cache(maxsize=_DAYS_KEPT)(self._spans_of)
        """The open times of a day, in order; adjacent and overlapping ones are merged."""
        self._open_on: Callable[[date], timedelta] = lru_cache(maxsize=_DAYS_KEPT)(self._total_of)

    def _total_of(self, day: date) -> timedelta:
        return sum((each.closes - each.opens for each in self.spans_of(day)), _NONE)

    def _spans_of(self, day: date) -> Sequence[Span]:
        worked = self.days.is_working_day(day)
        found: list[Span] = []
        for opens, closes in sorted(
            (self._at(day, each.opens), self._at(day, each.closes))
            for each in self._hours
            if (each.working_days if worked else each.days_off)
        ):
            if found and opens <= found[-1].closes:
                found[-1] = Span(found[-1].opens, max(found[-1].closes, closes))
            elif opens < closes:  # clocks put forward may skip the whole span
                found.append(Span(opens, closes))
        return found

    def spans_from(self, since: datetime) -> Iterator[Span]:
        """The open times that end after an instant, in order, day by day.

        Endless unless the place never opens again.
        """
        day, closed = self._day(since), 0
        while closed <= _LONGEST_CLOSED:
            spans = [each for each in self.spans_of(day) if each.closes > since]
            yield from spans
            closed = 0 if spans else closed + 1
            day += _DAY

    def spans_before(self, until: datetime) -> Iterator[Span]:
        """The open times that begin before an instant, latest first."""
        day, closed = self._day(until), 0
        while closed <= _LONGEST_CLOSED:
            spans = [each for each in reversed(self.spans_of(day)) if each.opens < until]
            yield from spans
            closed = 0 if spans else closed + 1
            day -= _DAY

    def is_open(self, instant: datetime) -> bool:
        """Whether the place is open at an instant."""
        instant = _utc(instant)
        return any(each.opens <= instant < each.closes for each in self.spans_of(self._day(instant)))

    def next_open(self, instant: datetime) -> datetime:
        """The instant itself while open, else the next opening. Raises NeverOpen."""
        instant = _utc(instant)
        for span in self.spans_from(instant):
            return max(span.opens, instant)
        raise NeverOpen

    def add(self, start: datetime, amount: timedelta) -> datetime:
        """The instant after `amount` of working time: within an open time, or at its very end.

        Raises ValueError for a negative amount, and NeverOpen.
        """
        _require_positive(amount)
        start = _utc(start)
        if not amount:
            return start
        for span in self.spans_from(start):
            begins = max(span.opens, start)
            if span.closes - begins >= amount:
                return begins + amount
            amount -= span.closes - begins
        raise NeverOpen

    def before(self, end: datetime, amount: timedelta) -> datetime:
        """The instant `amount` of working time before the end: within an open time, or at its very beginning.

        Raises ValueError for a negative amount, and NeverOpen.
        """
        _require_positive(amount)
        end = _utc(end)
        if not amount:
            return end
        for span in self.spans_before(end):
            ends = min(span.closes, end)
            if ends - span.opens >= amount:
                return ends - amount
            amount -= ends - span.opens
        raise NeverOpen

    def between(self, start: datetime, end: datetime) -> timedelta:
        """The working time from one instant to a later one. Raises ValueError where the end is before the start."""
        # Python compares two times of one zone by their wall clocks, not by elapsed time.
        start, end = _utc(start), _utc(end)
        if end < start:
            raise ValueError("the end is before the start")
        first, last = self._day(start), self._day(end)
        total = self._open_within(first, start, end)
        if first < last:
            total += self._open_within(last, start, end)
            for number in range(1, (last - first).days):
                total += self._open_on(first + number * _DAY)
        return total

    def _open_within(self, day: date, start: datetime, end: datetime) -> timedelta:
        spans = self.spans_of(day)
        return sum((max(min(each.closes, end) - max(each.opens, start), _NONE) for each in spans), _NONE)

    def _day(self, instant: datetime) -> date:
        return instant.astimezone(self._zone).date()

    def _at(self, day: date, wall_clock: str) -> datetime:
        """The first instant at which the clock shows HH:MM or more on a day; 24:00 is the day's end."""
        hour, minute = int(wall_clock[:2]), int(wall_clock[3:])
        if hour == 24:
            day, hour = day + _DAY, 0
        wanted = datetime.combine(day, time(hour, minute))
        # For a time that clocks skip, the later reading of the zone is the earlier instant, just before the change.
        instant = min(wanted.replace(tzinfo=self._zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        while instant.astimezone(self._zone).replace(tzinfo=None) < wanted:
            instant += _MINUTE
        return instant


def deadline(limit: TimeLimit, start: datetime, hours: WorkingHours) -> datetime:
    """The end of a limit that starts at `start`, in UTC, by a region's hours, calendar and zone.

    A limit in working time runs only while the region's departments are open; for others see `due_time`. Raises
    ValueError for a start without a time zone and for an empty limit, and NeverOpen.
    """
    if limit.WhichOneof("limit") == "working_time":
        return hours.add(start, limit.working_time.ToTimedelta())
    return due_time(limit, start, hours.time_zone, hours.days)


def _require_positive(amount: timedelta) -> None:
    if amount < _NONE:
        raise ValueError("working time is never negative")


def _utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError("working time needs instants with a time zone")
    return instant if instant.tzinfo is UTC else instant.astimezone(UTC)
