"""Private notes of a region's staff about a complaint: they never leave the region."""

from collections.abc import Sequence
from datetime import datetime

from gateway.api.region.v1.complaint_pb2 import ComplaintNote
from gateway.store import vault
from gateway.store.port import Transaction
from gateway.time.clock import to_timestamp
from region_node.care.complaints import rules
from region_node.care.complaints.rows import complaint_subject
from region_node.requests.checks import require_size

_PLACE = "complaint_private_notes"


def add_private_note(tx: Transaction, ticket_id: str, author: str, text: str, now: datetime) -> None:
    """Adds a note. Raises Refused with MESSAGE_TOO_LARGE for more notes than one response holds."""
    known = private_notes(tx, ticket_id)
    note = ComplaintNote(author=author, time=to_timestamp(now), text=text)
    require_size(sum(each.ByteSize() for each in (*known, note)), rules.COMPLAINT_LIMIT)
    tx.execute(
        "INSERT INTO complaint_private_notes (ticket_id, number, body) VALUES (:ticket_id, :number, :body)",
        ticket_id=ticket_id,
        number=len(known) + 1,
        body=vault.seal(tx, complaint_subject(ticket_id), _PLACE, note.SerializeToString()),
    )


def private_notes(tx: Transaction, ticket_id: str) -> Sequence[ComplaintNote]:
    """The notes of this region, oldest first; none of a complaint that was erased."""
    found = tx.all(
        bytes,
        "SELECT body FROM complaint_private_notes WHERE ticket_id = :ticket_id ORDER BY number",
        ticket_id=ticket_id,
    )
    opened = (vault.open_if_kept(tx, complaint_subject(ticket_id), _PLACE, each) for each in found)
    return [ComplaintNote.FromString(each) for each in opened if each is not None]


def remove_private_notes(tx: Transaction, ticket_id: str) -> None:
    """Removes the notes of a complaint that was erased."""
    tx.execute("DELETE FROM complaint_private_notes WHERE ticket_id = :ticket_id", ticket_id=ticket_id)
