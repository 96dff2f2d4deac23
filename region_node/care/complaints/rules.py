"""The life of a complaint (TMF621 TroubleTicket), what a filing must bring, and whose work it is. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.api.federation.v1 import configuration_pb2 as contract
from gateway.api.federation.v1.configuration_pb2 import ComplaintCategory, ComplaintOwner, Department
from gateway.api.region.v1.complaint_pb2 import (
    Complaint,
    ComplaintAttachment,
    ComplaintChannel,
    ComplaintNote,
    ComplaintRequest,
    ComplaintState,
    DeadlineKind,
    Remedy,
    RemedyState,
    Resolution,
    ReturnReason,
    TimeReason,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.time.clock import from_timestamp, to_timestamp
from gateway.values.names import camel_case
from region_node.requests.checks import is_name, require_length, require_size

ACKNOWLEDGED = ComplaintState.COMPLAINT_STATE_ACKNOWLEDGED
REJECTED = ComplaintState.COMPLAINT_STATE_REJECTED
PENDING = ComplaintState.COMPLAINT_STATE_PENDING
HELD = ComplaintState.COMPLAINT_STATE_HELD
IN_PROGRESS = ComplaintState.COMPLAINT_STATE_IN_PROGRESS
CANCELLED = ComplaintState.COMPLAINT_STATE_CANCELLED
RESOLVED = ComplaintState.COMPLAINT_STATE_RESOLVED
CLOSED = ComplaintState.COMPLAINT_STATE_CLOSED

WORKING = TimeReason.TIME_REASON_WORKING
CLOSED_HOURS = TimeReason.TIME_REASON_CLOSED_HOURS
WAITING_FOR_CUSTOMER = TimeReason.TIME_REASON_WAITING_FOR_CUSTOMER
WAITING_FOR_REGION = TimeReason.TIME_REASON_WAITING_FOR_REGION
WAITING_FOR_COORDINATOR = TimeReason.TIME_REASON_WAITING_FOR_COORDINATOR

ACKNOWLEDGE = DeadlineKind.DEADLINE_KIND_ACKNOWLEDGE
FIRST_RESPONSE = DeadlineKind.DEADLINE_KIND_FIRST_RESPONSE
RESOLVE = DeadlineKind.DEADLINE_KIND_RESOLVE
LEGAL = DeadlineKind.DEADLINE_KIND_LEGAL
EXPEDITE = DeadlineKind.DEADLINE_KIND_EXPEDITE
REFUND = DeadlineKind.DEADLINE_KIND_REFUND

FINAL = frozenset({REJECTED, CANCELLED, CLOSED})
ANSWERED = FINAL | {RESOLVED}
"""The states in which no answer is due."""
AT_WORK = frozenset({ACKNOWLEDGED, HELD, IN_PROGRESS})
"""The states in which staff have the next step."""

# TMF621 lifecycle diagram.
TRANSITIONS: Mapping[ComplaintState.ValueType, frozenset[ComplaintState.ValueType]] = {
    ACKNOWLEDGED: frozenset({IN_PROGRESS, REJECTED, CANCELLED}),
    IN_PROGRESS: frozenset({HELD, PENDING, RESOLVED, CANCELLED}),
    HELD: frozenset({IN_PROGRESS}),
    PENDING: frozenset({IN_PROGRESS, CANCELLED}),
    RESOLVED: frozenset({CLOSED, IN_PROGRESS}),
}

EXPEDITE_INTERVAL = timedelta(hours=1)  # one reminder an hour: more would bury the department
DESCRIPTION_LIMIT = 4000  # characters
NOTE_LIMIT = 1000  # characters of any later text
COMPLAINT_LIMIT = 32 * 1024  # bytes of a complaint: half of an envelope's limit
ITEM_LIMIT = 44 * 1024  # bytes of a work item: concurrent messages of others must find room, and a resolution
CASE_LIMIT = 256 * 1024  # bytes of a case: it travels in no envelope, and holds the notes of all
TALK_LIMIT = 24 * 1024  # bytes of a complaint under discussion: its final step must always find room
CODE_LIMIT = 64  # characters of a category's code
FILE_NAME_LIMIT = 120  # characters
HIGHEST_RATING = 5
_HIGHEST_LEVEL = 5
_ATTACHMENT_BYTES = 1024  # of one attachment's name and the rest: more than any has
_TICKET_ID = re.compile(r"[a-z][a-z0-9-]*/[0-9a-zA-Z/-]{1,64}", re.ASCII)
_CAUSE = re.compile(r"[a-z][a-z0-9-]{0,62}", re.ASCII)
OF_MONEY = frozenset({Remedy.REMEDY_REFUND, Remedy.REMEDY_CREDIT})
NOT_SAID = frozenset({ReturnReason.RETURN_REASON_UNSPECIFIED, ReturnReason.RETURN_REASON_REFUSED})  # by people


def is_final(complaint: Complaint) -> bool:
    """Whether the complaint is in a final state."""
    return complaint.state in FINAL


def owes_answer(complaint: Complaint) -> bool:
    """Whether the promised answer is due: the complaint has none yet, and waits for nothing that the customer says."""
    return complaint.state != PENDING and complaint.state not in ANSWERED


def brings_money(complaint: Complaint) -> bool:
    """Whether a resolution of the complaint may pay: a case pays once, by its own, and a work item never."""
    return not complaint.case_id


def is_unclassified(complaint: Complaint) -> bool:
    """Whether the complaint has no category yet, so that no department has it."""
    return not complaint.request.category


def is_with_nobody(complaint: Complaint) -> bool:
    """Whether no region is responsible, until the coordinator assigns it."""
    last = complaint.custody[-1].reason if complaint.custody else None
    return last == WAITING_FOR_COORDINATOR and not is_final(complaint)


def is_on_its_way(complaint: Complaint) -> bool:
    """Whether another region is responsible, and has not confirmed it yet: its home may have changed."""
    return complaint.state == ACKNOWLEDGED and complaint.owner_region not in ("", complaint.origin_region)


def is_work_of(complaint: Complaint, region: str) -> bool:
    """Whether the staff of a region have to do the next step of the complaint."""
    return complaint.state in AT_WORK and complaint.owner_region == region and not is_with_nobody(complaint)


def is_answered_by(complaint: Complaint, region: str) -> bool:
    """Whether what staff of a region say is the answer of the region that handles the complaint."""
    return complaint.owner_region == region


def leads_case(complaint: Complaint, region: str) -> bool:
    """Whether a region leads the case of a complaint, and therefore has the case and all complaints of its items."""
    return complaint.origin_region == region


def was_with_nobody(complaint: Complaint) -> bool:
    """Whether no region is responsible, nor was since filing."""
    return is_with_nobody(complaint) and not any(each.region for each in complaint.items)


def count_decision(complaint: Complaint) -> None:
    """Counts a decision. An unclassified complaint has no owner region to count them."""
    if not is_unclassified(complaint):
        complaint.version += 1


def state_name(state: ComplaintState.ValueType) -> str:
    """The TMF621 name, for example `inProgress`."""
    return camel_case(ComplaintState.DESCRIPTOR, state)


def enter(complaint: Complaint, state: ComplaintState.ValueType, *, now: datetime, region: str, reason: str) -> None:
    """Moves the complaint into a state and notes it; entering its current state changes nothing.

    Raises ValueError for a transition that TMF621 does not allow: a defect, since callers check first.
    """
    if state == complaint.state:
        return
    if complaint.state and state not in TRANSITIONS.get(complaint.state, ()):
        raise ValueError(f"a complaint does not go from {state_name(complaint.state)} to {state_name(state)}")
    complaint.state = state
    complaint.state_changes.add(state=state, time=to_timestamp(now), region=region, reason=reason)


def hand_over(complaint: Complaint, region: str, reason: TimeReason.ValueType, now: datetime) -> None:
    """From now on a region has it, or the customer (an empty one). Clocks of regions differ: no time is given twice."""
    if complaint.custody:
        last = complaint.custody[-1]
        if (last.region, last.reason) == (region, reason):
            return
        now = max(now, from_timestamp(last.start_time))
    complaint.custody.add(region=region, reason=reason, start_time=to_timestamp(now))


def require_state(complaint: Complaint, action: str, *states: ComplaintState.ValueType) -> None:
    """Raises Refused with COMPLAINT_STATE_FORBIDS unless the complaint is in one of the states.

    With COMPLAINT_UNCLASSIFIED where the missing category is the reason.
    """
    if complaint.state not in states:
        if is_unclassified(complaint) and not is_final(complaint):
            raise Refused(Reason.REASON_COMPLAINT_UNCLASSIFIED)
        raise Refused(Reason.REASON_COMPLAINT_STATE_FORBIDS, state=state_name(complaint.state), action=action)


def require_expeditable(complaint: Complaint, now: datetime) -> None:
    """Raises Refused for a complaint without work in progress, and within an hour of the last reminder."""
    require_state(complaint, "expedite", ACKNOWLEDGED, IN_PROGRESS, HELD)
    if complaint.expedites and now - from_timestamp(complaint.expedites[-1].time) < EXPEDITE_INTERVAL:
        raise Refused(Reason.REASON_COMPLAINT_EXPEDITED_RECENTLY)


def require_open(complaint: Complaint, action: str) -> None:
    """Raises Refused with COMPLAINT_STATE_FORBIDS for a complaint in a final state."""
    if is_final(complaint):
        raise Refused(Reason.REASON_COMPLAINT_STATE_FORBIDS, state=state_name(complaint.state), action=action)


def require_room(complaint: Complaint, more: int, limit: int = 0) -> None:
    """Raises Refused with MESSAGE_TOO_LARGE where `more` bytes would exceed the limit.

    The default is the limit of a complaint, of a work item or of a case.
    """
    limit = limit or (CASE_LIMIT if complaint.items else ITEM_LIMIT if complaint.case_id else COMPLAINT_LIMIT)
    require_size(complaint.ByteSize() + more, limit)


def booked_time(complaint: Complaint) -> datetime | None:
    """The time at which the home region booked the money of a resolution; None where it has booked none."""
    money = complaint.remedy
    return from_timestamp(money.state_time) if money.state == RemedyState.REMEDY_STATE_BOOKED else None


def require_possible(complaint: Complaint, now: datetime) -> None:
    """Raises Refused with ENVELOPE_INVALID for a complaint of another region with a level or a request id of no caller.

    Neither depends on the time.
    """
    if complaint.level > _HIGHEST_LEVEL:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no level")
    if complaint.request_id and not is_name(complaint.request_id):
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no request id")


def require_filing(request: ComplaintRequest) -> None:
    """Raises Refused with REQUEST_INVALID for a filing without its text, its channel or its demand."""
    require_length("complaint.description", request.description, DESCRIPTION_LIMIT, required=True)
    if request.channel not in ComplaintChannel.values() or not request.channel:
        raise invalid("complaint.channel", "not set", "未填写")
    if request.remedy_sought not in Remedy.values() or not request.remedy_sought:
        raise invalid("complaint.remedy_sought", "not set", "未填写")


def require_resolution(resolution: Resolution, currency: str) -> None:
    """Raises Refused with REQUEST_INVALID for a resolution without text, cause, kind of remedy or amount.

    Closing needs a cause code, by which prevention counts (specification 2.3.3).
    """
    require_length("text", resolution.text, NOTE_LIMIT, required=True)
    require_cause(resolution.cause_code)
    if resolution.remedy not in Remedy.values() or not resolution.remedy:
        raise invalid("remedy", "not set", "未填写")
    if (resolution.remedy in OF_MONEY) != resolution.HasField("amount"):
        raise invalid("amount", "needed for a refund or a credit, and only then", "退费或补偿时必填，其他情况不填")
    if resolution.HasField("amount") and (resolution.amount.minor_units < 1 or resolution.amount.currency != currency):
        raise invalid("amount", f"not a positive amount of {currency}", f"须为{currency}的正数金额")


def require_cause(cause_code: str) -> None:
    """Raises Refused with REQUEST_INVALID for a malformed cause code."""
    if not _CAUSE.fullmatch(cause_code):
        problem = "lower-case letters, digits and dashes, beginning with a letter"
        raise invalid("cause_code", problem, "须以字母开头，由小写字母、数字和连字符组成")


def require_rating(rating: int) -> None:
    """Raises Refused with REQUEST_INVALID for more than five."""
    if rating > HIGHEST_RATING:
        raise invalid("rating", f"not 0 to {HIGHEST_RATING}", f"不是0至{HIGHEST_RATING}")


def require_return(reason: ReturnReason.ValueType) -> None:
    """Raises Refused with REQUEST_INVALID for a reason that people do not give."""
    if reason not in ReturnReason.values() or reason in NOT_SAID:
        raise invalid("reason", "not set", "未填写")


def require_attachable(complaint: Complaint) -> None:
    """Raises Refused where the complaint has ended, or has no room for another attachment."""
    if is_final(complaint):
        raise Refused(Reason.REASON_COMPLAINT_STATE_FORBIDS, state=state_name(complaint.state), action="attach")
    require_room(complaint, _ATTACHMENT_BYTES, TALK_LIMIT)


def require_ticket_id(ticket_id: str) -> None:
    """Raises Refused with REQUEST_INVALID for a malformed ticket id, which must not enter the audit chain."""
    if not _TICKET_ID.fullmatch(ticket_id):
        raise invalid("ticket_id", "not <region>/<day>-<number>", "须为<地区>/<日期>-<编号>")


def require_file_name(field: str, name: str) -> None:
    """Raises Refused with REQUEST_INVALID for a bad file name: empty, too long, a path, unprintable."""
    require_length(field, name, FILE_NAME_LIMIT, required=True)
    if not name.isprintable() or "/" in name or "\\" in name:
        raise invalid(field, "not the name of a file", "不是文件名")


def note(
    complaint: Complaint, author: str, text: str, now: datetime, *, asks_customer: bool = False, asks_region: str = ""
) -> None:
    """Stores a note with its addressee. It answers earlier questions to the author's region."""
    hear(complaint, author.partition("/")[0], now)
    complaint.notes.add(
        author=author, time=to_timestamp(now), text=text, asks_customer=asks_customer, asks_region=asks_region
    )


