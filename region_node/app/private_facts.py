"""Moves what only this region needs of its complaints out of the bodies in which a version before kept it.

It runs at the start, before anybody is served, page by page. Any page may be the last one before the process is
killed: the next start goes on. Indexes name what is still to be moved. They are empty from then on, so that a start
costs nothing.
"""

import logging
from collections.abc import Mapping
from functools import partial

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from gateway.store.port import Store, Transaction
from region_node.care.complaints.import_rows import UNREADABLE
from region_node.care.complaints.rows import COMPLAINT_RECORDS
from region_node.care.complaints.told_rows import Told, note_told
from region_node.requests.rows import keyed_digest

_PAGE = 200  # complaints in one transaction
_DIGEST = 33  # the field of a complaint that had the digest of its line
_TOLD = (11, 12, 13, 14)  # the fields of a work item that had the counts of Told, in its order
_IMPORTED = (
    "SELECT ticket_id FROM complaints WHERE external_index IS NOT NULL AND imported_digest IS NULL"
    " ORDER BY ticket_id LIMIT :limit"
)
_CASES = (
    "SELECT DISTINCT case_id FROM complaints JOIN work_items_told ON work_items_told.ticket_id = complaints.ticket_id"
    " WHERE notes < 0 ORDER BY case_id LIMIT :limit"
)
_log = logging.getLogger(__name__)


async def move_private_facts(store: Store) -> int:
    """Moves what bodies still have; returns of how many complaints. Raises Refused as the store does."""
    total = 0
    while count := await store.write(partial(_move_page, limit=_PAGE)):
        total += count
    if total:
        _log.warning("%d complaints had facts of this region in their bodies, which have columns now", total)
    return total


def _move_page(tx: Transaction, limit: int) -> int:
    """Moves what at most `limit` imported complaints and `limit` cases have; returns how many these are."""
    found = dict.fromkeys([*tx.all(str, _IMPORTED, limit=limit), *tx.all(str, _CASES, limit=limit)])
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
                note_told(tx, item.ticket_id, Told(*(int(counts.get(each, 0)) for each in _TOLD)))
        digest = keyed_digest(tx, bytes(_unknown(complaint).get(_DIGEST, b"")))
        complaint.DiscardUnknownFields()
        COMPLAINT_RECORDS.update(tx, ticket_id, complaint, {})
    tx.execute(
        "UPDATE complaints SET imported_digest = :digest WHERE ticket_id = :id AND external_index IS NOT NULL",
        id=ticket_id,
        digest=digest,
    )
    # Of a case that another region leads, or that is unreadable, nobody is told anything from here.
    tx.execute(
        "DELETE FROM work_items_told WHERE notes < 0"
        " AND ticket_id IN (SELECT ticket_id FROM complaints WHERE case_id = :case)",
        case=ticket_id,
    )


def _unknown(message: Message) -> Mapping[int, int | bytes]:
    """What a message has beside the fields that this version knows, by their numbers."""
    fields = UnknownFieldSet(message)
    return {fields[index].field_number: fields[index].data for index in range(len(fields))}
