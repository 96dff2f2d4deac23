"""The state of a case: its open work items, its holder, and its header for coordinators. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from gateway.api.region.v1.case_service_pb2 import CaseHeader
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintNote, TimeReason, WorkItem, WorkItemState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused, listed
from gateway.time.clock import to_timestamp
from region_node.care.complaints import rules

AWAITING_REGION = WorkItemState.WORK_ITEM_STATE_AWAITING_REGION
AT_WORK = WorkItemState.WORK_ITEM_STATE_IN_PROGRESS
AWAITING_CUSTOMER = WorkItemState.WORK_ITEM_STATE_AWAITING_CUSTOMER
AWAITING_COORDINATOR = WorkItemState.WORK_ITEM_STATE_AWAITING_COORDINATOR
DONE = WorkItemState.WORK_ITEM_STATE_DONE
ASSIGNED = WorkItemState.WORK_ITEM_STATE_ASSIGNED
ENDED = WorkItemState.WORK_ITEM_STATE_CLOSED
DROPPED = WorkItemState.WORK_ITEM_STATE_CANCELLED

_OPEN = (AWAITING_REGION, AT_WORK, AWAITING_CUSTOMER, AWAITING_COORDINATOR)
_WITH_REGION = (AWAITING_REGION, AT_WORK)
# the states whose regions receive messages of the case
RECEIVING = frozenset({AWAITING_REGION, AT_WORK, AWAITING_CUSTOMER, DONE})

Holder = tuple[str, TimeReason.ValueType]
"""A region, or none for the customer and the coordinator, and the reason of the time."""


def ticket_id_of(parent: str, number: int) -> str:
    """The ticket id of a work item."""
    return f"{parent}/{number}"


def parent_of(ticket_id: str) -> tuple[str, int]:
    """The ticket id of the case, and the number of the work item; 0 for the case itself."""
    region, _, rest = ticket_id.partition("/")
    day, _, number = rest.partition("/")
    return f"{region}/{day}", int(number) if number.isascii() and number.isdecimal() else 0


def open_items(case: Complaint) -> Sequence[WorkItem]:
    """The work items with remaining work."""
    return [each for each in case.items if each.state in _OPEN]


def regions_at_work(case: Complaint) -> list[str]:
    """The regions with a work item that still accepts messages."""
    return [each.region for each in open_items(case) if each.state != AWAITING_COORDINATOR]


def require_done(case: Complaint) -> None:
    """Raises Refused with COMPLAINT_ITEMS_OPEN, which names them, where a work item is still open."""
    if found := open_items(case):
        raise Refused(Reason.REASON_COMPLAINT_ITEMS_OPEN, **listed(items=[_named(each) for each in found]))


def require_returned(case: Complaint) -> None:
    """Raises Refused with COMPLAINT_ITEMS_TAKEN, which names them, where a department has an open work item."""
    if found := [each for each in open_items(case) if each.state != AWAITING_COORDINATOR]:
        raise Refused(Reason.REASON_COMPLAINT_ITEMS_TAKEN, **listed(items=[_named(each) for each in found]))


def find_item(case: Complaint, ticket_id: str) -> WorkItem | None:
    """The work item with this ticket id."""
    return next((each for each in case.items if each.ticket_id == ticket_id), None)


def to_assign(case: Complaint, number: int) -> WorkItem | None:
    """The item with this number, or for 0 the first, if it awaits the coordinator."""
    waiting = (each for each in case.items if each.state == AWAITING_COORDINATOR and number in (0, each.number))
    return next(waiting, None)


def move(item: WorkItem, state: WorkItemState.ValueType, now: datetime) -> None:
    """Sets the state of an item."""
    if item.state != state:
        item.state = state
        item.state_time.CopyFrom(to_timestamp(now))


def state_of(
    item: WorkItem, complaint: Complaint, refusals_sent: int, *, is_asked: bool = False
) -> WorkItemState.ValueType:
    """Returns the state of an item by its complaint here, after `refusals_sent` refusals sent to its region.

    With `is_asked`, the complaint has a question to the customer that is new to the case.
    """
    if complaint.HasField("returned"):
        return item.state if item.state == ASSIGNED else AWAITING_COORDINATOR
    if complaint.state == rules.ACKNOWLEDGED:
        return AWAITING_REGION
    if complaint.state == rules.PENDING:
        # After the customer's answer, the region may still send what it did before it heard of the answer.
        return AT_WORK if item.state == AT_WORK and not is_asked else AWAITING_CUSTOMER
    if complaint.state == rules.RESOLVED:
        # An answer from before a refusal counts no more.
        return DONE if complaint.refusals >= refusals_sent else AT_WORK
    ended = {rules.CLOSED: ENDED, rules.CANCELLED: DROPPED}
    return ended.get(complaint.state, AT_WORK)


def holder(case: Complaint, leads: str) -> Holder:
    """The holder of a case and the reason, so that the ledger of the case still sums to the whole.

    First comes a working region with an unanswered question within the case. Then comes the lead region, with an own
    open item or without any open item. Then come the first open item's region, the customer if all open items wait
    for an answer, and the coordinator.
    """
    found = open_items(case)
    at_work = [each.region for each in found if each.state in _WITH_REGION]
    asked = _asked(case, leads) if at_work else ""
    if asked:
        return asked, rules.WORKING if asked == leads else rules.WAITING_FOR_REGION
    if leads in at_work or not found:
        return leads, rules.WORKING
    if at_work:
        return at_work[0], rules.WAITING_FOR_REGION
    if any(each.state == AWAITING_CUSTOMER for each in found):
        return "", rules.WAITING_FOR_CUSTOMER
    return "", rules.WAITING_FOR_COORDINATOR


def _asked(case: Complaint, leads: str) -> str:
    """The region that owes the first answer, while both the questioner and the region have open work."""
    concerned = {leads, *regions_at_work(case)}
    owed = (each for each in case.notes if each.asks_region in concerned and not each.HasField("answer_time"))
    return next((each.asks_region for each in owed if each.author.partition("/")[0] in concerned), "")


def unknown_notes(complaint: Complaint, told: Iterable[ComplaintNote]) -> list[ComplaintNote]:
    """The notes that a complaint lacks: one person's text at one instant counts once."""
    known = {_identity(each) for each in complaint.notes}
    return [each for each in told if _identity(each) not in known]