def attach(complaint: Complaint, attachment: ComplaintAttachment, region: str, now: datetime) -> None:
    """Adds an attachment of a region, which answers earlier questions to the region. Raises Refused."""
    require_attachable(complaint)
    require_file_name("attachment.name", attachment.name)
    known = {each.id for each in complaint.attachments}
    if attachment.region != region or not attachment.id.startswith(f"{region}/") or attachment.id in known:
        raise invalid("attachment.id", "not a new one of its region", "不是其所属地区的新附件")
    hear(complaint, region, now)
    complaint.attachments.add().CopyFrom(attachment)


def hear(complaint: Complaint, region: str, now: datetime) -> None:
    """Marks earlier questions to a region as answered, so that the questioner continues.

    A done item is reopened by a refusal only.
    """
    for each in complaint.notes:
        if each.asks_region == region and not each.HasField("answer_time"):
            each.answer_time.CopyFrom(to_timestamp(now))
    last = complaint.custody[-1] if complaint.custody and complaint.state != RESOLVED else None
    if last is not None and (last.region, last.reason) == (region, WAITING_FOR_REGION):
        go_on(complaint, now)


def go_on(complaint: Complaint, now: datetime) -> None:
    """Returns the complaint to the owner region, unless another one still has to answer."""
    asked = next((each.asks_region for each in complaint.notes if _is_open(complaint, each)), "")
    if asked:
        hand_over(complaint, asked, WAITING_FOR_REGION, now)
    else:
        hand_over(complaint, complaint.owner_region, WORKING, now)


