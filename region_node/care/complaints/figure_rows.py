"""The stored figures of each complaint: plain columns without personal data, which outlive the complaint."""

from typing import NamedTuple

from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.store.port import Transaction
from gateway.store.tables import Table
from gateway.time.clock import from_timestamp, to_microseconds
from region_node.care.complaints import rules
from region_node.care.complaints.deadlines import due_of, find, is_met
from region_node.care.complaints.ledger import is_estimated
from region_node.customers.status import ERASED


class Figures(NamedTuple):
    """The figures of one complaint as stored; instants in microseconds."""

    ticket_id: str
    owner_region: str
    category: str
    department_zh: str
    department_en: str
    is_item: int
    create_time: int
    state: int
    due_time: int | None
    resolved: int | None
    level: int
    repeats: int
    refusals: int
    contacts: int
    rating: int


_FIGURES = Table("complaint_figures", Figures, key=("ticket_id",), fixed=("is_item", "create_time"))


def keep_figures(tx: Transaction, complaint: Complaint) -> None:
    """Stores the figures of a complaint in its current state."""
    each = find(complaint, rules.RESOLVE)
    # An estimate is no measurement: it counts neither as a duration nor as in time or late.
    is_resolved = each is not None and is_met(each) and not is_estimated(complaint)
    figures = Figures(
        ticket_id=complaint.ticket_id,
        # The origin region leads, and counts, a complaint that another region has returned.
        owner_region=complaint.origin_region if complaint.HasField("returned") else complaint.owner_region,
        category=complaint.request.category,
        department_zh=complaint.department.zh_cn,
        department_en=complaint.department.en,
        is_item=int(complaint.ticket_id.count("/") > 1),
        create_time=to_microseconds(from_timestamp(complaint.create_time)),
        state=complaint.state,
        due_time=to_microseconds(due_of(each)) if each is not None else None,
        resolved=to_microseconds(from_timestamp(each.met_time)) if each is not None and is_resolved else None,
        level=complaint.level,
        repeats=complaint.repeats,
        refusals=complaint.refusals,
        contacts=_contacts(complaint),
        rating=complaint.rating,
    )
    tx.keep(_FIGURES, figures)


def counted_page(
    tx: Transaction, region: str, start: int, end: int, after: tuple[int, str], limit: int, origin: str = ""
) -> list[Figures]:
    """At most `limit` complaints of an owner region, filed in [start, end), microseconds, in order.

    `after` is the filing time and the ticket id of the previous page's last one. The first page takes (start, "").
    `origin` is the region that took them in; empty for any.
    """
    taken_in = f"{origin}/" if origin else ""
    return tx.all(
        Figures,
        f"SELECT {', '.join(_FIGURES.columns)} FROM complaint_figures"  # noqa: S608 - column names only
        " WHERE owner_region = :region AND is_item = 0 AND create_time >= :after_date AND create_time < :end"
        " AND create_time >= :start AND (create_time > :after_date OR ticket_id > :after_ticket_id)"
        " AND (:taken_in = '' OR SUBSTR(ticket_id, 1, LENGTH(:taken_in)) = :taken_in)"
        " ORDER BY create_time, ticket_id LIMIT :limit",
        region=region,
        start=start,
        end=end,
        after_date=after[0],
        after_ticket_id=after[1],
        taken_in=taken_in,
        limit=limit,
    )


def count_customers(tx: Transaction) -> int:
    """The number of customers of the region, without erased ones."""
    return tx.first(int, "SELECT COUNT(*) FROM customers WHERE status <> :erased", erased=ERASED) or 0


def _contacts(complaint: Complaint) -> int:
    asked = sum(1 for change in complaint.state_changes if change.state == rules.PENDING)
    return asked + len(complaint.expedites) + complaint.refusals
