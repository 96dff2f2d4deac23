"""What a region knows of the complaints about a number: its own, and of its numbers what other regions took in."""

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
    """A complaint about a number of this region that another one took in."""

    docket: str
    traceparent: str

    @property
    def region(self) -> str:
        """The region of first contact."""
        return self.docket.partition("/")[0]


def filing_of(complaint: Complaint) -> Filing:
    """When a complaint was filed."""
    return Filing(complaint.docket, to_microseconds(from_timestamp(complaint.creation_date)))


def known_around(tx: Transaction, number: str, category: str, filed: datetime, docket: str) -> Sequence[Filing]:
    """The other complaints of a number and category up to thirty days before and after an instant, in no order.

    Those that were withdrawn, or recalled because they are about something else, are none. A work item stands for its
    case. Where the region of first contact has told of a complaint, what is kept here of the same one counts no more.
    """
    return tx.all(
        Filing,
        "SELECT case_docket, MIN(creation_date) FROM ("
        "SELECT CASE WHEN parent = '' THEN docket ELSE parent END AS case_docket, creation_date FROM complaints"
        " WHERE number_index = :number AND category = :category AND state <> :cancelled"
        " AND creation_date BETWEEN :since AND :until AND CASE WHEN parent = '' THEN docket ELSE parent END"
        " NOT IN (SELECT docket FROM complaint_index WHERE number_index = :number)"
        " UNION ALL SELECT docket, creation_date FROM complaint_index"
        " WHERE number_index = :number AND category = :category AND withdrawn = 0"
        " AND creation_date BETWEEN :since AND :until) AS found WHERE case_docket <> :docket GROUP BY case_docket",
        number=number_index(tx, number),
        category=category,
        cancelled=rules.CANCELLED,
        since=to_microseconds(filed - REPEAT_WITHIN),
        until=to_microseconds(filed + REPEAT_WITHIN),
        docket=docket,
    )


def keep_indexed(tx: Transaction, told: ComplaintNoted, traceparent: str) -> None:
    """Keeps what a region of first contact says of a complaint; its latest word holds."""
    tx.execute(
        "INSERT INTO complaint_index (docket, number_index, category, creation_date, withdrawn, traceparent)"
        " VALUES (:docket, :number, :category, :creation_date, :withdrawn, :traceparent)"
        " ON CONFLICT (docket) DO UPDATE SET category = excluded.category, withdrawn = excluded.withdrawn",
        docket=told.docket,
        number=number_index(tx, told.number),
        category=told.category,
        creation_date=to_microseconds(from_timestamp(told.creation_date)),
        withdrawn=int(told.withdrawn),
        traceparent=traceparent,
    )


def find_indexed(tx: Transaction, docket: str) -> Indexed | None:
    """What was told of a complaint; None where nothing was."""
    return tx.first(Indexed, "SELECT docket, traceparent FROM complaint_index WHERE docket = :docket", docket=docket)


def forget_indexed(tx: Transaction, number: str) -> None:
    """Removes what other regions told of the complaints about the number with an index."""
    tx.execute("DELETE FROM complaint_index WHERE number_index = :number", number=number)


def indexed_about(tx: Transaction, number: str) -> list[Indexed]:
    """The complaints about a number that other regions took in, as far as these have told."""
    return tx.all(
        Indexed,
        "SELECT docket, traceparent FROM complaint_index WHERE number_index = :number ORDER BY docket",
        number=number_index(tx, number),
    )
