"""The life cycle of an issue: its checks, its due times, its escalations. Pure."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.region.v1.complaint_pb2 import EscalationTrigger
from gateway.api.region.v1.issue_pb2 import (
    Issue,
    IssueAction,
    IssueEscalation,
    IssueLinkKind,
    IssueRequest,
    IssueState,
)
from gateway.api.region.v1.issue_service_pb2 import WorkOnIssueRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid, listed
from gateway.time.clock import from_timestamp, is_dated, to_timestamp
from gateway.values.names import camel_case
from region_node.requests.checks import require_length, require_name, require_size

ACKNOWLEDGED = IssueState.ISSUE_STATE_ACKNOWLEDGED
IN_PROGRESS = IssueState.ISSUE_STATE_IN_PROGRESS
DECIDED = IssueState.ISSUE_STATE_DECIDED
CLOSED = IssueState.ISSUE_STATE_CLOSED
WITHDRAWN = IssueState.ISSUE_STATE_WITHDRAWN

TRANSITIONS: Mapping[IssueState.ValueType, frozenset[IssueState.ValueType]] = {
    ACKNOWLEDGED: frozenset({IN_PROGRESS, DECIDED, WITHDRAWN}),
    IN_PROGRESS: frozenset({DECIDED, WITHDRAWN}),
    DECIDED: frozenset({CLOSED}),
}
FINAL = frozenset({CLOSED, WITHDRAWN})
UNDECIDED = (ACKNOWLEDGED, IN_PROGRESS)
OPEN = (*UNDECIDED, DECIDED)

STATES_OF_STEPS: Mapping[str, Collection[IssueState.ValueType]] = {
    "note": OPEN,
    "take_up": (ACKNOWLEDGED,),
    "decide": UNDECIDED,
    "add_actions": (DECIDED,),
    "add_helper": OPEN,
    "report": (DECIDED,),
    "escalate": OPEN,
    "withdraw": UNDECIDED,
    "close": (DECIDED,),
}
"""The states in which staff may take each step of WorkOnIssue."""
STEPS_OF_OWNER = frozenset({"take_up", "decide", "add_actions", "add_helper", "close"})

ADMINISTRATORS = "admin/"  # the prefix of an author without a region
SUBJECT_LIMIT = 200  # characters
DESCRIPTION_LIMIT = 4000  # characters
TEXT_LIMIT = 1000  # characters of any later text
ID_LIMIT = 128  # characters of a linked id
_Due = IssueRequest | IssueAction | IssueEscalation | WorkOnIssueRequest.NewAction
APPOINTED_VERSIONS = 1_000  # between the last version of a former owner and the first of its successor
_CLOSED_WITHIN = timedelta(days=7)  # of a decision or an action that was late
MOST_HELPERS = MOST_LINKS = MOST_ACTIONS = 20
ISSUE_LIMIT = 36 * 1024  # bytes of an issue: little more than half of an envelope's limit
DECISION_LIMIT = 28 * 1024  # bytes with a decision: a short report on each action must always find room
REPORT_ROOM = 200  # bytes that each open action keeps for the report that finishes it, with its author and time
TALK_LIMIT = 24 * 1024  # bytes with notes: a decision must always find room
OPENING_LIMIT = 18 * 1024  # bytes of a new issue, so that all regions have room for notes


def state_name(state: IssueState.ValueType) -> str:
    """The name as TM Forum writes it, for example `inProgress`."""
    return camel_case(IssueState.DESCRIPTOR, state)


def author_of(region: str, staff_id: str) -> str:
    """The author of a word on an issue: `<region>/<staff id>`, or the name of an administrator."""
    return staff_id if staff_id.startswith(ADMINISTRATORS) else f"{region}/{staff_id}"


def enter(issue: Issue, state: IssueState.ValueType, *, now: datetime, author: str, reason: str = "") -> None:
    """Moves an issue into a state and notes it. Raises ValueError for an impossible transition."""
    if issue.state and state not in TRANSITIONS.get(issue.state, ()):
        raise ValueError(f"an issue does not go from {state_name(issue.state)} to {state_name(state)}")
    issue.state = state
    issue.state_changes.add(state=state, time=to_timestamp(now), author=author, reason=reason)


def is_untouched(issue: Issue, region: str) -> bool:
    """Whether a new issue has one state, entered by the author of its request, and no decision."""
    author = f"{region}/{issue.request.staff_id}"
    return [(each.author, each.reason) for each in issue.state_changes] == [(author, "")] and not (
        issue.notes or issue.decision or issue.actions or issue.escalations
    )


def require_state(issue: Issue, step: str) -> None:
    """Raises Refused with ISSUE_STATE_FORBIDS unless the state of the issue allows a step."""
    _require_state(issue, step, STATES_OF_STEPS[step])


def _require_state(issue: Issue, action: str, states: Collection[IssueState.ValueType]) -> None:
    if issue.state not in states:
        raise Refused(Reason.REASON_ISSUE_STATE_FORBIDS, state=state_name(issue.state), action=action)


def require_room(issue: Issue, more: int, limit: int = TALK_LIMIT) -> None:
    """Raises Refused with MESSAGE_TOO_LARGE where `more` bytes would exceed the limit."""
    require_size(issue.ByteSize() + more, limit)


def parties(issue: Issue) -> Sequence[str]:
    """The regions with a part in an issue: the owner, the origin, the helpers, each once."""
    return tuple(dict.fromkeys((issue.owner_region, issue.origin_region, *issue.helper_regions)))


def steps_of(issue: Issue, region: str) -> Sequence[str]:
    """The steps that the state of the issue leaves to the staff of a region."""
    still = open_actions(issue)

    def is_own(step: str) -> bool:
        if step in STEPS_OF_OWNER:
            return issue.owner_region == region and issue.version > 0 and not (step == "close" and still)
        if step == "report":
            return any(each.region == region for each in still)
        return issue.origin_region == region if step == "withdraw" else region in parties(issue)

    return [each for each, states in STATES_OF_STEPS.items() if issue.state in states and is_own(each)]


def note(issue: Issue, author: str, text: str, now: datetime) -> None:
    """Stores a note. Raises Refused, also after the end."""
    require_state(issue, "note")
    require_room(issue, len(text.encode()))
    issue.notes.add(author=author, time=to_timestamp(now), text=text)


def withdraw(issue: Issue, author: str, reason: str, now: datetime) -> None:
    """Ends an issue before its decision. Raises Refused."""
    require_state(issue, "withdraw")
    require_room(issue, len(reason.encode()), ISSUE_LIMIT)
    enter(issue, WITHDRAWN, now=now, author=author, reason=reason)


def decide(issue: Issue, author: str, asked: WorkOnIssueRequest.Decide, now: datetime) -> None:
    """Decides an issue, with follow-up actions. Raises Refused."""
    require_state(issue, "decide")
    require_length("decide.text", asked.text, TEXT_LIMIT, required=True)
    require_actions(issue, asked.actions, now)
    require_room(issue, asked.ByteSize(), DECISION_LIMIT)
    issue.decision = asked.text
    enter(issue, DECIDED, now=now, author=author)
    _add(issue, asked.actions)


def add_actions(issue: Issue, asked: Sequence[WorkOnIssueRequest.NewAction], now: datetime) -> None:
    """Adds actions to a decision. Raises Refused."""
    require_state(issue, "add_actions")
    if not asked:
        raise invalid("actions", "not set", "未填写")
    require_actions(issue, asked, now)
    require_room(issue, sum(each.ByteSize() for each in asked), DECISION_LIMIT)
    _add(issue, asked)


def require_actions(issue: Issue, asked: Sequence[WorkOnIssueRequest.NewAction], now: datetime) -> None:
    """Raises Refused with REQUEST_INVALID for actions that an issue cannot have."""
    if len(issue.actions) + len(asked) > MOST_ACTIONS:
        raise invalid("actions", f"more than {MOST_ACTIONS}", f"超过{MOST_ACTIONS}项")
    for each in asked:
        if each.region not in parties(issue):
            raise invalid("actions.region", "has no part in the issue", "该地区未参与此问题")
        require_name("actions.staff_id", each.staff_id)
        require_length("actions.text", each.text, TEXT_LIMIT, required=True)
        require_future("actions.due_time", each, now)


def _add(issue: Issue, asked: Sequence[WorkOnIssueRequest.NewAction]) -> None:
    for number, each in enumerate(asked, len(issue.actions) + 1):
        issue.actions.add(
            number=number, region=each.region, staff_id=each.staff_id, text=each.text, due_time=each.due_time
        )


def report(
    issue: Issue,
    region: str,
    author: str,
    number: int,
    text: str,
    now: datetime,
    *,
    finished: bool,
    left: Collection[str] = (),
) -> None:
    """Stores a region's report on its action. The owner region also reports for the regions that have `left`.

    Raises Refused, also with ISSUE_ACTION_NOT_FOUND, ISSUE_NOT_RESPONSIBLE and ISSUE_REPORT_TOO_LONG.
    """
    require_state(issue, "report")
    action = next((each for each in open_actions(issue) if each.number == number), None)
    if action is None:
        raise Refused(Reason.REASON_ISSUE_ACTION_NOT_FOUND, action=str(number))
    if action.region != region and not (region == issue.owner_region and action.region in left):
        raise Refused(Reason.REASON_ISSUE_NOT_RESPONSIBLE, region=action.region)
    reported = IssueAction()
    reported.CopyFrom(action)
    reported.report, reported.reporter = text, author
    if finished:
        reported.finish_time.CopyFrom(to_timestamp(now))
    kept = REPORT_ROOM * (len(open_actions(issue)) - finished)
    excess = issue.ByteSize() - action.ByteSize() + reported.ByteSize() + kept - ISSUE_LIMIT
    if excess > 0:
        raise Refused(Reason.REASON_ISSUE_REPORT_TOO_LONG, bytes=str(max(0, len(text.encode()) - excess)))
    action.CopyFrom(reported)


def appoint(issue: Issue, region: str, administrator: str, reason: str, now: datetime) -> None:
    """Makes a region with a part in an issue its owner. Raises Refused with ISSUE_STATE_FORBIDS for an ended one.

    The version leaves those of the former owner behind, also those that this region never received.
    """
    _require_state(issue, "appoint", OPEN)
    issue.appointments.add(
        former_owner_region=issue.owner_region,
        owner_region=region,
        administrator=administrator,
        time=to_timestamp(now),
        reason=reason,
    )
    helpers = [each for each in issue.helper_regions if each != region]
    del issue.helper_regions[:]
    issue.helper_regions.extend(helpers)
    issue.owner_region = region
    issue.version += APPOINTED_VERSIONS


def add_helper(issue: Issue, region: str) -> None:
    """Adds a helper; one that has a part in it already changes nothing. Raises Refused."""
    require_state(issue, "add_helper")
    if region in parties(issue):
        return
    if len(issue.helper_regions) >= MOST_HELPERS:
        raise invalid("add_helper", f"more than {MOST_HELPERS}", f"超过{MOST_HELPERS}个")
    issue.helper_regions.append(region)


def close(issue: Issue, author: str, now: datetime) -> None:
    """Ends a decided issue. Raises Refused with ISSUE_ACTIONS_OPEN while an action is open."""
    require_state(issue, "close")
    if still := [str(each.number) for each in open_actions(issue)]:
        raise Refused(Reason.REASON_ISSUE_ACTIONS_OPEN, **listed(actions=still))
    enter(issue, CLOSED, now=now, author=author)


def escalate(issue: Issue, author: str, reason: str, now: datetime) -> None:
    """Escalates an issue at the request of a region with a part in it. Raises Refused."""
    require_state(issue, "escalate")
    require_room(issue, len(reason.encode()))
    trigger = EscalationTrigger.ESCALATION_TRIGGER_REGION_ASKED
    issue.escalations.add(trigger=trigger, time=to_timestamp(now), author=author, reason=reason)


def escalate_overdue(issue: Issue, now: datetime) -> bool:
    """Escalates an issue once for each due time that has passed; whether any had."""
    due = next_limit(issue)
    if due is None or now < due:
        return False
    passed = max(each for each in _limits(issue) if each <= now)
    trigger = EscalationTrigger.ESCALATION_TRIGGER_LIMIT_PASSED
    issue.escalations.add(trigger=trigger, time=to_timestamp(now), due_time=to_timestamp(passed))
    return True


def open_actions(issue: Issue) -> Sequence[IssueAction]:
    """The actions without an end; of an ended issue none."""
    return () if issue.state in FINAL else [each for each in issue.actions if not each.HasField("finish_time")]


def next_due(issue: Issue) -> datetime | None:
    """The next due time: of the decision, of the open actions, then of the closing; None for an ended issue."""
    return min(_limits(issue), default=None)


def due_for(issue: Issue, region: str) -> datetime | None:
    """The next due time of the work that an issue leaves to the staff of a region; None where it leaves none.

    The owner region decides and closes it; each region finishes its actions.
    """
    return min((due for due, responsible in _duties(issue) if responsible == region), default=None)


def next_limit(issue: Issue) -> datetime | None:
    """The next due time for which the issue was not escalated yet."""
    known = max(
        (from_timestamp(each.due_time) for each in issue.escalations if each.HasField("due_time")), default=None
    )
    return min((each for each in _limits(issue) if known is None or each > known), default=None)


def _limits(issue: Issue) -> Iterator[datetime]:
    return (due for due, _ in _duties(issue))


def _duties(issue: Issue) -> Iterator[tuple[datetime, str]]:
    """Each due time, and the region that has to act until then."""
    if issue.state in UNDECIDED:
        yield from_timestamp(issue.request.due_time), issue.owner_region
    yield from ((from_timestamp(each.due_time), each.region) for each in open_actions(issue))
    if issue.state == DECIDED and not open_actions(issue):
        yield _closing_due(issue), issue.owner_region


def _closing_due(issue: Issue) -> datetime:
    """The latest due time; after a late decision or action a time of its own, which was not escalated yet."""
    due = max(map(from_timestamp, (issue.request.due_time, *(each.due_time for each in issue.actions))))
    done = max(map(from_timestamp, _done_times(issue)), default=due)
    return due if done <= due else done + _CLOSED_WITHIN


def _done_times(issue: Issue) -> Iterator[Timestamp]:
    yield from (each.time for each in issue.state_changes)
    yield from (each.finish_time for each in issue.actions if each.HasField("finish_time"))


def require_request(request: IssueRequest, require_region: Callable[[str], object]) -> None:
    """Raises Refused with REQUEST_INVALID for a malformed request, and as `require_region` for an unknown region."""
    require_length("issue.subject", request.subject, SUBJECT_LIMIT, required=True)
    require_length("issue.description", request.description, DESCRIPTION_LIMIT, required=True)
    require_region(request.owner_region)
    helpers: Collection[str] = set(request.helper_regions)
    if len(request.helper_regions) > MOST_HELPERS:
        raise invalid("issue.helper_regions", f"more than {MOST_HELPERS}", f"超过{MOST_HELPERS}个")
    if len(helpers) < len(request.helper_regions) or request.owner_region in helpers:
        raise invalid("issue.helper_regions", "a region is named twice", "地区重复")
    for region in request.helper_regions:
        require_region(region)
    if len(request.links) > MOST_LINKS:
        raise invalid("issue.links", f"more than {MOST_LINKS}", f"超过{MOST_LINKS}个")
    for link in request.links:
        if not link.kind or link.kind not in IssueLinkKind.values():
            raise invalid("issue.links.kind", "not set", "未填写")
        require_length("issue.links.id", link.id, ID_LIMIT, required=True)
    if not request.HasField("due_time") or not is_dated(request.due_time):
        raise invalid("issue.due_time", "not set", "未填写")


def require_future(field: str, due: _Due, now: datetime) -> None:
    """Raises Refused with REQUEST_INVALID for a due time that is missing or has passed."""
    if not due.HasField("due_time") or not is_dated(due.due_time) or from_timestamp(due.due_time) <= now:
        raise invalid(field, "is not in the future", "不是将来的时间")
