"""The owner region's decisions on a complaint: at its arrival, at commands, and at timers.

One transaction each. Every Refused comes before the first write.
"""

from copy import deepcopy
from datetime import datetime, timedelta

from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintCommand, ComplaintUpdate
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintAttachment, EscalationTrigger, Resolution
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused, invalid
from gateway.process import failpoints
from gateway.store.port import Transaction
from gateway.store.timers import cancel_timer, set_timer
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.business.orders.context import require_amounts
from region_node.care.complaints import cases, escalation, items, notices, rules
from region_node.care.complaints.deadlines import Pause, meet, promised, reopen, resume
from region_node.care.complaints.groups import find_group, group_rule
from region_node.care.complaints.index_rows import filing_of, known_around
from region_node.care.complaints.keeping import change_complaint
from region_node.care.complaints.limits import haste, set_deadlines
from region_node.care.complaints.parties import require_other_party
from region_node.care.complaints.remedy import BUSINESS, accepted
from region_node.care.complaints.repeats import repeated_by
from region_node.care.complaints.rows import (
    ComplaintRow,
    facts,
    find_complaint,
    note_escalations,
    remove_escalations,
    require_complaint,
)
from region_node.care.escalations.rows import forgo, notify_recipients
from region_node.customers.rows import is_number_in_use
from region_node.node.context import RegionContext
from region_node.requests.dealings import Dealer, count_failure, require_few_unknown
from region_node.tickets.border import require_caught_up
from region_node.tickets.sending import send_about

ESCALATION_TIMER = "complaint-escalation"  # the next escalation of a complaint is due
# The commands of a case to its items, and of the origin region after the end of the work here.
_OF_THE_CASE = ("share", "reopen", "conclude", "recall")
# The delay of the escalation notices at acceptance. Behind the filing may come an administrator's escalation at the
# origin region, which has already sent its notices.
_HEARD_BEHIND = timedelta(minutes=1)


def take_up(tx: Transaction, context: RegionContext, complaint: Complaint, now: datetime) -> None:
    """Accepts a complaint by the owner region. `complaint` is changed in place; the caller stores it."""
    category = context.federation.complaint_category(complaint.request.category)
    if complaint.origin_region != context.region:
        escalation.raised_on_the_way(complaint, context.federation.working_hours, now)
    complaint.severity = category.severity
    set_deadlines(context.federation, complaint, category, from_timestamp(complaint.create_time))
    if not complaint.case_id:  # otherwise that is the business of the case, and the item names its department
        note_earlier(tx, complaint)
        complaint.department.CopyFrom(category.departments[0].name)  # the first of them leads
    note_unassigned(tx, context, complaint, now)
    complaint.version = 1
    known = complaint.level
    rules.enter(complaint, rules.IN_PROGRESS, now=now, region=context.region, reason="taken up")
    rules.hand_over(complaint, context.region, rules.WORKING, now)
    meet(complaint, (rules.ACKNOWLEDGE,), now)
    escalation.take_up(complaint, now, context.region)
    join_group(tx, context, complaint, now)
    escalation.raise_due(complaint, context.federation.working_hours, now, context.region)
    watch(tx, context, complaint)
    is_heard_of = complaint.origin_region == context.region
    note_reached(tx, context, complaint, known, now, wait=timedelta() if is_heard_of else _HEARD_BEHIND)


def note_unassigned(tx: Transaction, context: RegionContext, complaint: Complaint, now: datetime) -> None:
    """Notes, where the number is of this region, whether a line here has it. Changes the complaint in place.

    The first such note counts as an unknown number of those who filed the complaint. Beyond their bound nothing is
    looked up, and the complaint is accepted all the same.
    """
    if complaint.home_region != context.region:
        return
    filer = Dealer(complaint.origin_region, complaint.operator, complaint.request.requester.staff_id)
    try:
        require_few_unknown(context, filer, now)
    except Refused:
        return
    was_unassigned, is_unassigned = complaint.number_unassigned, not is_number_in_use(tx, complaint.request.number)
    complaint.number_unassigned = is_unassigned
    if is_unassigned and not was_unassigned:
        count_failure(tx, filer, now, Reason.REASON_SUBSCRIPTION_NOT_FOUND)


