"""The parts of which pages of a console are made, as `console_parts.html.j2` writes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.federation.v1.problem_pb2 import PerceivedSeverity
from gateway.time.clock import from_timestamp
from gateway.web.tables import Cell
from gateway.wording.languages import translated
from gateway.wording.terms import category_name, learned, region_name
from gateway.wording.times import told_time
from gateway.wording.words import told_severity

_SOON, _NEAR = timedelta(hours=2), timedelta(hours=24)
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_SEVERITY_BADGES: Mapping[PerceivedSeverity.ValueType, str] = {
    PerceivedSeverity.PERCEIVED_SEVERITY_CRITICAL: "late",
    PerceivedSeverity.PERCEIVED_SEVERITY_MAJOR: "soon",
    PerceivedSeverity.PERCEIVED_SEVERITY_MINOR: "near",
}


@dataclass(frozen=True)
class Option:
    """A value of a field, and its title."""

    value: str
    title: str


@dataclass(frozen=True)
class Choice:
    """A field with values to choose from."""

    name: str
    label: str
    options: Sequence[Option]
    chosen: str = ""


@dataclass(frozen=True)
class Fact:
    """A name and what it stands for."""

    name: str
    text: str = field(repr=False)
    href: str = field(default="", repr=False)
    """The address of another page, which the text leads to."""


@dataclass(frozen=True)
class Commands:
    """The commands that do what a page has no form for."""

    heading: str
    lines: Sequence[str]


@dataclass(frozen=True)
class Event:
    """An event of a timeline."""

    time: str
    what: str
    who: str
    text: str = field(default="", repr=False)
    style: str = ""


def region_options() -> Sequence[Option]:
    """The regions of the federation, to choose from."""
    return [Option(each.region, region_name(each.region)) for each in learned().regions]


def category_options() -> Sequence[Option]:
    """The categories of complaints, to choose from."""
    return [Option(each.code, category_name(each.code)) for each in learned().complaint_categories]


def due_cell(due: Timestamp, now: datetime) -> Cell:
    """A due time as a cell: how near it is, in words and as a colour, and the time itself. Empty without one."""
    if not due.seconds and not due.nanos:
        return Cell("")
    left = from_timestamp(due) - now
    if left <= timedelta():
        return Cell(translated("overdue by {time}", time=span(-left)), style="due", badge="late", note=told_time(due))
    style = "soon" if left <= _SOON else "near" if left <= _NEAR else "far"
    return Cell(translated("in {time}", time=span(left)), style="due", badge=style, note=told_time(due))


def severity_cell(severity: PerceivedSeverity.ValueType) -> Cell:
    """The severity of an alarm, or of a problem of the network, as a badge."""
    told = told_severity(severity)
    return Cell(told, badge=_SEVERITY_BADGES.get(severity, "calm") if told else "")


def span(length: timedelta) -> str:
    """A length of time in its two largest units, for example `2 h 10 min`, or `4 h`; to the minute."""
    days, rest = divmod(length, _DAY)
    hours, rest = divmod(rest, _HOUR)
    minutes = rest // _MINUTE
    if days:
        return translated("{days} d {hours} h", days=days, hours=hours) if hours else translated("{days} d", days=days)
    if hours and minutes:
        return translated("{hours} h {minutes} min", hours=hours, minutes=minutes)
    return translated("{hours} h", hours=hours) if hours else translated("{minutes} min", minutes=minutes)


def by_due(due: Timestamp) -> tuple[bool, int, int]:
    """The place in a list with the nearest due time first; last without one."""
    return (not due.seconds and not due.nanos, due.seconds, due.nanos)
