"""The watch over issues: of an owner over its next due time, of any other region over the word of the owner on it."""

from datetime import datetime, timedelta

from gateway.api.region.v1.complaint_pb2 import EscalationTrigger
from gateway.api.region.v1.issue_pb2 import Issue
from gateway.federation.body import HIGHEST_LEVEL, ISSUE_WITHOUT_OWNER
from gateway.store.port import Transaction
from gateway.store.timers import Timer, cancel_timer, set_timer
from gateway.time.clock import from_microseconds, from_timestamp
from region_node.care.escalations.body import Escalated, due_by, tell_body
from region_node.care.escalations.rows import forgo, remove_notices, remove_notices_below
from region_node.care.issues import rules
from region_node.care.issues.rows import ISSUE_ROWS, IssueRow, facts
from region_node.node.context import RegionContext

ISSUE_TIMER = "issue-due"  # the next due time of an issue, or the next limit of its owner's silence
_USUAL = timedelta(hours=2)  # without a row in the matrix of responsibility
_AWAY = timedelta(minutes=15)  # a region that is later has been down: the owner's word may be on its way to it


def watch(tx: Transaction, context: RegionContext, issue: Issue, now: datetime) -> None:
    """Sets the timer of what is due next in an issue, or removes one without effect.

    Another owner gets the limit from now on, whatever is overdue: it may just have spoken, or become the owner.
    """
    timer_id = f"{ISSUE_TIMER}/{issue.id}"
    due = rules.next_limit(issue)
    if issue.owner_region != context.region:
        due = _next_silence(context, issue)
        due = None if due is None else max(due, due_by(context, ISSUE_WITHOUT_OWNER, now, _USUAL))
    if due is None:
        cancel_timer(tx, timer_id)
    else:
        set_timer(tx, timer_id, kind=ISSUE_TIMER, subject=issue.id, due=due)


def note_silence(tx: Transaction, context: RegionContext, row: IssueRow, timer: Timer, now: datetime) -> None:
    """Notes that the owner of an issue is silent about a due time that has passed, each time the limit has passed.

    Every other region of the issue does so by its own clock; one of them escalates. A region that was down itself gives
    the owner the limit once more.
    """
    issue = row.ticket
    due = _next_silence(context, issue)
    if due is None or now < due or now - from_microseconds(timer.due_time) > _AWAY:
        watch(tx, context, issue, now)
        return
    rules.note_silence(issue, now, context.takes_part)
    ISSUE_ROWS.update(tx, issue, now)
    watch(tx, context, issue, now)
    silence = issue.silence
    if silence.region == context.region:
        trigger = EscalationTrigger.ESCALATION_TRIGGER_LIMIT_PASSED
        escalated = Escalated(silence.limits_passed, trigger, silence.note_time, silence.due_time)
        action, part = "EscalateSilentOwner", _case(issue)
        tell_body(tx, context, facts(issue), escalated, action, ISSUE_WITHOUT_OWNER, now, part=part)


def hear(tx: Transaction, context: RegionContext, known: Issue, issue: Issue, now: datetime) -> None:
    """Ends the silence where the owner's version `issue`, to be stored, changes what is due next; else it lasts.

    An owner that talks of other things stays silent on this.
    """
    issue.ClearField("silence")  # another region's own watch is no word on this one's
    if rules.next_limit(known) != rules.next_limit(issue):
        end_silence(tx, known)
        watch(tx, context, issue, now)
    elif known.HasField("silence"):
        issue.silence.CopyFrom(known.silence)


def end_silence(tx: Transaction, issue: Issue) -> None:
    """Clears the silence of an owner, if any; the caller stores the issue. Nobody is called about it any more."""
    if issue.HasField("silence"):
        forgo(tx, _case(issue), HIGHEST_LEVEL + rules.MOST_HELPERS)
        issue.ClearField("silence")


def forget(tx: Transaction, issue_id: str) -> None:
    """Removes all notices about an issue, and about the silence of its owner."""
    remove_notices(tx, issue_id)
    remove_notices_below(tx, issue_id)


def _next_silence(context: RegionContext, issue: Issue) -> datetime | None:
    """When the next limit of the owner's silence passes; None where nothing is due, or the last one has passed."""
    since = rules.silent_since(issue)
    if since is None:
        return None
    try:
        return due_by(context, ISSUE_WITHOUT_OWNER, since, _USUAL)
    except OverflowError:  # the limit of a due time at the end of the calendar lies beyond it
        return None


def _case(issue: Issue) -> str:
    """The id by which all regions of an issue tell of the same silence."""
    return f"{issue.id}/silence/{int(from_timestamp(issue.silence.due_time).timestamp())}"
