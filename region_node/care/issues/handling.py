"""The work of origin regions and helpers on issues: open, command, follow the owner's versions."""

from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.api.region.v1.issue_envelopes_pb2 import IssueCommand
from gateway.api.region.v1.issue_pb2 import Issue, IssueRequest
from gateway.api.region.v1.issue_service_pb2 import WorkOnIssueRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.store.port import Transaction
from gateway.time.clock import to_timestamp
from region_node.care.issues import owner, rules
from region_node.care.issues.rows import ISSUE, ISSUE_ROWS, IssueRow, facts
from region_node.care.issues.sending import ISSUE_MESSAGES, send_introductions
from region_node.care.issues.watching import ISSUE_WATCH
from region_node.node.context import RegionContext
from region_node.requests.caller import Caller, Opener, OwnNode, note
from region_node.requests.rows import insert_request
from region_node.tickets.border import require_caught_up
from region_node.tickets.followed import known_request
from region_node.tickets.sending import followers


def open_issue(
    tx: Transaction, context: RegionContext, opener: Opener | OwnNode, request: IssueRequest, now: datetime
) -> Issue:
    """Accepts an issue. A repeated request returns its current state.

    Raises Refused, also with REQUEST_ID_REUSED for the same id with other content.
    """
    key = opener.key(b"open-issue\0" + request.SerializeToString(deterministic=True))
    if (known := known_request(ISSUE, tx, key)) is not None:
        return known
    rules.require_future("issue.due_time", request, now)
    number, day = ISSUE_ROWS.next_number(tx), now.astimezone(ZoneInfo(context.time_zone))
    issue = Issue(
        id=f"{context.region}/{ISSUE.prefix}{day:%Y%m%d}-{number}",
        request=request,
        origin_region=context.region,
        operator=opener.operator,
        owner_region=request.owner_region,
        helper_regions=request.helper_regions,
        create_time=to_timestamp(now),
    )
    rules.enter(issue, rules.ACKNOWLEDGED, now=now, author=rules.author_of(context.region, request.staff_id))
    rules.require_room(issue, 0, rules.OPENING_LIMIT)
    failpoints.reach("issue-opened.before-commit")
    row = IssueRow(issue, opener.traceparent)
    if issue.owner_region == context.region:
        owner.take(context, issue)
        owner.insert_taken(tx, context, row, number, now)
    else:
        ISSUE_ROWS.insert(tx, row, number, now)
        ISSUE_WATCH.renew(tx, context, issue, now)
        asked = IssueCommand(issue_id=issue.id, staff_id=request.staff_id, open=issue)
        ISSUE_MESSAGES.send_command(tx, context, row, f"{issue.id}#open", asked, now)
    insert_request(tx, key, issue.id, settled=True, now=now)
    note(tx, opener, "OpenIssue", issue.id, now)
    return issue


def work(tx: Transaction, context: RegionContext, caller: Caller, asked: WorkOnIssueRequest, now: datetime) -> Issue:
    """Executes a staff member's step once: here, or at the owner region.

    Raises Refused; for a repeated request, the former refusal of the owner region.
    """
    content = WorkOnIssueRequest()
    content.CopyFrom(asked)
    content.ClearField("wait")
    key = caller.key(b"work-issue\0" + content.SerializeToString(deterministic=True))
    if (known := known_request(ISSUE, tx, key)) is not None:
        return known
    row, staff_id = ISSUE_ROWS.require(tx, asked.issue_id), caller.identity.name
    issue, command = row.ticket, _command_of(asked, staff_id)
    is_own = issue.owner_region == context.region
    if is_own:
        require_caught_up(context, tx, facts(issue), now)
    if is_own and command is None:
        issue = owner.work(tx, context, asked, staff_id, now)
    elif command is None:
        raise Refused(Reason.REASON_ISSUE_NOT_RESPONSIBLE, region=issue.owner_region)
    elif is_own:
        issue = owner.apply_command(tx, context, command, context.region, now)
    else:
        sent, envelope_id = IssueRow(issue, caller.traceparent), f"{issue.id}#{caller.operator}/{caller.request_id}"
        ISSUE_MESSAGES.send_command(tx, context, sent, envelope_id, command, now)
    failpoints.reach("issue-worked.before-commit")
    insert_request(tx, key, issue.id, settled=is_own, now=now)
    note(tx, caller, "WorkOnIssue", issue.id, now)
    return issue


def adopt(tx: Transaction, context: RegionContext, told: Issue, now: datetime, traceparent: str = "") -> None:
    """Stores a newer version of the owner region; the origin introduces the issue to its new helpers.

    The border has checked that the row is readable or absent.
    """
    row = ISSUE_ROWS.find(tx, told.id)
    if row is None:
        told.ClearField("silence")
        ISSUE_ROWS.insert(tx, IssueRow(told, traceparent), 0, now)
        ISSUE_WATCH.renew(tx, context, told, now)
        return
    issue = ISSUE.next_version(context.region, row.ticket, told)
    if issue is None:
        return
    ISSUE_WATCH.hear(tx, context, row.ticket, issue, now)
    ISSUE_ROWS.update(tx, issue, now)
    if issue.origin_region == context.region:
        known = row.ticket.helper_regions if row.ticket.version else ()
        added = [each for each in followers(facts(issue)) if each not in (*known, context.region)]
        send_introductions(tx, context, IssueRow(issue, row.traceparent), added, now)


def keep(tx: Transaction, context: RegionContext, row: IssueRow, why: str, now: datetime) -> None:
    """Keeps an issue here that the other region has refused. See `border.settle_filing`."""
    issue, other = row.ticket, row.ticket.owner_region
    ISSUE_WATCH.end_silence(tx, issue)
    owner.take(context, issue)
    rules.note(issue, other, why[: rules.TEXT_LIMIT], now)
    ISSUE_ROWS.update(tx, issue, now)
    ISSUE_WATCH.renew(tx, context, issue, now)
    ISSUE_MESSAGES.send_updates(tx, context, row, now)


def _command_of(asked: WorkOnIssueRequest, staff_id: str) -> IssueCommand | None:
    """The command of a step that every region with a part in an issue may take; None for one of the owner alone."""
    command = IssueCommand(issue_id=asked.issue_id, staff_id=staff_id)
    match asked.WhichOneof("step"):
        case "note":
            command.note.text = asked.note
        case "report":
            command.report.CopyFrom(asked.report)
        case "escalate":
            command.escalate.reason = asked.escalate
        case "withdraw":
            command.withdraw.reason = asked.withdraw
        case _:
            return None
    return command
