"""The origin region's handling of its complaints: accepts them, forwards commands, stores the owner's versions.

It is the customer's contact to the end, whichever region is responsible.
"""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.api.federation.v1.configuration_pb2 import ComplaintCategory
from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintCommand, ComplaintFiling
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintRequest
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, lasting
from gateway.process import failpoints
from gateway.security.identity import Identity
from gateway.store.port import Transaction
from gateway.store.timers import Timer
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.care.complaints import case_lead, cases, escalation, notices, owner, proposing, remote_repeats, rules
from region_node.care.complaints.keeping import add_complaint, change_complaint
from region_node.care.complaints.limits import set_deadlines
from region_node.care.complaints.rows import (
    COMPLAINT,
    NUMBERS,
    ComplaintRow,
    find_complaint,
    next_ticket_number,
    require_complaint,
)
from region_node.care.complaints.rules import Concerned, concerned
from region_node.care.complaints.sending import send_to_region
from region_node.customers.known_statuses import require_takes_complaints, require_unrestricted
from region_node.node.context import RegionContext
from region_node.requests.caller import Caller, note, settle_asked
from region_node.requests.rows import insert_request
from region_node.tickets.followed import known_request

_SAID = ("respond", "attach")  # the customer's messages, which end the wait for the customer
# The commands executed here after the other region has lost the complaint.
_OUTLASTING = ("respond", "accept", "refuse", "withdraw", "expedite", "ask_for_regulator", "repeats")
# The reasons of a region that has returned the complaint, has received its recall, or never accepted it.
_NOT_THERE = (Reason.REASON_COMPLAINT_NOT_RESPONSIBLE, Reason.REASON_COMPLAINT_NOT_FOUND)


def file(
    tx: Transaction, context: RegionContext, caller: Caller, request: ComplaintRequest, now: datetime
) -> Complaint:
    """Accepts a complaint, and notifies the customer. A repeated request returns the complaint in its current state.

    Without a category, the words of the text decide. Where they are not clear, the classification desk of this region
    keeps the complaint until it is classified. Raises Refused, also with REQUEST_ID_REUSED for the same id with other
    content.
    """
    key = caller.key(request.SerializeToString(deterministic=True))
    statuses = require_unrestricted(tx, request.number)
    if (known := known_request(COMPLAINT, tx, key)) is not None:
        return known
    if request.location_region:
        context.federation.region(request.location_region)
    home = context.federation.number_plan.home_of(request.number)
    require_takes_complaints(home, statuses)
    classification = proposing.classification(context, request, home, now)
    number = next_ticket_number(tx)
    complaint = _new_complaint(context, caller, request, home or "", number, now)
    complaint.classification.CopyFrom(classification)
    owner.note_unassigned(tx, context, complaint, now)
    row = ComplaintRow(complaint, caller.traceparent)
    escalation.file(complaint, now, context.region)
    failpoints.reach("complaint-filed.before-commit")
    if category := proposing.category_set(classification):
        route(tx, context, row, category, now, known=-1)
        notices.tell_filed(tx, context, complaint, now)
    else:
        _hold(tx, context, complaint, now)
        notices.tell_unclassified(tx, complaint, now)
    add_complaint(tx, row, number, now)
    insert_request(tx, key, complaint.ticket_id, settled=True, now=now)
    note(tx, caller, "FileComplaint", complaint.ticket_id, now)
    return complaint


def take_in_again(tx: Transaction, row: ComplaintRow, now: datetime) -> None:
    """Stores a complaint again that this region had filed with its owner, and lost: as it was filed."""
    NUMBERS.restored(tx, row.complaint.ticket_id, lambda number: add_complaint(tx, row, number, now))


def set_category(context: RegionContext, complaint: Complaint, code: str) -> Sequence[Concerned]:
    """Sets the category of a complaint, with its severity and department; returns the responsible departments.

    It is changed in place. Raises Refused with COMPLAINT_CATEGORY_UNKNOWN.
    """
    category = context.federation.complaint_category(code)
    complaint.request.category, complaint.severity = code, category.severity
    complaint.repeated_ticket_id, complaint.repeats = "", 0  # repeats of the former category
    complaint.department.CopyFrom(category.departments[0].name)
    home = complaint.home_region or None
    return concerned(category, complaint.request, handling=complaint.origin_region, home=home)