def join_group(tx: Transaction, context: RegionContext, complaint: Complaint, now: datetime) -> None:
    """Adds the complaint to a group of similar ones; the complaint that completes a group raises all.

    `complaint` is changed in place; the caller stores it. No other work item of its case is touched.
    """
    complaint.ClearField("group_id")
    rule = group_rule(context.federation, context.region)
    group = find_group(tx, complaint, rule) if rule is not None else None
    if group is None:
        return
    escalation.grouped(complaint, group.group_id, now, context.region)
    for ticket_id in group.others:
        row = find_complaint(tx, ticket_id)
        if row is not None:  # otherwise made unreadable since
            before = deepcopy(row.complaint)
            escalation.grouped(row.complaint, group.group_id, now, context.region)
            keep_and_tell(tx, context, row, before, now)


def note_earlier(tx: Transaction, complaint: Complaint) -> None:
    """Notes the repeats of the complaint: those of its number and category in the thirty days before it.

    Another home region of the number may know more of them than this one.
    """
    number, category = complaint.request.number, complaint.request.category
    known = known_around(tx, number, category, from_timestamp(complaint.create_time), complaint.ticket_id)
    earlier = repeated_by(filing_of(complaint), known)
    if len(earlier) > complaint.repeats:
        complaint.repeated_ticket_id, complaint.repeats = earlier[0], len(earlier)


def apply_command(tx: Transaction, context: RegionContext, command: ComplaintCommand, now: datetime) -> Complaint:
    """Executes the origin region's command. Raises Refused before the first write."""
    row = require_complaint(tx, command.ticket_id)
    complaint, known = row.complaint, row.complaint.level
    what = command.WhichOneof("command")
    if complaint.HasField("returned") and what not in _OF_THE_CASE:  # the lead region has it by now
        raise Refused(Reason.REASON_COMPLAINT_NOT_RESPONSIBLE, region=complaint.origin_region)
    talks = what in ("respond", "attach")
    rules.require_room(complaint, command.ByteSize(), rules.TALK_LIMIT if talks else 0)
    match what:
        case "respond":
            _customer_says(context, complaint, command, now)
        case "accept":
            rules.require_state(complaint, "accept", rules.RESOLVED)
            complaint.rating = command.accept.rating
            rules.enter(complaint, rules.CLOSED, now=now, region=context.region, reason="accepted by the customer")
            accepted(tx, context, complaint, now)
        case "refuse":
            _refuse(context, complaint, command, now)
        case "withdraw":
            rules.require_state(complaint, "withdraw", rules.ACKNOWLEDGED, rules.IN_PROGRESS, rules.PENDING)
            rules.note(complaint, _author(complaint, command), command.withdraw.reason, now)
            rules.enter(complaint, rules.CANCELLED, now=now, region=context.region, reason="withdrawn by the customer")
        case "attach":
            rules.attach(complaint, command.attach.attachment, complaint.origin_region, now)
            _customer_has_answered(context, complaint, now)
        case "expedite":
            rules.require_expeditable(complaint, now)
            complaint.expedites.add(time=to_timestamp(now), staff_id=command.requester.staff_id)
            complaint.deadlines.append(haste(context.federation, complaint, now))
        case "ask_for_regulator":
            rules.require_state(
                complaint, "ask for the regulator", rules.ACKNOWLEDGED, rules.IN_PROGRESS, rules.PENDING, rules.HELD
            )
            escalation.ask_for_regulator(complaint, now, context.region)
        case "raised":
            _raised_elsewhere(tx, context, complaint, command)
            known = complaint.level
        case "recall" | "repeats":
            _first_contact_says(context, complaint, command, now)
        case "share" | "reopen" | "conclude":
            _case_says(context, complaint, command, now)
        case _:
            raise invalid("command", "none is set", "未指定任何一项")
    rules.count_decision(complaint)
    watch(tx, context, complaint)
    note_reached(tx, context, complaint, known, now)
    change_complaint(tx, complaint, now)
    return complaint


