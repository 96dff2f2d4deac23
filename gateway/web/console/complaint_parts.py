"""The parts of pages about complaints: states, clocks, and whose time it was."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from gateway.api.region.v1.complaint_oversight_service_pb2 import ComplaintHeader
from gateway.api.region.v1.complaint_pb2 import (
    Complaint,
    ComplaintState,
    ComplaintStateChange,
    Deadline,
    DeadlineKind,
    LedgerEntry,
)
from gateway.time.clock import from_timestamp
from gateway.web.console.parts import due_cell, span
from gateway.web.tables import Cell, Table
from gateway.wording.complaints import party_of, state_word, time_reason_word
from gateway.wording.languages import translated
from gateway.wording.times import told_time
from gateway.wording.words import value_word

_BADGES: Mapping[ComplaintState.ValueType, str] = {
    ComplaintState.COMPLAINT_STATE_ACKNOWLEDGED: "moving",
    ComplaintState.COMPLAINT_STATE_IN_PROGRESS: "moving",
    ComplaintState.COMPLAINT_STATE_PENDING: "near",
    ComplaintState.COMPLAINT_STATE_HELD: "soon",
    ComplaintState.COMPLAINT_STATE_RESOLVED: "done",
    ComplaintState.COMPLAINT_STATE_CLOSED: "done",
}
_NEVER_PAUSED = (DeadlineKind.DEADLINE_KIND_LEGAL, DeadlineKind.DEADLINE_KIND_REFUND)


def complaint_state_cell(complaint: Complaint | ComplaintHeader) -> Cell:
    """The state of a complaint as a badge."""
    return Cell(state_word(complaint.state), badge=_BADGES.get(complaint.state, "calm"))


def clocks(
    deadlines: Iterable[Deadline], changes: Sequence[ComplaintStateChange], now: datetime, *, is_over: bool
) -> Table:
    """The limits: those that run say how near they are, the others when they were met. `is_over`: that of money alone.

    While the customer has to answer, the legal limit runs, and others that were not over before are moved at the end.
    """
    last = changes[-1] if changes else ComplaintStateChange()
    paused = last.state == ComplaintState.COMPLAINT_STATE_PENDING
    rows = []
    for each in deadlines:
        is_met = bool(each.met_time.seconds)
        if is_met:
            is_late = from_timestamp(each.met_time) > from_timestamp(each.due_time)
            told, badge = (translated("too late"), "late") if is_late else (translated("in time"), "done")
            left = Cell(told, badge=badge, note=told_time(each.met_time))
        elif is_over and each.kind != DeadlineKind.DEADLINE_KIND_REFUND:
            left = Cell("")
        elif paused and each.kind not in _NEVER_PAUSED and from_timestamp(each.due_time) > from_timestamp(last.time):
            left = Cell(translated("paused"), badge="calm")
        else:
            left = due_cell(each.due_time, now)
        kind = value_word(DeadlineKind.DESCRIPTOR, each.kind)
        rows.append([Cell(kind, "row"), Cell(told_time(each.due_time), style="time"), left])
    head = [Cell(translated("Limit"), "col"), Cell(translated("Due"), "col"), Cell(translated("Stands"), "col")]
    caption = translated("The customer has to answer: but for the legal limit, clocks are paused.") if paused else ""
    return Table(label=translated("Clocks"), head=head, rows=rows, caption=caption)


def time_by_holder(ledger: Iterable[LedgerEntry], lateness: timedelta | None) -> Table:
    """The time of a complaint by its holders. `lateness` is None for one that is not late."""
    head = [Cell(translated("Who"), "col"), Cell(translated("For"), "col"), Cell(translated("Time"), "col")]
    rows = [
        [Cell(party_of(each), "row"), Cell(time_reason_word(each.reason)), Cell(span(each.duration.ToTimedelta()))]
        for each in ledger
    ]
    caption = translated("Late by {time}.", time=span(lateness)) if lateness is not None else ""
    return Table(label=translated("Time by holder"), head=head, rows=rows, caption=caption)