def route(
    tx: Transaction,
    context: RegionContext,
    row: ComplaintRow,
    code: str,
    now: datetime,
    *,
    known: int | None = None,
    leads: bool = False,
) -> None:
    """Routes a complaint that is not accepted yet to the responsible departments of a category.

    It is accepted here, sent to the owner region, or becomes a case led here. Its deadlines run from filing on.
    `known` is the level known to the escalation recipients; by default that of the complaint. With `leads`, this region
    leads it, and other departments get work items. It is changed in place; the caller stores it. Raises Refused before
    the first write.
    """
    complaint = row.complaint
    known = complaint.level if known is None else known
    whose = set_category(context, complaint, code)
    complaint.owner_region = whose[0].region if len(whose) == 1 and not leads else context.region
    category = context.federation.complaint_category(code)
    set_deadlines(context.federation, complaint, category, from_timestamp(complaint.create_time))
    escalation.classified(complaint, now, context.region)
    is_own = complaint.owner_region == context.region
    rules.hand_over(complaint, complaint.owner_region, rules.WORKING if is_own else rules.WAITING_FOR_REGION, now)
    owner.note_reached(tx, context, complaint, known, now)
    if is_own:
        owner.take_up(tx, context, complaint, now)
        if [each.region for each in whose] != [context.region]:
            case_lead.open_case(tx, context, row, whose, now)
    else:
        if complaint.home_region == context.region:
            owner.note_earlier(tx, complaint)
        send_to_region(tx, context, row, f"{complaint.ticket_id}#file", ComplaintFiling(complaint=complaint), now)
        owner.watch(tx, context, complaint)
    remote_repeats.spread(tx, context, row, now)


def command(
    tx: Transaction, context: RegionContext, caller: Caller, asked: ComplaintCommand, now: datetime
) -> Complaint:
    """Executes the customer's command on a complaint of this origin region.

    Raises Refused; for a repeated request, the owner region's former refusal.
    """
    key = caller.key(asked.SerializeToString(deterministic=True))
    require_readable(tx, asked.ticket_id)
    if (known := known_request(COMPLAINT, tx, key)) is not None:
        return known
    complaint = find_for(tx, asked.ticket_id, caller.identity)
    if complaint.case_id:
        raise Refused(Reason.REASON_COMPLAINT_IS_WORK_ITEM, complaint=complaint.case_id)
    if complaint.origin_region != context.region:
        raise Refused(Reason.REASON_COMPLAINT_NOT_FIRST_CONTACT, region=complaint.origin_region)
    settled = complaint.owner_region == context.region
    row = ComplaintRow(complaint, caller.traceparent)
    complaint = pass_on(tx, context, row, asked, f"{caller.operator}/{caller.request_id}", now)
    insert_request(tx, key, complaint.ticket_id, settled=settled, now=now)
    note(tx, caller, asked.WhichOneof("command") or "", complaint.ticket_id, now)
    return complaint


def pass_on(
    tx: Transaction, context: RegionContext, row: ComplaintRow, asked: ComplaintCommand, step: str, now: datetime
) -> Complaint:
    """Executes a command at the owner region: here, or by an envelope with the id of the step.

    Returns the complaint in its current state. Raises Refused.
    """
    known = row.complaint
    if known.owner_region != context.region:
        send_to_region(tx, context, row, f"{known.ticket_id}#{step}", asked, now)
        return known
    complaint = owner.apply_command(tx, context, asked, now)
    if not complaint.case_id:
        notices.tell_changed(tx, known, complaint, now)
    remote_repeats.note_withdrawn(tx, context, ComplaintRow(complaint, row.traceparent), known, now)
    by_customer = asked.WhichOneof("command") in _SAID and not asked.respond.asks_region
    case_lead.follow(tx, context, complaint, now, by_customer=by_customer)
    return require_complaint(tx, complaint.ticket_id).complaint