def _is_open(complaint: Complaint, each: ComplaintNote) -> bool:
    """Whether another region than the owner region, which has the complaint anyway, still has to answer."""
    return each.asks_region not in ("", complaint.owner_region) and not each.HasField("answer_time")


_HOME, _LOCATION, _HANDLING = "home", "location", "handling"
# A missing entry means the origin region.
_CONCERNED: Mapping[ComplaintOwner.ValueType, Sequence[str]] = {
    contract.COMPLAINT_OWNER_HANDLING: (_HANDLING,),
    contract.COMPLAINT_OWNER_BOTH: (_HANDLING, _HOME),
    contract.COMPLAINT_OWNER_COORDINATOR: (),
    contract.COMPLAINT_OWNER_HOME: (_HOME,),
    contract.COMPLAINT_OWNER_HOME_AND_VISITED: (_HOME, _LOCATION),
    contract.COMPLAINT_OWNER_ORDER: (_HOME,),
    contract.COMPLAINT_OWNER_LEAD: (_HOME,),
    contract.COMPLAINT_OWNER_PLACE_OF_LEAK_AND_HOME: (_LOCATION, _HOME),
    contract.COMPLAINT_OWNER_LOCATION: (_LOCATION,),
    contract.COMPLAINT_OWNER_PLACE_OF_REPAIR: (_LOCATION,),
}


@dataclass(frozen=True)
class Concerned:
    """A department of a region that has to answer."""

    region: str
    department: Department


def concerned(
    category: ComplaintCategory, request: ComplaintRequest, *, handling: str, home: str | None
) -> Sequence[Concerned]:
    """The responsible departments, each once; empty where the coordinator decides.

    An unknown place counts as that of the origin region. A required but unknown home region leaves it to the
    coordinator.
    """
    needed = _CONCERNED.get(category.owner, (_HANDLING,))
    if home is None and _HOME in needed:
        return []
    known = {_HOME: home or "", _LOCATION: request.location_region or handling, _HANDLING: handling}
    regions = dict.fromkeys(known[each] for each in needed)
    return [Concerned(region, department) for region in regions for department in category.departments]


def owner_of(category: ComplaintCategory, request: ComplaintRequest, *, handling: str, home: str | None) -> str:
    """The owner region, if it is the only one concerned, with one department.

    Otherwise the complaint is a case, led by the origin region (Measures on complaints to market regulators, art. 13).
    """
    found = concerned(category, request, handling=handling, home=home)
    return found[0].region if len(found) == 1 else handling
