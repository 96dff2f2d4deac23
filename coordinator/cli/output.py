"""What commands print: tables for people, JSON for programs."""

import sys
from collections.abc import Sequence
from datetime import datetime

import click
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.api.coordinator.v1.administration_pb2 import UnansweredRegion
from gateway.clock import from_timestamp
from gateway.errors import Refused
from gateway.languages import refusal, translated
from gateway.terminal import is_short
from gateway.words import word

_PIPED_WIDTH = 200  # columns where no terminal says how many it has

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def console() -> Console:
    """Where tables go: standard output as it is now."""
    terminal = sys.stdout.isatty()
    return Console(file=sys.stdout, width=None if terminal else _PIPED_WIDTH, highlight=False)


def print_json(message: Message) -> None:
    """Prints a message as JSON with the names of the contract."""
    click.echo(
        MessageToJson(
            message,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
            ensure_ascii=False,
        )
    )


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
    """Prints a table; texts of others are shown as they are and never read as markup."""
    table = Table(
        title=translated("{title} (times are UTC)", title=title),
        title_justify="left",
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    for place, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=place == 0 and is_short(rows))
    for row in rows:
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    console().print(table)


def told(name: str, prefix: str) -> str:
    """An enum value for people: `ORDER_STATE_IN_PROGRESS` is `in progress`; empty where nothing is said."""
    return word(name, prefix)


def told_time(timestamp: Timestamp) -> str:
    """A time in UTC, as in the audit and in JSON, so that places compare; empty where none is set."""
    if not timestamp.seconds and not timestamp.nanos:
        return ""
    return f"{from_timestamp(timestamp):%Y-%m-%d %H:%M:%S}"


def told_span(seconds: float) -> str:
    """A length of time for people, signed: `+12.3 ms`, `+4.2 s`, `+3 min`, `+2 h`."""
    size = abs(seconds)
    if size < 1:
        return f"{seconds * 1000:+.1f} ms"
    if size < 60:
        return f"{seconds:+.1f} s"
    if size < 3600:
        return f"{seconds / 60:+.0f} min"
    return f"{seconds / 3600:+.0f} h"


def told_age(timestamp: Timestamp, now: datetime) -> str:
    """How long ago a time was; empty where none is set. By a clock that is ahead of ours nothing was in the future."""
    if not timestamp.seconds and not timestamp.nanos:
        return ""
    span = told_span(max(0.0, (now - from_timestamp(timestamp)).total_seconds())).lstrip("+")
    return translated("{span} ago", span=span)


def tell_unanswered(unanswered: Sequence[UnansweredRegion]) -> None:
    """Says on standard error which regions could not be asked, and why."""
    for region in unanswered:
        click.echo(unanswered_line(region), err=True)


def unanswered_line(unanswered: UnansweredRegion) -> str:
    """That a region could not be asked, and why."""
    problem = refusal(Refused(unanswered.reason, region=unanswered.region))
    return translated("{region} could not be asked: {problem}", region=unanswered.region, problem=problem)
