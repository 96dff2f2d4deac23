"""The stored figures of each complaint: plain columns without personal data, which outlive the complaint."""

from dataclasses import dataclass
from typing import NamedTuple

from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.store.port import Transaction, Value
from gateway.store.tables import Table
from gateway.time.clock import from_timestamp, to_microseconds
from region_node.care.complaints import rules
from region_node.care.complaints.deadlines import due_of, find, is_met
from region_node.care.complaints.escalation import REGULATOR
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


_FILED = (
    "FROM complaint_figures WHERE owner_region = :region AND is_item = 0 AND create_time >= :start"
    " AND create_time < :end AND (:taken_in = '' OR SUBSTR(ticket_id, 1, LENGTH(:taken_in)) = :taken_in)"
)
_OPEN = f"state NOT IN ({', '.join(map(str, sorted(rules.FINAL)))})"
_TIMED = f"CASE WHEN resolved IS NOT NULL OR ({_OPEN} AND due_time < :now) THEN 1 ELSE 0 END"
_IN_TIME = "CASE WHEN resolved <= COALESCE(due_time, resolved) THEN 1 ELSE 0 END"
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


@dataclass(frozen=True)
class Filed:
    """The complaints of an owner region that were filed in [start, end), as they stand at `now`, in microseconds."""

    region: str
    start: int
    end: int
    now: int = 0
    """Open complaints past their time then are late."""
    origin: str = ""
    """The region that took them in; empty for any."""

    @property
    def parameters(self) -> dict[str, Value]:
        """The parameters of _FILED and _TIMED."""
        taken_in = f"{self.origin}/" if self.origin else ""
        return {"region": self.region, "start": self.start, "end": self.end, "now": self.now, "taken_in": taken_in}


class Counted(NamedTuple):
    """A complaint as figures count it; instants in microseconds."""

    ticket_id: str
    category: str
    department_zh: str
    department_en: str
    create_time: int
    resolved: int | None
    level: int
    repeats: int
    refusals: int
    contacts: int
    rating: int
    timed: int
    """1 where the time to the resolution is over, or the deadline."""
    in_time: int
    """1 where it was resolved within its deadline."""


class Totals(NamedTuple):
    """The numbers of complaints."""

    filed: int
    timed: int
    in_time: int
    repeated: int
    appealed: int
    """Those that have reached the regulator."""


def counted_page(tx: Transaction, filed: Filed, after: tuple[int, str], limit: int) -> list[Counted]:
    """At most `limit` complaints, in the order of their filing.

    `after` is the filing time and the ticket id of the previous page's last one. The first page takes (start, "").
    """
    return tx.all(
        Counted,
        f"SELECT {', '.join(Counted._fields[:-2])}, {_TIMED}, {_IN_TIME} {_FILED}"
        " AND create_time >= :after_date AND (create_time > :after_date OR ticket_id > :after_ticket_id)"
        " ORDER BY create_time, ticket_id LIMIT :limit",
        **filed.parameters,
        after_date=after[0],
        after_ticket_id=after[1],
        limit=limit,
    )


def totals(tx: Transaction, filed: Filed) -> Totals:
    """The numbers of all of them: each part as the pages have it."""
    counted = (
        "COUNT(*)",
        *(
            f"CAST(COALESCE(SUM({each}), 0) AS BIGINT)"
            for each in (
                _TIMED,
                _IN_TIME,
                "CASE WHEN repeats > 0 THEN 1 ELSE 0 END",
                f"CASE WHEN level >= {REGULATOR} THEN 1 ELSE 0 END",
            )
        ),
    )
    found = tx.first(Totals, f"SELECT {', '.join(counted)} {_FILED}", **filed.parameters)
    assert found is not None
    return found


def count_customers(tx: Transaction) -> int:
    """The number of customers of the region, without erased ones."""
    return tx.first(int, "SELECT COUNT(*) FROM customers WHERE status <> :erased", erased=ERASED) or 0


def _contacts(complaint: Complaint) -> int:
    asked = sum(1 for change in complaint.state_changes if change.state == rules.PENDING)
    return asked + len(complaint.expedites) + complaint.refusals
