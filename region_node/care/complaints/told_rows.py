"""Rows with the amount of a case that went to the region of a work item. Only the leading region needs them."""

from dataclasses import dataclass

from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.store.port import Transaction


@dataclass(frozen=True)
class Told:
    """The counts of notes, refusals, reminders and attachments of a case that went to a region."""

    notes: int = 0
    refusals: int = 0
    expedites: int = 0
    attachments: int = 0

    @classmethod
    def all_of(cls, case: Complaint) -> "Told":
        """Everything that there is by now."""
        return cls(len(case.notes), case.refusals, len(case.expedites), len(case.attachments))


def told_of(tx: Transaction, ticket_id: str) -> Told:
    """Returns the counts that went to the region of a work item, by the ticket id of the item."""
    sql = "SELECT notes, refusals, expedites, attachments FROM work_items_told WHERE ticket_id = :ticket_id"
    return tx.first(Told, sql, ticket_id=ticket_id) or Told()


def note_told(tx: Transaction, ticket_id: str, told: Told) -> None:
    """Stores the counts that went to the region of a work item."""
    tx.execute(
        "INSERT INTO work_items_told (ticket_id, notes, refusals, expedites, attachments)"
        " VALUES (:ticket_id, :notes, :refusals, :expedites, :attachments) ON CONFLICT (ticket_id) DO UPDATE SET"
        " notes = excluded.notes, refusals = excluded.refusals, expedites = excluded.expedites,"
        " attachments = excluded.attachments",
        ticket_id=ticket_id,
        notes=told.notes,
        refusals=told.refusals,
        expedites=told.expedites,
        attachments=told.attachments,
    )
