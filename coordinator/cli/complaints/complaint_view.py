"""How complaints are shown to administrators: lists, the timeline of one, and where its time went."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import click
from rich.text import Text

from coordinator.cli.output import titled, told_due
from coordinator.wording.complaints import happened, told_responsible
from gateway.api.federation.v1.configuration_pb2 import ComplaintSeverity
from gateway.api.region.v1.complaint_oversight_service_pb2 import ComplaintHeader, ComplaintHistory
from gateway.api.region.v1.complaint_pb2 import Deadline, DeadlineKind
from gateway.cli.complaints import show_ledger
from gateway.cli.table import Table, TableColumn, show_timeline
from gateway.time.clock import from_timestamp
from gateway.wording.complaints import in_minutes, state_word, whole_of
from gateway.wording.languages import in_language, translated
from gateway.wording.terms import category_name, region_name
from gateway.wording.times import told_if_set
from gateway.wording.words import value_word

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_HIGH = 3  # the level from which the escalation recipients have it


def complaint_headers(now: datetime) -> Table[ComplaintHeader]:
    """The table of complaint headers."""
    return Table(
        TableColumn("ticket id", lambda each: each.ticket_id),
        TableColumn("category", lambda each: category_name(each.category) or translated("not classified")),
        TableColumn("severity", lambda each: value_word(ComplaintSeverity.DESCRIPTOR, each.severity)),
        TableColumn("state", lambda each: state_word(each.state)),
        TableColumn("level", lambda each: Text(f"L{each.level}", style="red" if each.level >= _HIGH else "")),
        TableColumn("from", lambda each: region_name(each.origin_region)),
        TableColumn("responsible", told_responsible),
        TableColumn("taken in", lambda each: told_if_set(each.create_time)),
        TableColumn("due", lambda each: told_due(each.due_time, now)),
        TableColumn("time left", lambda each: _left(each, now)),
    )


def print_groups(complaints: Sequence[ComplaintHeader]) -> None:
    """Prints the number of listed complaints in each group, largest first."""
    for group, number in Counter(each.group_id for each in complaints if each.group_id).most_common():
        click.echo(translated("group {group}: {number} of these", group=group, number=number))


def print_history(history: ComplaintHistory, told_by: str) -> None:
    """Prints the history of a complaint without its texts."""
    header = history.header
    stands = {
        "ticket_id": header.ticket_id,
        "state": state_word(header.state),
        "level": header.level,
        "version": header.version,
        "told_by": region_name(told_by),
    }
    if header.category and not header.department.en:
        found = translated(
            "{ticket_id}: {state}, L{level}; nobody has it yet: see `complaints cases`; version {version} of {told_by}",
            **stands,
        )
    else:
        found = translated(
            "{ticket_id}: {state}, L{level}; {region} {department} is responsible; version {version} of {told_by}",
            **stands,
            region=region_name(header.owner_region),
            department=in_language(header.department),
        )
    click.echo(found)
    if header.group_id:
        click.echo(translated("It belongs to the group {group}.", group=header.group_id))
    if history.repeated_ticket_id:
        click.echo(translated("It repeats {ticket_id}.", ticket_id=history.repeated_ticket_id))
    _deadlines(history).show(history.deadlines, titled(translated("Deadlines")))
    show_timeline(happened(history), titled(translated("Timeline")), timespec="seconds")
    if not history.HasField("lateness"):
        show_ledger(history.ledger, length, titled(translated("Where its time went")))
        return
    show_ledger(history.why_late, length, titled(translated("Why it is late")))
    late, whole = history.lateness.ToTimedelta(), whole_of(history.why_late)
    click.echo(
        translated(
            "It took {whole}, had {allowed}, and is late by {late}.",
            whole=length(whole),
            allowed=length(in_minutes(whole) - in_minutes(late)),
            late=length(late),
        )
    )


def length(amount: timedelta) -> str:
    """A length of time in days, hours and minutes: `2 d 03:10`, `0:45`."""
    days, rest = divmod(amount, _DAY)
    hours, rest = divmod(rest, _HOUR)
    minutes = rest // _MINUTE
    if not days:
        return f"{hours}:{minutes:02d}"
    return translated("{days} d {clock}", days=days, clock=f"{hours:02d}:{minutes:02d}")


def _left(header: ComplaintHeader, now: datetime) -> Text:
    if not header.HasField("due_time"):
        return Text("")
    left = from_timestamp(header.due_time) - now
    return Text(f"-{length(-left)}", style="red") if left < timedelta() else Text(length(left))


def _deadlines(history: ComplaintHistory) -> Table[Deadline]:
    return Table(
        TableColumn("deadline", lambda each: value_word(DeadlineKind.DESCRIPTOR, each.kind)),
        TableColumn("due", lambda each: told_if_set(each.due_time)),
        TableColumn("met", lambda each: _met(each, history)),
    )


def _met(deadline: Deadline, history: ComplaintHistory) -> Text:
    """When a deadline was met, red where that was too late by a time that is known."""
    if not deadline.HasField("met_time"):
        return Text("-")
    is_estimated = any(change.estimated and change.time == deadline.met_time for change in history.state_changes)
    late = not is_estimated and from_timestamp(deadline.met_time) > from_timestamp(deadline.due_time)
    return Text(told_if_set(deadline.met_time), style="red" if late else "")
