"""The output of commands: tables for people, JSON for programs."""

from collections.abc import Sequence
from datetime import datetime

import click
from google.protobuf.timestamp_pb2 import Timestamp
from rich.text import Text

from gateway.api.coordinator.v1.administration_pb2 import UnansweredRegion
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, reason_name
from gateway.time.clock import from_timestamp
from gateway.wording.languages import refusal, translated
from gateway.wording.terms import region_name
from gateway.wording.times import shown_zone_name, told_if_set


def titled(title: str) -> str:
    """The title of a table, with the zone of its times."""
    return translated("{title} (times of {zone})", title=title, zone=shown_zone_name())


def told_span(seconds: float) -> str:
    """A length of time for people, signed: `+12.3 ms`, `+4.2 s`, `+3 min`, `+2 h`."""
    size = abs(seconds)
    if size < 1:
        return f"{seconds * 1000:+.1f} ms"
    if size < 60:
        return f"{seconds:+.1f} s"
    if size < 3600:
        return translated("{number} min", number=f"{seconds / 60:+.0f}")
    return translated("{number} h", number=f"{seconds / 3600:+.0f}")


def told_age(timestamp: Timestamp, now: datetime) -> str:
    """How long ago a time was; empty where none is set. By a clock that is ahead of ours nothing was in the future."""
    if not timestamp.seconds and not timestamp.nanos:
        return ""
    span = told_span(max(0.0, (now - from_timestamp(timestamp)).total_seconds())).lstrip("+")
    return translated("{span} ago", span=span)


def why_not_taken(reason: Reason.ValueType, destination: str) -> str:
    """Why a destination has not taken an envelope."""
    region = region_name(destination)
    if reason == Reason.REASON_UPGRADE_REQUIRED:
        return translated("it waits until {region} is upgraded", region=region)
    return told_reason(reason, region=region)


def told_reason(reason: Reason.ValueType, **known: str) -> str:
    """A reason with its text; by its name alone where the text speaks of more than is known."""
    told = refusal(Refused(reason, **known))
    return reason_name(reason) if "{" in told else told


def told_due(due: Timestamp, now: datetime) -> Text:
    """By when something is due, red once that has passed; nothing where no time is set."""
    is_set = bool(due.seconds or due.nanos)
    return Text(told_if_set(due), style="red" if is_set and from_timestamp(due) < now else "")


def tell_unanswered(unanswered: Sequence[UnansweredRegion]) -> None:
    """Prints on standard error the regions that did not respond, and why."""
    for region in unanswered:
        click.echo(unanswered_line(region), err=True)


def unanswered_line(unanswered: UnansweredRegion) -> str:
    """A line about a region that did not respond, and why."""
    region = region_name(unanswered.region)
    if unanswered.reason == Reason.REASON_METHOD_UNKNOWN:
        return translated("{region} could not be asked: it runs an older version, upgrade it first", region=region)
    problem = refusal(Refused(unanswered.reason, region=region))
    return translated("{region} could not be asked: {problem}", region=region, problem=problem)
