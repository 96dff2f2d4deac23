"""The deadlines of a complaint, and the pause of the internal clock while the customer must answer. Pure.

A limit of days counts whole days, one of working time only open hours. A pause moves each limit by the time that would
have counted. So a weekend inside a pause never counts twice.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gateway.api.federation.v1.configuration_pb2 import TimeLimit
from gateway.api.region.v1.complaint_pb2 import Complaint, Deadline, DeadlineKind
from gateway.time.clock import from_timestamp, to_timestamp
from gateway.time.working_time import WorkingHours, deadline
from region_node.care.complaints import rules

Hours = Callable[[str], WorkingHours]
"""When a region's departments work."""

_DAY = timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Limit:
    """A limit, and the region whose hours, calendar and zone count for it."""

    region: str
    limit: TimeLimit


@dataclass(frozen=True)
class Pause:
    """A time in which the complaint waited for the customer."""

    start: datetime
    end: datetime


def starting(kind: DeadlineKind.ValueType, limits: Iterable[Limit], start: datetime, hours: Hours) -> Deadline:
    """A deadline from `start`: the earliest end of the limits counts. Raises ValueError without limits."""
    running = [(deadline(each.limit, start, hours(each.region)), each) for each in limits]
    begins = to_timestamp(start)
    return Deadline(
        kind=kind,
        terms=[
            Deadline.Term(region=each.region, limit=each.limit, start_time=begins, end_time=to_timestamp(ends))
            for ends, each in running
        ],
        due_time=to_timestamp(min(ends for ends, _ in running)),
    )


def find(complaint: Complaint, kind: DeadlineKind.ValueType) -> Deadline | None:
    """The deadline of a kind; of reminders the last one."""
    found = None
    for each in complaint.deadlines:
        if each.kind == kind:
            found = each
    return found


def due_of(each: Deadline) -> datetime:
    """When a deadline is due, in UTC."""
    return from_timestamp(each.due_time)


def is_met(each: Deadline) -> bool:
    """Whether the required event has happened."""
    return each.HasField("met_time")


def meet(complaint: Complaint, kinds: Sequence[DeadlineKind.ValueType], now: datetime) -> None:
    """Marks deadlines as met, if they are not yet."""
    for each in complaint.deadlines:
        if each.kind in kinds and not is_met(each):
            each.met_time.CopyFrom(to_timestamp(now))


def reopen(complaint: Complaint) -> None:
    """Reopens the resolution after a refusal: it is unresolved again, by the legal clock too."""
    for each in complaint.deadlines:
        if each.kind in (rules.RESOLVE, rules.LEGAL):
            each.ClearField("met_time")


def resume(complaint: Complaint, pause: Pause, hours: Hours) -> None:
    """Moves the deadlines after the customer's answer by the time of the pause.

    Deadlines that are met, or were late before, stay. The legal clock never stops.
    """
    for each in complaint.deadlines:
        if each.kind == rules.LEGAL or is_met(each) or due_of(each) <= pause.start:
            continue
        for term in each.terms:
            counting = hours(term.region)
            start = _moved(term.limit, from_timestamp(term.start_time), pause, counting, ends=False)
            end = _moved(term.limit, from_timestamp(term.end_time), pause, counting, ends=True)
            term.start_time.CopyFrom(to_timestamp(start))
            term.end_time.CopyFrom(to_timestamp(end))
        each.due_time.CopyFrom(to_timestamp(_earliest(each.terms)))


def promised(complaint: Complaint) -> datetime:
    """The time promised to the customer: the earlier of the department's limit and the legal one."""
    return min(due_of(each) for each in complaint.deadlines if each.kind in (rules.RESOLVE, rules.LEGAL))


def marks(each: Deadline, fractions: Sequence[float], hours: Hours) -> list[datetime]:
    """The instants at which fractions of a deadline's time are used, in UTC: never after it is due.

    For limits in days or in working time, within working hours: nobody is woken for half of a week.
    """
    by_term = [_term_marks(term, fractions, hours(term.region)) for term in each.terms]
    return [min(of_a_fraction) for of_a_fraction in zip(*by_term, strict=True)]


def told_at(each: Deadline, hours: Hours) -> datetime:
    """The instant of the notice about a missed deadline: immediate, or for limits in days the next start of work."""
    last = min(each.terms, key=lambda term: from_timestamp(term.end_time))
    due = from_timestamp(last.end_time)
    return hours(last.region).next_open(due) if _counts_days(last.limit) else due


def _term_marks(term: Deadline.Term, fractions: Sequence[float], counting: WorkingHours) -> list[datetime]:
    start, end = from_timestamp(term.start_time), from_timestamp(term.end_time)
    kind = term.limit.WhichOneof("limit")
    if kind in ("working_time", "working_days"):
        open_time = counting.between(start, end)  # the most expensive step by far
        return [min(counting.add(start, open_time * fraction), end) for fraction in fractions]
    reached = [start + (end - start) * fraction for fraction in fractions]
    return [min(counting.next_open(each), end) for each in reached] if kind == "days" else reached


def _counts_days(limit: TimeLimit) -> bool:
    return limit.WhichOneof("limit") in ("days", "working_days")


def _earliest(terms: Iterable[Deadline.Term]) -> datetime:
    return min(from_timestamp(term.end_time) for term in terms)


def _moved(limit: TimeLimit, instant: datetime, pause: Pause, counting: WorkingHours, *, ends: bool) -> datetime:
    """The end of a term, moved by the counting part of the pause."""
    kind = limit.WhichOneof("limit")
    if kind == "duration":
        return instant + (pause.end - pause.start)
    if kind == "working_time":
        return counting.add(instant, counting.between(pause.start, pause.end))
    zone = ZoneInfo(counting.time_zone)
    first, last = (each.astimezone(zone).date() for each in (pause.start, pause.end))
    # From the first day on, and without the last one: a pause that ends on a day off lasts until the next working day.
    passed = [first + number * _DAY for number in range((last - first).days)]
    local = (instant - _MICROSECOND if ends else instant).astimezone(zone)
    if kind == "working_days":
        worked = sum(1 for day in passed if counting.days.is_working_day(day))
        day = counting.days.add_working_days(local.date(), worked)
    else:
        day = local.date() + len(passed) * _DAY
    return _at(day + _DAY, time.min, zone) if ends else _at(day, local.time(), zone)


def _at(day: date, clock: time, zone: ZoneInfo) -> datetime:
    return from_timestamp(to_timestamp(datetime.combine(day, clock, zone)))