def respond(
    tx: Transaction,
    context: RegionContext,
    ticket_id: str,
    staff_id: str,
    text: str,
    now: datetime,
    *,
    asks: bool,
    asks_region: str = "",
) -> Complaint:
    """Stores the department's answer, or its question to the customer or another region.

    The internal clock pauses for the customer, but not for a region. The classification desk may also put questions to
    the customer: without work in progress, no clock pauses.
    """
    row = require_owned(tx, context, ticket_id, now)
    complaint, before = row.complaint, deepcopy(row.complaint)
    if is_with_desk := asks and rules.is_unclassified(complaint):
        rules.require_open(complaint, "respond")
    else:
        rules.require_state(complaint, "respond", rules.IN_PROGRESS, *(() if asks or asks_region else (rules.PENDING,)))
    rules.require_room(complaint, len(text.encode()), rules.TALK_LIMIT)
    if asks_region:
        require_other_party(complaint, asks_region, context.region)
    rules.note(complaint, f"{context.region}/{staff_id}", text, now, asks_customer=asks, asks_region=asks_region)
    if asks_region:
        rules.go_on(complaint, now)
    elif not is_with_desk:
        meet(complaint, (rules.FIRST_RESPONSE, rules.EXPEDITE), now)
    if is_with_desk:
        notices.tell_asked(tx, complaint, now)
    elif asks:
        rules.enter(complaint, rules.PENDING, now=now, region=context.region, reason="customer asked")
        rules.hand_over(complaint, "", rules.WAITING_FOR_CUSTOMER, now)
    keep_and_tell(tx, context, row, before, now)
    return complaint


def attach(
    tx: Transaction, context: RegionContext, ticket_id: str, attachment: ComplaintAttachment, now: datetime
) -> Complaint:
    """The responsible department adds a file."""
    row = require_owned(tx, context, ticket_id, now)
    complaint, before = row.complaint, deepcopy(row.complaint)
    rules.attach(complaint, attachment, context.region, now)
    keep_and_tell(tx, context, row, before, now)
    return complaint


def propose(
    tx: Transaction, context: RegionContext, ticket_id: str, staff_id: str, resolution: Resolution, now: datetime
) -> Complaint:
    """The responsible department proposes a resolution, which answers the complaint unless the customer refuses it."""
    row = require_owned(tx, context, ticket_id, now)
    complaint, before = row.complaint, deepcopy(row.complaint)
    rules.require_state(complaint, "propose", rules.IN_PROGRESS, rules.PENDING)
    cases.require_done(complaint)
    context.federation.require_resolution_cause(resolution.cause_code)
    rules.require_resolution(resolution, context.currency)
    if resolution.amount.minor_units:
        business, regions = context.federation.prepared(BUSINESS), (context.region, complaint.home_region)
        require_amounts(context, business, {"amount": resolution.amount.minor_units}, regions)
    items.require_no_money(complaint, resolution)
    rules.require_room(complaint, resolution.ByteSize())
    end_pause(context, complaint, now)
    resolution.author = f"{context.region}/{staff_id}"
    resolution.time.CopyFrom(to_timestamp(now))
    complaint.resolution.CopyFrom(resolution)
    meet(complaint, (rules.FIRST_RESPONSE, rules.RESOLVE, rules.LEGAL, rules.EXPEDITE), now)
    rules.enter(complaint, rules.IN_PROGRESS, now=now, region=context.region, reason="no answer needed")
    rules.enter(complaint, rules.RESOLVED, now=now, region=context.region, reason="resolution proposed")
    if complaint.case_id:  # the lead region puts the question about the case, once it has all items
        rules.hand_over(complaint, complaint.origin_region, rules.WAITING_FOR_REGION, now)
    else:
        rules.hand_over(complaint, "", rules.WAITING_FOR_CUSTOMER, now)
    keep_and_tell(tx, context, row, before, now)
    failpoints.reach("complaint-proposed.before-commit")
    return complaint


def escalation_is_due(tx: Transaction, context: RegionContext, row: ComplaintRow, now: datetime) -> None:
    """A level is due at the owner region."""
    complaint, known, before = row.complaint, row.complaint.level, deepcopy(row.complaint)
    escalation.raise_due(complaint, context.federation.working_hours, now, context.region)
    failpoints.reach("complaint-raised.before-commit")
    if complaint.level == known:
        watch(tx, context, complaint)
        return
    keep_and_tell(tx, context, row, before, now)


def raise_for_administrator(
    tx: Transaction, context: RegionContext, row: ComplaintRow, wanted: escalation.AdministratorsWish, now: datetime
) -> Complaint:
    """An administrator of the federation raises a complaint of this region. Raises Refused."""
    complaint, before = row.complaint, deepcopy(row.complaint)
    escalation.raise_for_administrator(complaint, wanted, now, context.region)
    keep_and_tell(tx, context, row, before, now)
    return complaint


