"""The owner region's decisions on an issue. One transaction each.

Every Refused comes before the first write.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.api.region.v1.issue_envelopes_pb2 import IssueCommand
from gateway.api.region.v1.issue_pb2 import Issue
from gateway.api.region.v1.issue_service_pb2 import WorkOnIssueRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused, invalid
from gateway.federation.acts import ProvenAct
from gateway.federation.body import ISSUE_ESCALATED
from gateway.process import failpoints
from gateway.store.port import Transaction
from gateway.store.timers import Timer
from region_node.care.escalations.body import Escalated, tell_body
from region_node.care.issues import rules
from region_node.care.issues.rows import ISSUE_RECORDS, ISSUE_ROWS, IssueRow, facts
from region_node.care.issues.sending import ISSUE_MESSAGES
from region_node.care.issues.watching import ISSUE_WATCH
from region_node.node.context import RegionContext
from region_node.requests.administrators import note_act, require_in_order
from region_node.tickets.border import require_caught_up

_APPOINT = "AppointIssueOwner"


@dataclass(frozen=True)
class Appointment:
    """The word of the coordination body on the owner of an issue."""

    issue_id: str
    owner_region: str
    act: ProvenAct
    """Its administrator is, for example, `admin/root`."""
    reason: str = field(repr=False)
    version: int
    """That of the appointment at the new owner; 0 for the new owner itself."""


def take(context: RegionContext, issue: Issue) -> None:
    """Makes this region the owner. `issue` is changed in place; the caller stores it."""
    issue.owner_region = context.region
    issue.ClearField("silence")
    issue.version = 1


def insert_taken(
    tx: Transaction,
    context: RegionContext,
    row: IssueRow,
    number: int,
    now: datetime,
    *,
    informed: Sequence[str] = (),
) -> None:
    """Stores a new issue of this region, watches its due time, and updates the followers but `informed`."""
    ISSUE_ROWS.insert(tx, row, number, now)
    ISSUE_WATCH.renew(tx, context, row.ticket, now)
    ISSUE_MESSAGES.send_updates(tx, context, row, now, informed=informed)


def apply_command(tx: Transaction, context: RegionContext, asked: IssueCommand, region: str, now: datetime) -> Issue:
    """Executes a command of the origin region, or of a helper. Raises Refused before the first write."""
    row = ISSUE_ROWS.require(tx, asked.issue_id)
    issue, author = row.ticket, rules.author_of(region, asked.staff_id)
    match asked.WhichOneof("command"):
        case "note":
            rules.note(issue, author, asked.note.text, now)
        case "report":
            told = asked.report
            left = [each.region for each in issue.actions if not context.takes_part(each.region)]
            rules.report(issue, region, author, told.action, told.text, now, finished=told.finished, left=left)
        case "escalate":
            rules.escalate(issue, author, asked.escalate.reason, now)
        case "withdraw":
            if region != issue.origin_region:
                raise Refused(Reason.REASON_ISSUE_NOT_RESPONSIBLE, region=issue.origin_region)
            rules.withdraw(issue, author, asked.withdraw.reason, now)
        case _:
            raise invalid("command", "none is set", "未指定任何一项")
    # The sender gets the version by the answer to its command.
    keep(tx, context, row, now, informed=(region,))
    return issue


def work(tx: Transaction, context: RegionContext, asked: WorkOnIssueRequest, staff_id: str, now: datetime) -> Issue:
    """Executes a step that only this region's staff may take. Raises Refused before the first write."""
    row = ISSUE_ROWS.require(tx, asked.issue_id)
    issue, author = row.ticket, rules.author_of(context.region, staff_id)
    match asked.WhichOneof("step"):
        case "take_up":
            rules.require_state(issue, "take_up")
            rules.enter(issue, rules.IN_PROGRESS, now=now, author=author)
        case "decide":
            rules.decide(issue, author, asked.decide, now)
        case "add_actions":
            rules.add_actions(issue, asked.add_actions.actions, now)
        case "add_helper":
            context.federation.region(asked.add_helper)
            rules.add_helper(issue, asked.add_helper)
        case "close":
            rules.close(issue, author, now)
        case _:
            raise invalid("step", "none is set", "未指定任何一项")
    keep(tx, context, row, now)
    return issue


def appoint(tx: Transaction, context: RegionContext, asked: Appointment, now: datetime) -> Issue:
    """Makes another region the owner of an issue whose owner has left, by the word of the coordination body.

    Here at the new owner, or at a region that follows it from the version of the appointment on. A repeated or
    outdated word changes nothing. Raises Refused, also with ISSUE_OWNER_PRESENT or ADMINISTRATOR_ACT_UNPROVEN.
    """
    row = ISSUE_ROWS.require(tx, asked.issue_id)
    issue, is_owner = row.ticket, asked.owner_region == context.region
    if issue.owner_region == asked.owner_region or (not is_owner and issue.version >= asked.version):
        return issue
    require_in_order(tx, asked.act, _APPOINT, issue.id)
    if is_owner:
        if context.takes_part(issue.owner_region):
            raise Refused(Reason.REASON_ISSUE_OWNER_PRESENT, region=issue.owner_region)
        rules.appoint(issue, context.region, asked.act.administrator, asked.reason, now)
    else:
        issue.owner_region = asked.owner_region
    ISSUE_WATCH.end_silence(tx, issue)
    ISSUE_ROWS.update(tx, issue, now)
    ISSUE_WATCH.renew(tx, context, issue, now)
    if is_owner:
        ISSUE_MESSAGES.send_updates(tx, context, row, now)
    detail, actor = asked.act.noted(f"owner {asked.owner_region}"), asked.act.administrator
    audit.append(tx, now=now, actor=actor, action=_APPOINT, subject=issue.id, detail=detail)
    note_act(tx, asked.act, _APPOINT, issue.id, now)
    return issue


def due_time_has_passed(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """Escalates an issue whose decision, action or closing is overdue: one of this region, or of a silent owner."""
    row = ISSUE_ROWS.find(tx, timer.subject)
    if row is None:
        return
    if row.ticket.owner_region != context.region:
        ISSUE_WATCH.note_silence(tx, context, row, timer, now)
    elif rules.escalate_overdue(row.ticket, now):
        require_caught_up(context, tx, facts(row.ticket), now)
        failpoints.reach("issue-late.before-commit")
        keep(tx, context, row, now)


def keep(
    tx: Transaction, context: RegionContext, row: IssueRow, now: datetime, *, informed: Sequence[str] = ()
) -> None:
    """Stores a decision with its consequences, and updates the followers but `informed`."""
    issue = row.ticket
    known = ISSUE_RECORDS.column(tx, issue.id, "escalations")
    issue.version += 1
    ISSUE_ROWS.update(tx, issue, now)
    ISSUE_WATCH.renew(tx, context, issue, now)
    _tell_body(tx, context, issue, known if isinstance(known, int) else 0, now)
    ISSUE_MESSAGES.send_updates(tx, context, row, now, informed=informed)


def _tell_body(tx: Transaction, context: RegionContext, issue: Issue, known: int, now: datetime) -> None:
    """Notifies the escalation recipients of each escalation behind the `known` ones."""
    for number, each in enumerate(issue.escalations[known:], known + 1):
        due = each.due_time if each.HasField("due_time") else None
        escalated = Escalated(number, each.trigger, each.time, due)
        tell_body(tx, context, facts(issue), escalated, "EscalateIssue", ISSUE_ESCALATED, now)
