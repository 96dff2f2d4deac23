"""How complaints are shown to administrators: lists, the timeline of one, and where its time went."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import accumulate, pairwise

import click
from rich.text import Text

from coordinator.cli.output import print_table, told
from gateway.api.federation.v1.configuration_pb2 import ComplaintSeverity
from gateway.api.region.v1.complaint_oversight_service_pb2 import ComplaintHeader, ComplaintHistory
from gateway.api.region.v1.complaint_pb2 import (
    ClassifiedBy,
    ComplaintClassification,
    ComplaintState,
    DeadlineKind,
    EscalationTrigger,
    LedgerEntry,
    TimeReason,
)
from gateway.clock import from_timestamp
from gateway.languages import in_language, translated
from gateway.terms import category_name, region_name
from gateway.times import told_if_set, told_time

_STATE = "COMPLAINT_STATE_"
_BAR = 28  # characters of the whole time
_COLOURS = ("green", "yellow", "cyan", "magenta", "blue", "red")
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_HIGH = 3  # the level from which those above the regions have it


def print_headers(complaints: Sequence[ComplaintHeader], now: datetime) -> None:
    """One line for each complaint."""
    columns = (
        translated("docket"),
        translated("category"),
        translated("severity"),
        translated("state"),
        translated("level"),
        translated("from"),
        translated("responsible"),
        translated("taken in"),
        translated("due"),
        translated("time left"),
    )
    print_table(translated("Complaints"), columns, [_row(each, now) for each in complaints])


def print_groups(complaints: Sequence[ComplaintHeader]) -> None:
    """How many of the complaints that are listed belong to each group, the largest first."""
    for group, number in Counter(each.group_id for each in complaints if each.group_id).most_common():
        click.echo(translated("group {group}: {number} of these", group=group, number=number))


def print_history(history: ComplaintHistory, told_by: str) -> None:
    """All that is known of a complaint without its texts."""
    header = history.header
    stands = {
        "docket": header.docket,
        "state": told(ComplaintState.Name(header.state), _STATE),
        "level": header.level,
        "version": header.version,
        "told_by": told_by,
    }
    if header.category and not header.department.en:
        found = translated(
            "{docket}: {state}, L{level}; nobody has it yet: `complaints cases` lists it; version {version} of {told_by}",
            **stands,
        )
    else:
        found = translated(
            "{docket}: {state}, L{level}; {region} {department} is responsible; version {version} of {told_by}",
            **stands,
            region=region_name(header.owner_region),
            department=in_language(header.department),
        )
    click.echo(found)
    if header.group_id:
        click.echo(translated("It belongs to the group {group}.", group=header.group_id))
    if history.repeat_of:
        click.echo(translated("It repeats {docket}.", docket=history.repeat_of))
    print_table(
        translated("Deadlines"),
        (translated("deadline"), translated("due"), translated("met")),
        [*_deadlines(history)],
    )
    timeline = sorted(_happened(history), key=lambda row: row[0])
    print_table(
        translated("Timeline"),
        (translated("time"), translated("who"), translated("what")),
        [(told_time(time, timespec="seconds"), who, what) for time, who, what in timeline],
    )
    if not history.HasField("lateness"):
        _print_ledger(translated("Where its time went"), history.ledger)
        return
    _print_ledger(translated("Why it is late"), history.why_late)
    late, whole = history.lateness.ToTimedelta(), _whole(history.why_late)
    click.echo(
        translated(
            "It took {whole}, had {allowed}, and is late by {late}.",
            whole=length(whole),
            allowed=length(_minutes(whole) - _minutes(late)),
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


def _row(header: ComplaintHeader, now: datetime) -> list[str | Text]:
    left = from_timestamp(header.due) - now if header.HasField("due") else None
    style = "red" if left is not None and left < timedelta() else ""
    level = Text(f"L{header.level}", style="red" if header.level >= _HIGH else "")
    return [
        header.docket,
        category_name(header.category) or translated("not classified"),
        told(ComplaintSeverity.Name(header.severity), "COMPLAINT_SEVERITY_"),
        told(ComplaintState.Name(header.state), _STATE),
        level,
        region_name(header.handling_region),
        f"{region_name(header.owner_region)} {in_language(header.department)}".strip(),
        told_if_set(header.creation_date),
        Text(told_if_set(header.due), style=style),
        Text(_left(left), style=style),
    ]


def _left(left: timedelta | None) -> str:
    if left is None:
        return ""
    return f"-{length(-left)}" if left < timedelta() else length(left)


def _deadlines(history: ComplaintHistory) -> Iterator[tuple[str, str, str | Text]]:
    for each in history.deadlines:
        is_met = each.HasField("met_time")
        late = is_met and from_timestamp(each.met_time) > from_timestamp(each.due)
        met = Text(told_if_set(each.met_time) if is_met else "-", style="red" if late else "")
        yield told(DeadlineKind.Name(each.kind), "DEADLINE_KIND_"), told_if_set(each.due), met


def _happened(history: ComplaintHistory) -> Iterator[tuple[datetime, str, str]]:
    """When, who, what."""
    header = history.header
    severity = told(ComplaintSeverity.Name(header.severity), "COMPLAINT_SEVERITY_")
    first = history.categories[0].category if history.categories else header.category
    filed = translated("filed as {category}, {severity}", category=category_name(first), severity=severity)
    if not first or (history.categories and not _at_filing(history.categories[0])):
        filed = translated("filed without a category")
    yield from_timestamp(header.creation_date), region_name(header.handling_region), filed
    for each in history.categories:
        if not _at_filing(each):
            by = told(ClassifiedBy.Name(each.set_by), "CLASSIFIED_BY_")
            what = translated("classified as {category}: {by}", category=category_name(each.category), by=by)
            yield from_timestamp(each.time), each.author, what
    for change in history.state_changes:
        state = told(ComplaintState.Name(change.state), _STATE)
        yield from_timestamp(change.time), region_name(change.region), f"{state} ({translated(change.reason)})"
    for raised in history.escalations:
        trigger = told(EscalationTrigger.Name(raised.trigger), "ESCALATION_TRIGGER_")
        yield from_timestamp(raised.time), region_name(raised.region), f"L{raised.level}: {trigger}"
    for said in history.utterances:
        what = translated("asked the customer") if said.asks_customer else translated("said something")
        yield from_timestamp(said.time), region_name(said.region), what
    for time in history.expedite_times:
        yield from_timestamp(time), region_name(header.handling_region), translated("haste asked for")


def _at_filing(setting: ComplaintClassification.Setting) -> bool:
    return setting.set_by == ClassifiedBy.CLASSIFIED_BY_FILING


def _print_ledger(title: str, ledger: Sequence[LedgerEntry]) -> None:
    """Who had it how long, in figures and as a bar; the last line is the sum, also of the minutes as they are shown."""
    amounts, whole = [each.duration.ToTimedelta() for each in ledger], _whole(ledger)
    rows: list[Sequence[str | Text]] = []
    parts = pairwise(accumulate(amounts, initial=timedelta()))
    for number, (each, (start, end)) in enumerate(zip(ledger, parts, strict=True)):
        first, last = (round(_BAR * (passed / whole)) if whole else 0 for passed in (start, end))
        bar = Text(" " * first + "█" * (last - first), style=_COLOURS[number % len(_COLOURS)])
        reason = told(TimeReason.Name(each.reason), "TIME_REASON_")
        share = f"{(end - start) / whole:.1%}" if whole else ""
        rows.append((_party(each), reason, length(_minutes(end) - _minutes(start)), share, bar))
    rows.append((translated("together"), "", length(whole), "100.0%" if whole else "", ""))
    columns = (translated("who"), translated("for"), translated("time taken"), translated("share"), "")
    print_table(title, columns, rows)


def _party(entry: LedgerEntry) -> str:
    if entry.reason == TimeReason.TIME_REASON_WAITING_FOR_COORDINATOR:
        return translated("the coordinator")
    return region_name(entry.region) or translated("the customer")


def _minutes(amount: timedelta) -> timedelta:
    """A length of time without its seconds."""
    return amount - amount % _MINUTE


def _whole(ledger: Sequence[LedgerEntry]) -> timedelta:
    return sum((each.duration.ToTimedelta() for each in ledger), timedelta())
