"""The common parts of the complaint view, for staff of a region and for administrators."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate, pairwise

from google.protobuf.timestamp_pb2 import Timestamp
from rich.text import Text

from gateway.api.federation.v1.configuration_pb2 import ComplaintSeverity
from gateway.api.region.v1.complaint_pb2 import (
    ClassifiedBy,
    ComplaintClassification,
    ComplaintState,
    ComplaintStateChange,
    Escalation,
    EscalationTrigger,
    LedgerEntry,
    TimeReason,
)
from gateway.cli.table import Happening, Table, TableColumn
from gateway.time.clock import from_timestamp
from gateway.wording.languages import translated
from gateway.wording.terms import category_name, region_name
from gateway.wording.words import word

_BAR = 28  # characters of the whole time
_COLOURS = ("green", "yellow", "cyan", "magenta", "blue", "red")
_MINUTE = timedelta(minutes=1)


def state_word(state: ComplaintState.ValueType) -> str:
    """A state for people."""
    return word(ComplaintState.Name(state), "COMPLAINT_STATE_")


def time_reason_word(reason: TimeReason.ValueType) -> str:
    """The printed word for the reason why a person spent time on a complaint."""
    return word(TimeReason.Name(reason), "TIME_REASON_")


def is_at_filing(setting: ComplaintClassification.Setting) -> bool:
    """Whether the filer of the complaint set the category."""
    return setting.set_by == ClassifiedBy.CLASSIFIED_BY_FILING


def filing(
    filed: Timestamp,
    region: str,
    category: str,
    severity: ComplaintSeverity.ValueType,
    settings: Iterable[ComplaintClassification.Setting],
) -> Iterator[Happening]:
    """The events of a complaint's filing, with its category, and of its later classifications."""
    told = translated("filed without a category")
    if category:
        severity_word = word(ComplaintSeverity.Name(severity), "COMPLAINT_SEVERITY_")
        told = translated("filed as {category}, {severity}", category=category_name(category), severity=severity_word)
    yield from_timestamp(filed), region_name(region), told
    for each in settings:
        if not is_at_filing(each):
            by = word(ClassifiedBy.Name(each.set_by), "CLASSIFIED_BY_")
            told = translated("classified as {category}: {by}", category=category_name(each.category), by=by)
            yield from_timestamp(each.time), region_name(each.author), told


def entered(changes: Iterable[ComplaintStateChange]) -> Iterator[Happening]:
    """The states that a complaint has entered."""
    for change in changes:
        reason = translated(change.reason)
        if change.estimated:
            reason = translated("{reason}; the time is an estimate", reason=reason)
        yield from_timestamp(change.time), region_name(change.region), f"{state_word(change.state)} ({reason})"


def raised(escalations: Iterable[Escalation]) -> Iterator[Happening]:
    """The levels to which a complaint was raised."""
    for each in escalations:
        trigger = word(EscalationTrigger.Name(each.trigger), "ESCALATION_TRIGGER_")
        yield from_timestamp(each.time), region_name(each.region), f"L{each.level}: {trigger}"


@dataclass(frozen=True)
class _Held:
    """A row of a ledger; the last row is the sum."""

    party: str
    reason: str
    length: str
    share: str
    bar: Text


_LEDGER = Table[_Held](
    TableColumn("who", lambda each: each.party),
    TableColumn("for", lambda each: each.reason),
    TableColumn("time taken", lambda each: each.length),
    TableColumn("share", lambda each: each.share),
    TableColumn("", lambda each: each.bar),
)


def show_ledger(ledger: Sequence[LedgerEntry], length: Callable[[timedelta], str], title: str = "") -> None:
    """Prints the time that each holder had a complaint, in figures and as a bar.

    The printed lengths add up to the printed sum.
    """
    whole = whole_of(ledger)
    ends = pairwise(accumulate((each.duration.ToTimedelta() for each in ledger), initial=timedelta()))
    rows = []
    for number, (each, (start, end)) in enumerate(zip(ledger, ends, strict=True)):
        first, last = (round(_BAR * (passed / whole)) if whole else 0 for passed in (start, end))
        bar = Text(" " * first + "█" * (last - first), style=_COLOURS[number % len(_COLOURS)])
        share = f"{(end - start) / whole:.1%}" if whole else ""
        taken = length(in_minutes(end) - in_minutes(start))
        rows.append(_Held(_party(each), time_reason_word(each.reason), taken, share, bar))
    rows.append(_Held(translated("together"), "", length(whole), "100.0%" if whole else "", Text()))
    _LEDGER.show(rows, title)


def whole_of(ledger: Iterable[LedgerEntry]) -> timedelta:
    """All the time of a ledger."""
    return sum((each.duration.ToTimedelta() for each in ledger), timedelta())


def in_minutes(amount: timedelta) -> timedelta:
    """A length of time without its seconds."""
    return amount - amount % _MINUTE


def _party(entry: LedgerEntry) -> str:
    if entry.reason == TimeReason.TIME_REASON_WAITING_FOR_COORDINATOR:
        return translated("the coordinator")
    return region_name(entry.region) or translated("the customer")