def header(case: Complaint) -> CaseHeader:
    """The coordinators' view of a case, without texts and personal data."""
    found = CaseHeader(
        ticket_id=case.ticket_id,
        version=case.version,
        category=case.request.category,
        severity=case.severity,
        state=case.state,
        level=case.level,
        create_time=case.create_time,
        due_time=case.expected_resolution_time,
        custody=case.custody[-1],
        items=case.items,
    )
    for each in found.items:
        each.returned.author = each.returned.author.partition("/")[0]
        if not each.returned.reason:
            each.ClearField("returned")
    if rules.is_final(case):
        found.end_time.CopyFrom(case.state_changes[-1].time)
    return found


def note_for(note: ComplaintNote, region: str) -> ComplaintNote:
    """A note of a case for a region's work item: a question only for the region that must answer it."""
    told = ComplaintNote()
    told.CopyFrom(note)
    if note.asks_region != region:
        told.ClearField("asks_region")
        told.ClearField("answer_time")
    return told


def take_answers(case: Complaint, item: Complaint) -> None:
    """Copies answers to the case: given in the work item of the questioner, or of the region that must answer."""
    answered = {_identity(each): each.answer_time for each in item.notes if each.HasField("answer_time")}
    for each in case.notes:
        if each.asks_region and not each.HasField("answer_time") and _identity(each) in answered:
            each.answer_time.CopyFrom(answered[_identity(each)])


def take_attachments(case: Complaint, item: Complaint) -> bool:
    """Copies a work item's attachments to the case; returns whether one was new. The bytes stay in place."""
    known = {each.id for each in case.attachments}
    fresh = [each for each in item.attachments if each.id not in known]
    case.attachments.extend(fresh)
    return bool(fresh)


def are_of_one(ticket_id: str, other: str) -> bool:
    """Whether two ticket ids are of one case, or of one complaint."""
    return parent_of(ticket_id)[0] == parent_of(other)[0]


def _named(item: WorkItem) -> LocalizedText:
    if item.state == AWAITING_COORDINATOR:
        return LocalizedText(zh_cn=f"{item.number}（待协调）", en=f"{item.number} (coordinator)")
    told = f"{item.region} {item.department.code}"
    return LocalizedText(zh_cn=f"{item.number}（{told}）", en=f"{item.number} ({told})")


def _identity(note: ComplaintNote) -> tuple[str, int, int, str]:
    return note.author, note.time.seconds, note.time.nanos, note.text
