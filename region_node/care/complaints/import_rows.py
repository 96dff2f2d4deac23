"""Imported complaints, many in few statements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.store.batched_lookup import rows_among
from gateway.store.port import Transaction, Value
from gateway.time.clock import from_microseconds
from region_node.care.complaints import rules
from region_node.care.complaints.figure_rows import keep_figures
from region_node.care.complaints.replay import Earlier
from region_node.care.complaints.rows import (
    EVENTS,
    ComplaintChanged,
    ComplaintRow,
    event_columns,
    insert_all,
    inserted_columns,
    note_escalations,
    reference_index,
)
from region_node.records.stored import FIRST

UNREADABLE = b""
"""What stands in the place of a keyed digest once its complaint was made unreadable."""


@dataclass(frozen=True)
class NewComplaint:
    """A complaint to insert; `number` and `reference` are the indexes of its number and of its former ticket id.

    `digest` is the keyed digest of its line, by which the same line is known again. `closed` is when it ended, from
    which on it is kept; None for one that is open.
    """

    row: ComplaintRow = field(repr=False)
    ticket_number: int
    number: str = field(repr=False)
    reference: str = field(repr=False)
    digest: bytes = field(repr=False)
    closed: datetime | None = None


@dataclass(frozen=True)
class Known:
    """A complaint that was imported before, and the keyed digest of its line; UNREADABLE for no digest any more."""

    ticket_id: str
    digest: bytes


@dataclass(frozen=True)
class _Stored:
    ticket_id: str
    external_index: str
    imported_digest: bytes = field(repr=False)


def imported_among(tx: Transaction, references: Sequence[str]) -> Mapping[str, Known]:
    """The references with imported complaints."""
    indexes = {reference_index(tx, each): each for each in references}
    select = "SELECT ticket_id, external_index, imported_digest FROM complaints WHERE external_index"
    rows = rows_among(tx, _Stored, select, list(indexes))
    return {indexes[row.external_index]: Known(row.ticket_id, row.imported_digest) for row in rows}


def earlier_about(tx: Transaction, numbers: Sequence[str]) -> Earlier:
    """This region's earlier complaints about numbers, by the numbers' indexes."""
    found = Earlier()

    def take(number: str, category: str, filed: int, ticket_id: str) -> None:
        found.add(number, category, from_microseconds(filed), ticket_id)

    rows_among(
        tx,
        take,
        "SELECT number_index, category, create_time, CASE WHEN case_id = '' THEN ticket_id ELSE case_id END"  # noqa: S608 - a number only
        f" FROM complaints WHERE state <> {rules.CANCELLED} AND number_index",
        numbers,
    )
    return found


def insert_complaints(tx: Transaction, new: Sequence[NewComplaint], now: datetime) -> None:
    """Adds complaints with one event each, their figures, and their levels up to now.

    The event has the time of the complaint's end, or of now.
    """
    complaints = [each.row.complaint for each in new]
    insert_all(tx, [(each.row, _columns(each)) for each in new])
    for each in complaints:
        keep_figures(tx, each)
        note_escalations(tx, each.ticket_id, each.escalations)
    EVENTS.note_all(
        tx,
        [
            (each.ticket_id, event_columns(each, FIRST, one.closed or now))
            for each, one in zip(complaints, new, strict=True)
        ],
    )
    changed = ComplaintChanged(complaints[-1].ticket_id)  # watchers look for all events
    tx.publish(changed, about=changed.about)


def forget_line(tx: Transaction, ticket_id: str) -> None:
    """Removes the columns about the imported line of a complaint; its reference stays."""
    sql = "UPDATE complaints SET imported_digest = :none WHERE ticket_id = :id AND external_index IS NOT NULL"
    tx.execute(sql, id=ticket_id, none=UNREADABLE)


def _columns(new: NewComplaint) -> Mapping[str, Value]:
    inserted = inserted_columns(new.row, new.ticket_number, new.number, new.reference)
    return {**inserted, "imported_digest": new.digest}
