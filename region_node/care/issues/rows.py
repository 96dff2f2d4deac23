"""Issues, as stored: the region that opens one is its origin, the region that decides owns it."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from gateway.api.region.v1.issue_oversight_service_pb2 import IssueCounts, IssueHeader
from gateway.api.region.v1.issue_pb2 import Issue, IssueState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction, Value
from gateway.time.clock import from_microseconds, to_microseconds, to_timestamp
from region_node.care.issues import rules
from region_node.records.stored import Records
from region_node.tickets.followed import Facts, Followed
from region_node.tickets.rows import TicketRow, TicketRows

ISSUE_SUBJECTS = "issue/"
KIND = "issue"
_NEVER = 2**62  # microseconds: the due time of an ended issue


def issue_subject(issue_id: str) -> str:
    """The subject whose key seals an issue."""
    return ISSUE_SUBJECTS + issue_id


IssueRow = TicketRow[Issue]
ISSUE_RECORDS = Records(
    table="issues",
    key="issue_id",
    dated="create_time",
    fixed=("issue_id", "issue_number", "origin_region", "operator", "number_index", "create_time"),
    changing=(
        "owner_region",
        "state",
        "version",
        "due_time",
        "open_actions",
        "escalations",
        "silent_limits",
        "changed",
    ),
    message=Issue,
    row=IssueRow,
    subject=issue_subject,
    not_found=lambda issue_id: Refused(Reason.REASON_ISSUE_NOT_FOUND, issue=issue_id),
)


def open_owners(tx: Transaction) -> Sequence[str]:
    """The owners of the open issues of this region."""
    states = ", ".join(str(state) for state in rules.OPEN)
    return tx.all(str, f"SELECT DISTINCT owner_region FROM issues WHERE state IN ({states})")  # noqa: S608 - no values


def list_headers(
    tx: Transaction, region: str, after: tuple[int, str] | None, limit: int, left: Sequence[str] = ()
) -> Sequence[IssueHeader]:
    """At most `limit` open issues that `region` owns, or that nobody has accepted yet: the first due first.

    Those behind the place `after` (due time in microseconds, id); also those whose owner is silent or has `left`.
    """
    owners = {f"left{index}": each for index, each in enumerate(left)}
    whose = "owner_region = :region OR (version = 0 AND origin_region = :region) OR silent_limits > 0"
    if owners:
        whose += f" OR owner_region IN ({', '.join(':' + each for each in owners)})"
    states = ", ".join(str(state) for state in rules.OPEN)
    behind, place = "", dict[str, Value]()
    if after is not None:
        behind = " AND due_time >= :due AND (due_time > :due OR issue_id > :id)"
        place = {"due": after[0], "id": after[1]}
    found = tx.all(
        _header,
        "SELECT issue_id, version, state, origin_region, owner_region, create_time, due_time, open_actions,"  # noqa: S608 - no values
        f" escalations, silent_limits FROM issues WHERE ({whose}) AND state IN ({states}){behind}"
        " ORDER BY due_time, issue_id LIMIT :limit",
        region=region,
        limit=limit,
        **place,
        **owners,
    )
    for each in found:
        each.owner_has_left = each.owner_region in left
    return found


def count_issues(tx: Transaction, region: str, now: datetime) -> IssueCounts:
    """The numbers of issues that a region owns."""
    states = ", ".join(str(state) for state in rules.OPEN)

    def counted(is_open: int, overdue: int, escalated: int, closed: int) -> IssueCounts:
        return IssueCounts(open=is_open, overdue=overdue, escalated=escalated, closed=closed)

    found = tx.first(
        counted,
        f"SELECT COUNT(CASE WHEN state IN ({states}) THEN 1 END), COUNT(CASE WHEN due_time < :now THEN 1 END),"  # noqa: S608 - no values
        f" COUNT(CASE WHEN state IN ({states}) AND escalations > 0 THEN 1 END),"
        " COUNT(CASE WHEN state = :closed THEN 1 END) FROM issues WHERE owner_region = :region AND version > 0",
        now=to_microseconds(now),
        closed=rules.CLOSED,
        region=region,
    )
    return IssueCounts() if found is None else found


def header_of(issue: Issue) -> IssueHeader:
    """The header of an issue."""
    due = rules.next_due(issue)
    return IssueHeader(
        id=issue.id,
        version=issue.version,
        state=issue.state,
        origin_region=issue.origin_region,
        owner_region=issue.owner_region,
        create_time=issue.create_time,
        due_time=None if due is None else to_timestamp(due),
        open_actions=len(rules.open_actions(issue)),
        escalations=len(issue.escalations),
        silent_limits=issue.silence.limits_passed,
    )


def _header(
    issue_id: str,
    version: int,
    state: IssueState.ValueType,
    origin_region: str,
    owner_region: str,
    create_time: int,
    due_time: int,
    open_actions: int,
    escalations: int,
    silent_limits: int,
) -> IssueHeader:
    return IssueHeader(
        id=issue_id,
        version=version,
        state=state,
        origin_region=origin_region,
        owner_region=owner_region,
        create_time=to_timestamp(from_microseconds(create_time)),
        due_time=to_timestamp(from_microseconds(due_time)),
        open_actions=open_actions,
        escalations=escalations,
        silent_limits=silent_limits,
    )


def _changing(issue: Issue) -> Mapping[str, Value]:
    due = rules.next_due(issue)
    return {
        "due_time": _NEVER if due is None else to_microseconds(due),
        "open_actions": len(rules.open_actions(issue)),
        "escalations": len(issue.escalations),
        "silent_limits": issue.silence.limits_passed,
    }


def facts(issue: Issue) -> Facts:
    """The regions with a part in an issue."""
    return Facts(
        name=issue.id,
        origin=issue.origin_region,
        owner=issue.owner_region,
        operator=issue.operator,
        version=issue.version,
        state=issue.state,
        created=issue.create_time,
        number="",
        home="",
        helpers=tuple(issue.helper_regions),
    )


ISSUE = Followed(
    records=ISSUE_RECORDS,
    facts=facts,
    prefix="I",
    first=rules.ACKNOWLEDGED,
    final=rules.FINAL,
    fixed=("id", "request", "create_time", "origin_region", "operator", "owner_region"),
)
ISSUE_ROWS = TicketRows(ISSUE, counter="issue_number", purged="purged_issues", changing=_changing)
