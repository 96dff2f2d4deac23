"""Complaints by their columns: the owner region, the level, the due time, without personal data.

No sealed content is opened for them. The department comes from the table of figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.api.federation.v1.configuration_pb2 import ComplaintSeverity
from gateway.api.region.v1.complaint_oversight_service_pb2 import ComplaintHeader
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintState
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.store.port import Transaction, Value
from gateway.time.clock import from_microseconds, to_microseconds, to_timestamp
from region_node.care.complaints import rules
from region_node.care.complaints.deadlines import due_of, find, is_met

_RAISED = 2  # the first level with an index
_ENDED = ", ".join(str(state) for state in sorted(rules.FINAL))


@dataclass(frozen=True)
class HeaderFilter:
    """A filter of complaints; empty values restrict nothing."""

    now: datetime
    overdue: bool = False
    due_within: timedelta | None = None
    unclassified: bool = False
    level: int = 0
    region: str = ""
    category: str = ""
    group_id: str = ""
    include_ended: bool = False

    @property
    def is_about_time(self) -> bool:
        """Whether the list is ordered by due time."""
        return self.overdue or self.due_within is not None


def list_headers(
    tx: Transaction, wanted: HeaderFilter, after: tuple[int, str] | None, limit: int
) -> Sequence[ComplaintHeader]:
    """At most `limit` complaints: for a filter by time the first due first, else the newest first.

    Those behind the place `after` (time in microseconds, ticket id).
    """
    conditions, parameters = _conditions(wanted)
    order = "c.due_time, c.ticket_id" if wanted.is_about_time else "c.create_time DESC, c.ticket_id DESC"
    if after is not None:
        dated, behind = ("c.due_time", ">") if wanted.is_about_time else ("c.create_time", "<")
        # The first part makes the index usable.
        conditions.append(f"{dated} {behind}= :time AND ({dated} {behind} :time OR c.ticket_id {behind} :ticket_id)")
        parameters |= {"time": after[0], "ticket_id": after[1]}
    return tx.all(
        _header,
        "SELECT c.ticket_id, c.version, c.state, c.level, c.severity, COALESCE(f.category,"  # noqa: S608 - no values
        " c.category), c.origin_region,"
        " COALESCE(f.owner_region, c.owner_region), COALESCE(f.department_zh, ''), COALESCE(f.department_en, ''),"
        " c.create_time, c.due_time, c.group_id FROM complaints c LEFT JOIN complaint_figures f ON"
        " f.ticket_id = c.ticket_id"
        f" WHERE {' AND '.join(conditions)} ORDER BY {order} LIMIT :limit",
        limit=limit,
        **parameters,
    )


def header_of(complaint: Complaint) -> ComplaintHeader:
    """The header of a loaded complaint."""
    each = find(complaint, rules.RESOLVE)
    is_due = each is not None and not is_met(each) and not rules.is_final(complaint)
    return ComplaintHeader(
        ticket_id=complaint.ticket_id,
        version=complaint.version,
        state=complaint.state,
        level=complaint.level,
        severity=complaint.severity,
        category=complaint.request.category,
        origin_region=complaint.origin_region,
        owner_region=complaint.owner_region,
        department=None if rules.is_with_nobody(complaint) else complaint.department,
        create_time=complaint.create_time,
        group_id=complaint.group_id,
        due_time=to_timestamp(due_of(each)) if each is not None and is_due else None,
    )


def _conditions(wanted: HeaderFilter) -> tuple[list[str], dict[str, Value]]:
    conditions, now = ["1 = 1"], to_microseconds(wanted.now)
    parameters: dict[str, Value] = {}
    if not wanted.include_ended:
        conditions.append(f"c.state NOT IN ({_ENDED})")
    if wanted.overdue:
        conditions.append("c.due_time < :now")
        parameters["now"] = now
    if wanted.due_within is not None:
        conditions.append("c.due_time >= :now AND c.due_time < :soon")
        parameters |= {"now": now, "soon": to_microseconds(wanted.now + wanted.due_within)}
    if wanted.unclassified:
        conditions.append("c.ticket_id IN (SELECT ticket_id FROM complaint_figures WHERE category = '')")
    if wanted.level:
        conditions.append(
            "c.level >= :level" if wanted.level < _RAISED else f"c.level >= {_RAISED} AND c.level >= :level"
        )
        parameters["level"] = wanted.level
    if wanted.region:
        conditions.append("(c.origin_region = :region OR COALESCE(f.owner_region, c.owner_region) = :region)")
        parameters["region"] = wanted.region
    if wanted.category:
        conditions.append("COALESCE(f.category, c.category) = :category")
        parameters["category"] = wanted.category
    if wanted.group_id:
        conditions.append("c.group_id <> '' AND c.group_id = :group_id")
        parameters["group_id"] = wanted.group_id
    return conditions, parameters


def _header(
    ticket_id: str,
    version: int,
    state: int,
    level: int,
    severity: int,
    category: str,
    origin_region: str,
    owner_region: str,
    department_zh: str,
    department_en: str,
    create_time: int,
    due: int | None,
    group_id: str,
) -> ComplaintHeader:
    return ComplaintHeader(
        ticket_id=ticket_id,
        version=version,
        state=ComplaintState.ValueType(state),
        level=level,
        severity=ComplaintSeverity.ValueType(severity),
        category=category,
        origin_region=origin_region,
        owner_region=owner_region,
        department=LocalizedText(zh_cn=department_zh, en=department_en),
        create_time=to_timestamp(from_microseconds(create_time)),
        due_time=to_timestamp(from_microseconds(due)) if due is not None else None,
        group_id=group_id,
    )
