"""The output of commands: tables for people, JSON for programs."""

from collections.abc import Sequence
from datetime import datetime

import click
from google.protobuf.timestamp_pb2 import Timestamp
from rich.text import Text

from coordinator.wording.answers import unanswered_line
from gateway.api.coordinator.v1.administration_pb2 import UnansweredRegion
from gateway.time.clock import from_timestamp
from gateway.wording.languages import translated
from gateway.wording.times import shown_zone_name, told_if_set


def titled(title: str) -> str:
    """The title of a table, with the zone of its times."""
    return translated("{title} (times of {zone})", title=title, zone=shown_zone_name())


def told_due(due: Timestamp, now: datetime) -> Text:
    """By when something is due, red once that has passed; nothing where no time is set."""
    is_set = bool(due.seconds or due.nanos)
    return Text(told_if_set(due), style="red" if is_set and from_timestamp(due) < now else "")


def tell_unanswered(unanswered: Sequence[UnansweredRegion]) -> None:
    """Prints on standard error the regions that did not respond, and why."""
    for region in unanswered:
        click.echo(unanswered_line(region), err=True)
