"""A region returns a complaint, or a work item, to the coordinator, and an administrator assigns it.

No region passes a complaint on to another (Measures on complaints to market regulators, art. 37).
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintReturn, ReturnReason
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused
from gateway.federation.acts import ProvenAct
from gateway.process import failpoints
from gateway.store.port import Transaction
from gateway.time.clock import to_timestamp
from region_node.care.complaints import case_lead, cases, notices, owner, rules
from region_node.care.complaints.keeping import change_complaint
from region_node.care.complaints.rows import COMPLAINT, find_complaint
from region_node.care.complaints.rules import Concerned
from region_node.node.context import RegionContext
from region_node.requests.administrators import note_act, require_in_order
from region_node.requests.rows import RequestKey, insert_request
from region_node.tickets.followed import known_request

_ASSIGN = "AssignComplaint"


@dataclass(frozen=True)
class Assignment:
    """An administrator's assignment of an item that awaits the coordinator."""

    request_id: str
    ticket_id: str
    region: str
    department: str
    act: ProvenAct
    """Its administrator is named `admin/<name>`, as certificates do: no operator has such a name, nor has staff."""

    @property
    def key(self) -> RequestKey:
        """The request's key, with the digest of its content."""
        content = "\0".join((self.ticket_id, self.region, self.department)).encode()
        return RequestKey(self.act.administrator, self.request_id, hashlib.sha256(content).digest())


def give_back(
    tx: Transaction,
    context: RegionContext,
    ticket_id: str,
    staff_id: str,
    reason: ReturnReason.ValueType,
    text: str,
    now: datetime,
) -> Complaint:
    """Returns a complaint for which this region is not competent. Its copy is held until the case ends.

    Raises Refused, also with COMPLAINT_IS_CASE: a case is led to its end.
    """
    row = owner.require_owned(tx, context, ticket_id, now)
    complaint, before = row.complaint, Complaint()
    before.CopyFrom(complaint)
    if complaint.items:
        raise Refused(Reason.REASON_COMPLAINT_IS_CASE, complaint=ticket_id)
    rules.require_state(complaint, "return", rules.IN_PROGRESS, rules.PENDING)
    rules.require_room(complaint, len(text.encode()))
    owner.end_pause(context, complaint, now)
    author = f"{context.region}/{staff_id}"
    rules.note(complaint, author, text, now)
    complaint.returned.CopyFrom(ComplaintReturn(reason=reason, author=author, time=to_timestamp(now)))
    rules.enter(complaint, rules.IN_PROGRESS, now=now, region=context.region, reason="given back")
    if complaint.origin_region == context.region and not complaint.case_id:
        case_lead.lead(context, complaint, now)
    else:
        rules.enter(complaint, rules.HELD, now=now, region=context.region, reason="given back")
        rules.hand_over(complaint, "", rules.WAITING_FOR_COORDINATOR, now)
    owner.keep_and_tell(tx, context, row, before, now)
    failpoints.reach("complaint-returned.before-commit")
    return complaint


def assign(tx: Transaction, context: RegionContext, asked: Assignment, now: datetime) -> Complaint:
    """Opens an item in place of the one that awaits the coordinator. A repeated request returns the current case.

    Raises Refused with COMPLAINT_NOT_FOUND, COMPLAINT_NOT_AWAITING_COORDINATOR, REGION_UNKNOWN, DEPARTMENT_UNKNOWN,
    ADMINISTRATOR_ACT_UNPROVEN or REQUEST_ID_REUSED.
    """
    if (known := known_request(COMPLAINT, tx, asked.key)) is not None:
        return known
    ticket_id, number = cases.parent_of(asked.ticket_id)
    row = find_complaint(tx, ticket_id)
    if row is None:
        raise Refused(Reason.REASON_COMPLAINT_NOT_FOUND, complaint=asked.ticket_id)
    case = row.complaint
    item = None if rules.is_final(case) else cases.to_assign(case, number)
    if item is None:
        raise Refused(Reason.REASON_COMPLAINT_NOT_AWAITING_COORDINATOR, complaint=asked.ticket_id)
    require_in_order(tx, asked.act, _ASSIGN, case.ticket_id)
    context.federation.region(asked.region)
    department = context.federation.complaint_department(asked.department)
    rules.require_room(case, 0)
    whose, was_with_nobody = Concerned(asked.region, department), rules.was_with_nobody(case)
    opened = case_lead.open_item(tx, context, row, whose, now, assigned_by=asked.act.administrator)
    cases.move(item, cases.ASSIGNED, now)
    item.assigned_as = opened.number
    case_lead.settle(tx, context, row, now)
    if was_with_nobody:
        notices.tell_assigned(tx, context, case, now)
    case.version += 1
    owner.watch(tx, context, case)
    change_complaint(tx, case, now)
    insert_request(tx, asked.key, case.ticket_id, settled=True, now=now)
    audit.append(
        tx,
        now=now,
        actor=asked.act.administrator,
        action=_ASSIGN,
        subject=opened.ticket_id,
        detail=asked.act.noted(f"{asked.region} {asked.department}"),
    )
    note_act(tx, asked.act, _ASSIGN, case.ticket_id, now)
    failpoints.reach("complaint-assigned.before-commit")
    return case