def adopt(tx: Transaction, context: RegionContext, snapshot: Complaint, now: datetime) -> None:
    """Stores the owner region's version of a complaint, and notifies the customer of news."""
    row = find_complaint(tx, snapshot.ticket_id)
    if row is None:  # made unreadable since
        return
    known = row.complaint
    if known.owner_region == context.region:  # returned or recalled meanwhile, and led here
        _keep_what_was_said(tx, context, known, snapshot, now)
        return
    complaint = COMPLAINT.next_version(context.region, known, snapshot)
    if complaint is None:
        return
    del complaint.items[:]  # a case is led here, or is none
    # Escalations made here while that region was unreachable may be in transit to it.
    own = [each for each in known.escalations if each.region == context.region and each.level > snapshot.level]
    complaint.escalations.extend(own)
    complaint.level = max([snapshot.level, *(each.level for each in own)])
    if complaint.HasField("returned") and complaint.state == rules.HELD and not complaint.case_id:
        case_lead.lead(context, complaint, now)
        complaint.version += 1
        owner.watch(tx, context, complaint)
        _spread_led(tx, context, ComplaintRow(complaint, row.traceparent), known.owner_region, now)
    else:
        owner.forget(tx, complaint)
    if not complaint.case_id:
        notices.tell_changed(tx, known, complaint, now)
    if not known.version:  # events due here before the other region had it, whose timers have not fired here
        owner.note_reached(tx, context, complaint, known.level, now)
    change_complaint(tx, complaint, now)
    remote_repeats.note_withdrawn(tx, context, ComplaintRow(complaint, row.traceparent), known, now)
    case_lead.follow(tx, context, complaint, now)


def _spread_led(tx: Transaction, context: RegionContext, row: ComplaintRow, other: str, now: datetime) -> None:
    """Reports a complaint to the home region that another region has returned or refused, and that is now led here.

    Only where that region is the home region, which has no report yet.
    """
    if other == row.complaint.home_region:
        remote_repeats.spread(tx, context, row, now)


def _keep_what_was_said(
    tx: Transaction, context: RegionContext, complaint: Complaint, snapshot: Complaint, now: datetime
) -> None:
    """Keeps the notes of a region that accepted a complaint before its recall arrived."""
    fresh = cases.unknown_notes(complaint, snapshot.notes)
    is_new = snapshot.version > complaint.version and snapshot.owner_region == context.region
    if not fresh or not is_new or rules.is_final(complaint):
        return
    complaint.notes.extend(fresh)
    complaint.version += 1
    change_complaint(tx, complaint, now)
    case_lead.follow(tx, context, complaint, now)


def settle_command(
    tx: Transaction,
    context: RegionContext,
    envelope_id: str,
    asked: ComplaintCommand,
    snapshot: Complaint | None,
    refused: Refused | None,
    now: datetime,
) -> None:
    """Stores the owner region's answer to a command: the result of the request and, if known, the complaint.

    Where it no longer had the complaint, and this region meanwhile answers for it, the command is executed here.
    """
    if snapshot is not None:
        adopt(tx, context, snapshot, now)
    if refused is not None and refused.reason in _NOT_THERE and asked.WhichOneof("command") in _OUTLASTING:
        refused = _do_here(tx, context, asked, refused, now)
    settle_asked(tx, envelope_id, refused)


def _do_here(
    tx: Transaction, context: RegionContext, asked: ComplaintCommand, refused: Refused, now: datetime
) -> Refused | None:
    """Executes the customer's command; returns its refusal, or `refused` for another region's complaint."""
    row = find_complaint(tx, asked.ticket_id)
    if row is None or row.complaint.owner_region != context.region:
        return refused
    try:
        pass_on(tx, context, row, asked, "", now)
    except Refused as again:
        return lasting(again)
    failpoints.reach("complaint-redone.before-commit")
    return None


def keep(tx: Transaction, context: RegionContext, row: ComplaintRow, why: str, now: datetime) -> None:
    """Keeps a complaint that the other region has refused, as a case that awaits the coordinator.

    The origin region leads the case, and notifies the customer of the new contact. See `border.settle_filing`.
    """
    complaint = row.complaint
    if complaint.case_id:
        case_lead.refuse_item(tx, context, complaint, why, now)
        return
    other = complaint.owner_region
    owner.take_up(tx, context, complaint, now)
    case_lead.refused_by_node(complaint, other, why, now)
    case_lead.lead(context, complaint, now)
    notices.tell_led(tx, context, complaint, now)
    change_complaint(tx, complaint, now)
    _spread_led(tx, context, row, other, now)


