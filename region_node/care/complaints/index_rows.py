"""The region's index of complaints about a number: its own, and other regions' about its numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintNoted
from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp, to_microseconds
from region_node.care.complaints import rules
from region_node.care.complaints.repeats import REPEAT_WITHIN, Filing
from region_node.node.subjects import number_index


@dataclass(frozen=True)
class Indexed:
    """A complaint about a number of this region with another origin."""

    ticket_id: str
    traceparent: str

    @property
    def region(self) -> str:
        """The origin region."""
        return self.ticket_id.partition("/")[0]


def filing_of(complaint: Complaint | ComplaintNoted) -> Filing:
    """When a complaint was filed."""
    return Filing(complaint.ticket_id, to_microseconds(from_timestamp(complaint.create_time)))


def known_around(tx: Transaction, number: str, category: str, filed: datetime, ticket_id: str) -> Sequence[Filing]:
    """The other complaints of a number and category up to thirty days before and after an instant, unordered.

    Withdrawn and reclassified ones do not count. A work item stands for its case. The origin region's report of a
    complaint replaces this region's own copy.
    """
    return tx.all(
        Filing,
        "SELECT case_ticket_id, MIN(create_time) FROM ("
        "SELECT CASE WHEN case_id = '' THEN ticket_id ELSE case_id END AS case_ticket_id, create_time FROM complaints"
        " WHERE number_index = :number AND category = :category AND state <> :cancelled"
        " AND create_time BETWEEN :since AND :until AND CASE WHEN case_id = '' THEN ticket_id ELSE case_id END"
        " NOT IN (SELECT ticket_id FROM complaint_index WHERE number_index = :number)"
        " UNION ALL SELECT ticket_id, create_time FROM complaint_index"
        " WHERE number_index = :number AND category = :category AND withdrawn = 0"
        " AND create_time BETWEEN :since AND :until) AS found WHERE case_ticket_id <> :ticket_id"
        " GROUP BY case_ticket_id",
        number=number_index(tx, number),
        category=category,
        cancelled=rules.CANCELLED,
        since=to_microseconds(filed - REPEAT_WITHIN),
        until=to_microseconds(filed + REPEAT_WITHIN),
        ticket_id=ticket_id,
    )


def keep_indexed(tx: Transaction, told: ComplaintNoted, traceparent: str) -> None:
    """Stores an origin region's report of a complaint; the latest one counts."""
    tx.execute(
        "INSERT INTO complaint_index (ticket_id, number_index, category, create_time, withdrawn, traceparent)"
        " VALUES (:ticket_id, :number, :category, :create_time, :withdrawn, :traceparent)"
        " ON CONFLICT (ticket_id) DO UPDATE SET category = excluded.category, withdrawn = excluded.withdrawn",
        ticket_id=told.ticket_id,
        number=number_index(tx, told.number),
        category=told.category,
        create_time=to_microseconds(from_timestamp(told.create_time)),
        withdrawn=int(told.withdrawn),
        traceparent=traceparent,
    )


def find_indexed(tx: Transaction, ticket_id: str) -> Indexed | None:
    """The reported complaint; None without a report."""
    return tx.first(
        Indexed, "SELECT ticket_id, traceparent FROM complaint_index WHERE ticket_id = :ticket_id", ticket_id=ticket_id
    )


def forget_indexed(tx: Transaction, number: str) -> None:
    """Removes other regions' reports about the number with an index."""
    tx.execute("DELETE FROM complaint_index WHERE number_index = :number", number=number)


def indexed_about(tx: Transaction, number: str) -> list[Indexed]:
    """The reported complaints of other regions about a number."""
    return tx.all(
        Indexed,
        "SELECT ticket_id, traceparent FROM complaint_index WHERE number_index = :number ORDER BY ticket_id",
        number=number_index(tx, number),
    )
