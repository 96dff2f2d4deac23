"""The changes of complaints, for watchers and listeners."""

from collections.abc import Sequence

from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.store.port import Transaction
from region_node.care.complaints.rows import EVENTS, find_complaint
from region_node.customers.known_statuses import is_restricted
from region_node.records.watches import Change, Feed, changes_after


def _changes_after(tx: Transaction, sequence: int, name: str) -> Sequence[Change[Complaint]]:
    """The changes after a sequence number: each complaint in its current state; None for a restricted customer."""

    def now(found: str) -> Complaint | None:
        row = find_complaint(tx, found)
        return None if row is None or is_restricted(tx, row.complaint.request.number) else row.complaint

    return changes_after(tx, EVENTS, sequence, name, now)


COMPLAINT_FEED = Feed(_changes_after, EVENTS.last)