def escalation_is_due(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """Handles a due level: at the owner region, or here before its acceptance."""
    row = find_complaint(tx, timer.subject)
    if row is None:  # made unreadable since
        return
    complaint = row.complaint
    if complaint.owner_region == context.region:
        owner.escalation_is_due(tx, context, row, now)
        return
    known = complaint.level
    reached = escalation.raise_due(complaint, context.federation.working_hours, now, context.region)
    if reached:
        owner.note_reached(tx, context, complaint, known, now)
        asked = ComplaintCommand(ticket_id=complaint.ticket_id)
        asked.raised.escalation.CopyFrom(reached[-1])
        send_to_region(tx, context, row, f"{complaint.ticket_id}#raised{complaint.level}", asked, now)
        change_complaint(tx, complaint, now)
    owner.watch(tx, context, complaint)


def raise_for_administrator(
    tx: Transaction, context: RegionContext, ticket_id: str, wanted: escalation.AdministratorsWish, now: datetime
) -> Complaint:
    """Raises a complaint for an administrator of the federation: of this region, or one not accepted yet.

    Raises Refused, with COMPLAINT_NOT_RESPONSIBLE where another region has it.
    """
    row = require_complaint(tx, ticket_id)
    complaint, known = row.complaint, row.complaint.level
    if complaint.owner_region == context.region:
        return owner.raise_for_administrator(tx, context, row, wanted, now)
    if complaint.version:
        raise Refused(Reason.REASON_COMPLAINT_NOT_RESPONSIBLE, region=complaint.owner_region)
    reached = escalation.raise_for_administrator(complaint, wanted, now, context.region)
    owner.note_reached(tx, context, complaint, known, now)
    asked = ComplaintCommand(ticket_id=complaint.ticket_id)
    asked.raised.escalation.CopyFrom(reached[-1])
    asked.raised.administrator, asked.raised.reason = wanted.administrator, wanted.reason
    send_to_region(tx, context, row, f"{complaint.ticket_id}#raised{complaint.level}", asked, now)
    change_complaint(tx, complaint, now)
    owner.watch(tx, context, complaint)
    return complaint


def find_for(tx: Transaction, ticket_id: str, identity: Identity) -> Complaint:
    """The complaint, for a permitted reader.

    Raises Refused with COMPLAINT_NOT_FOUND, also for other readers, and with CUSTOMER_RESTRICTED.
    """
    row = find_complaint(tx, ticket_id)
    if row is None or not is_visible(row.complaint, identity):
        raise Refused(Reason.REASON_COMPLAINT_NOT_FOUND, complaint=ticket_id)
    require_unrestricted(tx, row.complaint.request.number)
    return row.complaint


def require_readable(tx: Transaction, ticket_id: str) -> None:
    """Raises Refused with CUSTOMER_RESTRICTED where the customer of a complaint is stored and nothing else."""
    row = find_complaint(tx, ticket_id)
    if row is not None:
        require_unrestricted(tx, row.complaint.request.number)


def is_visible(complaint: Complaint, identity: Identity) -> bool:
    """Whether a caller may see a complaint: its operator, its region's staff, and all of the owner region.

    A work item has no operator: the operator sees the case.
    """
    filed_it = complaint.operator == identity.name and not complaint.case_id
    is_own = identity.role == Role.ROLE_STAFF or filed_it
    return complaint.owner_region == identity.region or (complaint.origin_region == identity.region and is_own)


def _new_complaint(
    context: RegionContext,
    caller: Caller,
    request: ComplaintRequest,
    home: str,
    number: int,
    now: datetime,
) -> Complaint:
    """The complaint as received."""
    day = now.astimezone(ZoneInfo(context.time_zone))
    complaint = Complaint(
        ticket_id=f"{context.region}/{day:%Y%m%d}-{number}",
        request=request,
        origin_region=context.region,
        operator=caller.operator,
        request_id=caller.request_id,
        home_region=home,
        owner_region=context.region,
        create_time=to_timestamp(now),
    )
    rules.enter(complaint, rules.ACKNOWLEDGED, now=now, region=context.region, reason="received")
    return complaint


def _hold(tx: Transaction, context: RegionContext, complaint: Complaint, now: datetime) -> None:
    """Holds an unclear complaint at the classification desk, with the limits of an ordinary complaint."""
    complaint.department.CopyFrom(proposing.DESK)
    complaint.severity = proposing.SEVERITY
    set_deadlines(context.federation, complaint, ComplaintCategory(), now)
    rules.hand_over(complaint, context.region, rules.WORKING, now)
    owner.note_reached(tx, context, complaint, -1, now)
    owner.watch(tx, context, complaint)