def require_owned(tx: Transaction, context: RegionContext, ticket_id: str, now: datetime) -> ComplaintRow:
    """A complaint that this region decides on.

    Raises Refused with COMPLAINT_NOT_FOUND, COMPLAINT_NOT_RESPONSIBLE, and as `border.require_caught_up`.
    """
    row = require_complaint(tx, ticket_id)
    if row.complaint.owner_region != context.region:
        raise Refused(Reason.REASON_COMPLAINT_NOT_RESPONSIBLE, region=row.complaint.owner_region)
    require_caught_up(context, tx, facts(row.complaint), now)
    return row


def watch(tx: Transaction, context: RegionContext, complaint: Complaint) -> None:
    """Sets the timer of the next level, or removes the timer where no level is next."""
    timer_id = f"{ESCALATION_TIMER}/{complaint.ticket_id}"
    due = escalation.next_due(complaint, context.federation.working_hours)
    if due is None:
        cancel_timer(tx, timer_id)
    else:
        set_timer(tx, timer_id, kind=ESCALATION_TIMER, subject=complaint.ticket_id, due=due)


def forget(tx: Transaction, complaint: Complaint) -> None:
    """Removes the timers of a complaint that another region has accepted."""
    cancel_timer(tx, f"{ESCALATION_TIMER}/{complaint.ticket_id}")


def note_reached(
    tx: Transaction,
    context: RegionContext,
    complaint: Complaint,
    known: int,
    now: datetime,
    *,
    wait: timedelta = timedelta(),
) -> None:
    """Adds a row and an audit row for each level raised by this region, and notifies the escalation recipients.

    The notices wait for `wait`.
    """
    reached = [each for each in complaint.escalations if each.level > known and each.region == context.region]
    note_escalations(tx, complaint.ticket_id, reached)
    notify_recipients(tx, context, complaint, reached, now, due=now + wait)
    for each in reached:
        audit.append(
            tx,
            now=now,
            actor=f"region/{context.region}",
            action="EscalateComplaint",
            subject=complaint.ticket_id,
            detail=f"level {each.level}, {EscalationTrigger.Name(each.trigger)}",
        )


def _customer_says(context: RegionContext, complaint: Complaint, command: ComplaintCommand, now: datetime) -> None:
    """An answer of the customer starts the internal clock again where it had stopped; a question to a region not."""
    if not rules.is_unclassified(complaint):  # the customer may add the subject of such a complaint
        rules.require_state(complaint, "respond", rules.IN_PROGRESS, rules.PENDING, rules.HELD)
    rules.require_open(complaint, "respond")
    said = command.respond
    if said.asks_region:
        require_other_party(complaint, said.asks_region, complaint.origin_region)
    rules.note(complaint, _author(complaint, command), said.text, now, asks_region=said.asks_region)
    if not said.asks_region:
        _customer_has_answered(context, complaint, now)
    elif complaint.state == rules.IN_PROGRESS:
        rules.go_on(complaint, now)


def _customer_has_answered(context: RegionContext, complaint: Complaint, now: datetime) -> None:
    if complaint.state == rules.PENDING:
        _goes_on(context, complaint, now)


def _goes_on(context: RegionContext, complaint: Complaint, now: datetime) -> None:
    """Resumes the work after the customer's answer."""
    end_pause(context, complaint, now)
    rules.enter(complaint, rules.IN_PROGRESS, now=now, region=context.region, reason="customer answered")
    rules.go_on(complaint, now)


def _case_says(context: RegionContext, complaint: Complaint, command: ComplaintCommand, now: datetime) -> None:
    items.require_item(complaint)
    if command.HasField("share"):
        if items.share(complaint, command, now):
            _goes_on(context, complaint, now)
    elif command.HasField("reopen"):
        rules.require_state(complaint, "reopen", rules.RESOLVED)
        reopen(complaint)  # met deadlines are not moved
        end_pause(context, complaint, now)
        items.open_again(context, complaint, now)
    else:
        items.conclude(context, complaint, now)


def _first_contact_says(context: RegionContext, complaint: Complaint, command: ComplaintCommand, now: datetime) -> None:
    if command.HasField("repeats"):
        escalation.joined(complaint, command.repeats, now, context.region)
    else:
        _recalled(context, complaint, now)


