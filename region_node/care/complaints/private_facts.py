"""The row migration of private facts of complaints, which an earlier version stored in the bodies of complaints.

Private facts are those that only this region needs. Partial indexes name the complaints to migrate.
"""

from collections.abc import Mapping

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from gateway.store.port import Transaction
from region_node.care.complaints.import_rows import UNREADABLE
from region_node.care.complaints.rows import COMPLAINT_RECORDS
from region_node.care.complaints.sent_counts import SentCounts, keep_sent_counts
from region_node.requests.rows import keyed_digest

_DIGEST = 33  # the field of a complaint that had the digest of its line
_COUNTS = (11, 12, 13, 14)  # the fields of a work item that had the counts of SentCounts, in its order
_IMPORTED = (
    "SELECT ticket_id FROM complaints WHERE external_index IS NOT NULL AND imported_digest IS NULL"
    " ORDER BY ticket_id LIMIT :limit"
)
_CASES = (
    "SELECT DISTINCT case_id FROM complaints JOIN work_items_told ON work_items_told.ticket_id = complaints.ticket_id"
    " WHERE notes < 0 ORDER BY case_id LIMIT :limit"
)


def move_private_facts(tx: Transaction, limit: int) -> int:
    """Moves the facts in the bodies of at most `limit` complaints to their columns; returns how many."""
    found = list(dict.fromkeys([*tx.all(str, _IMPORTED, limit=limit), *tx.all(str, _CASES, limit=limit)]))[:limit]
    for ticket_id in found:
        _move(tx, ticket_id)
    return len(found)


def _move(tx: Transaction, ticket_id: str) -> None:
    complaint = COMPLAINT_RECORDS.read(tx, ticket_id)
    digest = UNREADABLE
    if complaint is not None:
        for item in complaint.items:
            if item.ticket_id.startswith(f"{ticket_id}/"):
                counts = _unknown(item)
                keep_sent_counts(tx, item.ticket_id, SentCounts(*(int(counts.get(each, 0)) for each in _COUNTS)))
        digest = keyed_digest(tx, bytes(_unknown(complaint).get(_DIGEST, b"")))
        complaint.DiscardUnknownFields()
        COMPLAINT_RECORDS.update(tx, ticket_id, complaint, {})
    tx.execute(
        "UPDATE complaints SET imported_digest = :digest WHERE ticket_id = :id AND external_index IS NOT NULL",
        id=ticket_id,
        digest=digest,
    )
    # For a case that another region leads, or an unreadable one, this region sends nothing.
    tx.execute(
        "DELETE FROM work_items_told WHERE notes < 0"
        " AND ticket_id IN (SELECT ticket_id FROM complaints WHERE case_id = :case AND case_id <> '')",
        case=ticket_id,
    )


def _unknown(message: Message) -> Mapping[int, int | bytes]:
    """The fields of a message that this version does not know, by number."""
    fields = UnknownFieldSet(message)
    return {fields[index].field_number: fields[index].data for index in range(len(fields))}
