"""The counts of messages of a case sent to the region of a work item. Only the lead region stores them."""

from dataclasses import dataclass

from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.store.port import Transaction


@dataclass(frozen=True)
class SentCounts:
    """The counts of notes, refusals, reminders and attachments of a case that went to a region."""

    notes: int = 0
    refusals: int = 0
    expedites: int = 0
    attachments: int = 0

    @classmethod
    def all_of(cls, case: Complaint) -> "SentCounts":
        """Everything that there is by now."""
        return cls(len(case.notes), case.refusals, len(case.expedites), len(case.attachments))


def sent_counts_of(tx: Transaction, ticket_id: str) -> SentCounts:
    """Returns the counts that went to the region of a work item, by the ticket id of the item."""
    sql = "SELECT notes, refusals, expedites, attachments FROM work_items_told WHERE ticket_id = :ticket_id"
    return tx.first(SentCounts, sql, ticket_id=ticket_id) or SentCounts()


def keep_sent_counts(tx: Transaction, ticket_id: str, sent: SentCounts) -> None:
    """Stores the counts that went to the region of a work item."""
    tx.execute(
        "INSERT INTO work_items_told (ticket_id, notes, refusals, expedites, attachments)"
        " VALUES (:ticket_id, :notes, :refusals, :expedites, :attachments) ON CONFLICT (ticket_id) DO UPDATE SET"
        " notes = excluded.notes, refusals = excluded.refusals, expedites = excluded.expedites,"
        " attachments = excluded.attachments",
        ticket_id=ticket_id,
        notes=sent.notes,
        refusals=sent.refusals,
        expedites=sent.expedites,
        attachments=sent.attachments,
    )