def _recalled(context: RegionContext, complaint: Complaint, now: datetime) -> None:
    """Ends a complaint that is about something else: the origin region has it, and counts it."""
    rules.require_open(complaint, "recall")
    if complaint.state in (rules.HELD, rules.RESOLVED):  # from where TMF621 leads back to work only
        rules.enter(complaint, rules.IN_PROGRESS, now=now, region=context.region, reason="classified anew")
    rules.enter(complaint, rules.CANCELLED, now=now, region=context.region, reason="classified anew")
    complaint.owner_region = complaint.origin_region


def _refuse(context: RegionContext, complaint: Complaint, command: ComplaintCommand, now: datetime) -> None:
    rules.require_state(complaint, "refuse", rules.RESOLVED)
    rules.note(complaint, _author(complaint, command), command.refuse.reason, now)
    complaint.refusals += 1
    reopen(complaint)
    end_pause(context, complaint, now)
    rules.enter(complaint, rules.IN_PROGRESS, now=now, region=context.region, reason="refused by the customer")
    rules.go_on(complaint, now)
    escalation.refuse(complaint, now, context.region, to_regulator=command.refuse.to_regulator)
    escalation.repeated(complaint, now, context.region)  # the count may have grown after the resolution


def end_pause(context: RegionContext, complaint: Complaint, now: datetime) -> None:
    """Moves the open deadlines by a pause for the customer, or by the done time of a case's item.

    A done item keeps its holder until it is reopened.
    """
    last = complaint.custody[-1]
    start = from_timestamp(last.start_time)
    waited = last.reason == rules.WAITING_FOR_CUSTOMER or complaint.state == rules.RESOLVED
    if waited and now > start:
        resume(complaint, Pause(start, now), context.federation.working_hours)
        complaint.expected_resolution_time.CopyFrom(to_timestamp(promised(complaint)))


def _raised_elsewhere(tx: Transaction, context: RegionContext, complaint: Complaint, command: ComplaintCommand) -> None:
    """Stores escalations of the origin region, made while this region was unreachable, with notices sent.

    Levels also found here without a notice belong to that region: one region sends the notice of each level.
    """
    raised = command.raised
    if raised.reason:
        rules.note(complaint, raised.administrator, raised.reason, from_timestamp(raised.escalation.time))
    theirs = forgo(tx, complaint.ticket_id, raised.escalation.level)
    remove_escalations(tx, complaint.ticket_id, theirs)
    for each in complaint.escalations:
        is_theirs = each.level in theirs and each.region == context.region
        # Time and trigger of an escalation are decided by its region.
        if is_theirs or (each.level, each.region) == (raised.escalation.level, raised.escalation.region):
            level = each.level
            each.CopyFrom(raised.escalation)
            each.level = level
    if rules.is_final(complaint) or complaint.state == rules.RESOLVED:
        return
    for level in range(complaint.level + 1, min(raised.escalation.level, escalation.REGULATOR) + 1):
        each = complaint.escalations.add()
        each.CopyFrom(raised.escalation)
        each.level = level
        complaint.level = level


def keep_and_tell(tx: Transaction, context: RegionContext, row: ComplaintRow, before: Complaint, now: datetime) -> None:
    """Stores a decision outside of a receipt, and notifies the customer, or updates the origin region."""
    complaint = row.complaint
    rules.count_decision(complaint)
    watch(tx, context, complaint)
    note_reached(tx, context, complaint, before.level, now)
    change_complaint(tx, complaint, now)
    if complaint.origin_region == context.region:
        if not complaint.case_id:
            notices.tell_changed(tx, before, complaint, now)
        return
    tell_origin(tx, context, row, now)


def tell_origin(tx: Transaction, context: RegionContext, row: ComplaintRow, now: datetime) -> None:
    """Sends this region's version of a complaint to its origin region."""
    complaint = row.complaint
    send_about(
        tx,
        context,
        facts(complaint),
        EnvelopeKind.ENVELOPE_KIND_COMPLAINT_UPDATE,
        ComplaintUpdate(complaint=complaint),
        now,
        envelope_id=f"{complaint.ticket_id}@{complaint.version}",
        region=complaint.origin_region,
        traceparent=row.traceparent,
    )


def _author(complaint: Complaint, command: ComplaintCommand) -> str:
    return f"{complaint.origin_region}/{command.requester.staff_id}"
