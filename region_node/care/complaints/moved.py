"""Complaints of a customer who moves to another home: each goes on where it is, and the new home counts its repeats.

Origin and owner keep the complaint with its deadlines, levels and files. Money is ordered by the number, from its home.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintNoted
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction
from gateway.time.clock import from_microseconds, to_timestamp
from region_node.care.complaints import rules
from region_node.care.complaints.index_rows import forget_indexed, keep_indexed
from region_node.node.context import RegionContext
from region_node.node.subjects import number_index
from region_node.requests.checks import require_length

MOST_HANDED_OVER = 100
"""Complaints of one number in a hand-over, of about 80 bytes each."""


@dataclass(frozen=True)
class _Filed:
    ticket_id: str
    category: str
    create_time: int
    withdrawn: int


def to_hand_over(tx: Transaction, number: str) -> Sequence[ComplaintNoted]:
    """The classified complaints about a number known here, of any region, the newest first, without work items."""
    found = tx.all(
        _Filed,
        "SELECT ticket_id, category, create_time, withdrawn FROM (SELECT ticket_id, category, create_time,"
        " CASE WHEN state = :cancelled THEN 1 ELSE 0 END AS withdrawn FROM complaints"
        " WHERE number_index = :number AND case_id = ''"
        " AND ticket_id NOT IN (SELECT ticket_id FROM complaint_index WHERE number_index = :number)"
        " UNION ALL SELECT ticket_id, category, create_time, withdrawn FROM complaint_index"
        " WHERE number_index = :number) AS known WHERE category <> ''"
        " ORDER BY create_time DESC, ticket_id LIMIT :limit",
        number=number_index(tx, number),
        cancelled=rules.CANCELLED,
        limit=MOST_HANDED_OVER,
    )
    return [
        ComplaintNoted(
            ticket_id=each.ticket_id,
            number=number,
            category=each.category,
            create_time=to_timestamp(from_microseconds(each.create_time)),
            withdrawn=bool(each.withdrawn),
        )
        for each in found
    ]


def require_handed_over(complaints: Sequence[ComplaintNoted], numbers: Sequence[str]) -> None:
    """Raises Refused unless each is a classified complaint about one of the numbers that move."""
    for each in complaints:
        rules.require_ticket_id(each.ticket_id)
        require_length("category", each.category, rules.CODE_LIMIT, required=True)
        if each.number not in numbers or not each.HasField("create_time"):
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no complaint about a number that moves")
    if len(complaints) > MOST_HANDED_OVER * len(numbers):
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="too many complaints")


def take_over(tx: Transaction, context: RegionContext, complaints: Sequence[ComplaintNoted]) -> None:
    """Adds complaints of other regions to the index. This region has those that it took in itself."""
    for each in complaints:
        if not each.ticket_id.startswith(f"{context.region}/"):
            keep_indexed(tx, each, "")


def give_up(tx: Transaction, number: str) -> None:
    """Removes the reports of other regions about a number that has left. Complaints that are here stay."""
    forget_indexed(tx, number_index(tx, number))
