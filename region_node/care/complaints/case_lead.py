"""The lead region of a case: opens work items, and keeps the case and its items consistent.

The case is the hub: a change of an item changes the case. A message in the case goes to every item, once. `follow` does
both from stored data, after every change of a complaint.
"""

import contextlib
from collections.abc import Sequence
from datetime import datetime

from gateway.api.federation.v1.configuration_pb2 import Department
from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintCommand, ComplaintFiling
from gateway.api.region.v1.complaint_pb2 import (
    Complaint,
    ComplaintNote,
    ComplaintReturn,
    ReturnReason,
    WorkItem,
)
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.store.port import Transaction
from gateway.time.clock import to_timestamp
from region_node.care.complaints import cases, escalation, notices, owner, rules
from region_node.care.complaints.deadlines import meet
from region_node.care.complaints.keeping import add_complaint, change_complaint
from region_node.care.complaints.limits import set_deadlines
from region_node.care.complaints.rows import ComplaintRow, find_complaint
from region_node.care.complaints.rules import Concerned
from region_node.care.complaints.sending import send_to_region
from region_node.care.complaints.sent_counts import SentCounts, keep_sent_counts, sent_counts_of
from region_node.node.context import RegionContext

_ITEMS_ASK = "work items ask the customer"
_GOES_ON = "work items go on"


def open_case(
    tx: Transaction, context: RegionContext, row: ComplaintRow, whose: Sequence[Concerned], now: datetime
) -> None:
    """Gives a new case its work items; without a responsible department, an item that awaits the coordinator.

    The case is changed in place; the caller stores it.
    """
    case = row.complaint
    for each in whose:
        open_item(tx, context, row, each, now)
    if not whose:
        _await_coordinator(case, now)
    _hand_on(context, case, now)


def assign_anew(
    tx: Transaction, context: RegionContext, row: ComplaintRow, whose: Sequence[Concerned], now: datetime
) -> None:
    """Replaces a case's unassigned departments by those of another category.

    The case is changed in place; the caller stores it.
    """
    case = row.complaint
    waiting = [each.number for each in case.items if each.state == cases.AWAITING_COORDINATOR]
    opened = [open_item(tx, context, row, each, now).number for each in whose]
    if not opened and not waiting:
        _await_coordinator(case, now)
    for each in case.items:
        if opened and each.number in waiting:
            cases.move(each, cases.ASSIGNED, now)
            each.assigned_as = opened[0]
    settle(tx, context, row, now)


def open_item(
    tx: Transaction, context: RegionContext, row: ComplaintRow, whose: Concerned, now: datetime, assigned_by: str = ""
) -> WorkItem:
    """Adds a work item, and files its complaint: here for an own department, else with its region.

    The case is changed in place; the caller stores it. Raises Refused before the first write.
    """
    case, moment = row.complaint, to_timestamp(now)
    number = len(case.items) + 1
    complaint = Complaint(
        ticket_id=cases.ticket_id_of(case.ticket_id, number),
        case_id=case.ticket_id,
        request=case.request,
        origin_region=context.region,
        operator=case.operator,
        home_region=case.home_region,
        owner_region=whose.region,
        department=whose.department.name,
        severity=case.severity,
        create_time=moment,
        notes=[cases.note_for(each, whose.region) for each in case.notes],
        refusals=case.refusals,
        attachments=case.attachments,
    )
    complaint.request.ClearField("contact_number")  # the customer's contact stays with the case
    rules.enter(complaint, rules.ACKNOWLEDGED, now=now, region=context.region, reason="received")
    category = context.federation.complaint_category(complaint.request.category)
    set_deadlines(context.federation, complaint, category, now)
    escalation.file(complaint, now, context.region)
    escalation.classified(complaint, now, context.region)
    is_own = whose.region == context.region
    rules.hand_over(complaint, whose.region, rules.WORKING if is_own else rules.WAITING_FOR_REGION, now)
    owner.note_reached(tx, context, complaint, -1, now)
    filed = ComplaintRow(complaint, row.traceparent)
    if is_own:
        owner.take_up(tx, context, complaint, now)
    else:
        send_to_region(tx, context, filed, f"{complaint.ticket_id}#file", ComplaintFiling(complaint=complaint), now)
        owner.watch(tx, context, complaint)
    add_complaint(tx, filed, 0, now)
    item = case.items.add(
        number=number,
        ticket_id=complaint.ticket_id,
        region=whose.region,
        department=whose.department,
        open_time=moment,
        state_time=moment,
        administrator=assigned_by,
    )
    keep_sent_counts(tx, complaint.ticket_id, SentCounts.all_of(case))
    item.state = cases.state_of(item, complaint, case.refusals)
    return item


def lead(context: RegionContext, complaint: Complaint, now: datetime) -> None:
    """Turns a complaint returned by its only owner region into a case, whose item awaits the coordinator.

    It is changed in place; the caller stores it.
    """
    returned_by = complaint.owner_region
    category = context.federation.complaint_category(complaint.request.category)
    named = [each for each in category.departments if each.name == complaint.department]
    complaint.items.add(
        number=1,
        # The end of the case ends that region's copy.
        ticket_id=complaint.ticket_id if returned_by != context.region else "",
        region=returned_by,
        department=named[0] if named else Department(name=complaint.department),
        state=cases.AWAITING_COORDINATOR,
        open_time=complaint.create_time,
        state_time=complaint.returned.time,
        returned=complaint.returned,
    )
    complaint.ClearField("returned")
    complaint.owner_region = context.region
    rules.enter(complaint, rules.IN_PROGRESS, now=now, region=context.region, reason="given back")
    _hand_on(context, complaint, now)


def refused_by_node(complaint: Complaint, region: str, why: str, now: datetime) -> None:
    """Returns the filing that a region's node refused, with a note of the reason. Changes the complaint in place."""
    rules.note(complaint, region, why[: rules.NOTE_LIMIT], now)
    complaint.returned.CopyFrom(
        ComplaintReturn(reason=ReturnReason.RETURN_REASON_REFUSED, author=region, time=to_timestamp(now))
    )


def refuse_item(tx: Transaction, context: RegionContext, complaint: Complaint, why: str, now: datetime) -> None:
    """Returns a work item whose filing the region's node refused and did not store.

    A note of the case has the reason.
    """
    refused_by_node(complaint, complaint.owner_region, why, now)
    rules.enter(complaint, rules.CANCELLED, now=now, region=context.region, reason="given back")
    owner.forget(tx, complaint)
    change_complaint(tx, complaint, now)
    follow(tx, context, complaint, now)


def follow(
    tx: Transaction, context: RegionContext, changed: Complaint, now: datetime, *, by_customer: bool = False
) -> None:
    """Updates the case from a change in itself or in a work item, and sends the news to every item.

    Nothing happens for a complaint outside of a case led here. `by_customer` means a new message of the customer in the
    case.
    """
    is_item = bool(changed.case_id)
    if changed.origin_region != context.region or not (is_item or changed.items):
        return
    row = find_complaint(tx, changed.case_id or changed.ticket_id)
    if row is None or (is_item and rules.is_final(row.complaint)):
        return
    case, before = row.complaint, row.complaint.SerializeToString(deterministic=True)
    known = case.level
    if is_item:
        _take_in(tx, case, changed, now)
    settle(tx, context, row, now, by_customer=by_customer)
    escalation.disagreed(case, now, context.region)
    owner.note_reached(tx, context, case, known, now)
    if case.SerializeToString(deterministic=True) != before:
        case.version += 1
        owner.watch(tx, context, case)
        change_complaint(tx, case, now)


def settle(
    tx: Transaction, context: RegionContext, row: ComplaintRow, now: datetime, *, by_customer: bool = False
) -> None:
    """Sends every item the news, and books the case's time to its new holder. Changes the case in place."""
    case = row.complaint
    for item in case.items:
        if rules.is_final(case):
            _conclude(tx, context, row, item, now)
        elif item.state in cases.RECEIVING:
            _send_news(tx, context, row, item, now, by_customer=by_customer)
    if case.state in (rules.IN_PROGRESS, rules.PENDING):
        _hand_on(context, case, now)


def _take_in(tx: Transaction, case: Complaint, complaint: Complaint, now: datetime) -> None:
    """Takes over the changes of a work item, and its region's notes."""
    item = cases.find_item(case, complaint.ticket_id)
    if item is None:
        return
    # The item's region writes for itself only. Notes of its node have no name behind the region.
    own = [each for each in complaint.notes if each.author.partition("/")[0] == item.region]
    fresh = cases.unknown_notes(case, own)
    is_asked = any(each.asks_customer for each in fresh)
    refusals = sent_counts_of(tx, item.ticket_id).refusals
    cases.move(item, cases.state_of(item, complaint, refusals, is_asked=is_asked), now)
    if complaint.HasField("returned"):
        item.returned.CopyFrom(complaint.returned)
    cases.take_answers(case, complaint)
    if cases.take_attachments(case, complaint):
        failpoints.reach("complaint-attachment-taken.before-commit")
    for each in fresh:
        case.notes.append(cases.note_for(each, case.owner_region))
    if any(_answers(each, complaint) for each in fresh):
        meet(case, (rules.FIRST_RESPONSE, rules.EXPEDITE), now)
    if is_asked:
        notices.tell_asked(tx, case, now)


def _answers(note: ComplaintNote, complaint: Complaint) -> bool:
    """Whether a note of a work item answers the customer, as it would in a complaint.

    Questions to another region, and the reason of a return, do not.
    """
    returned = complaint.returned
    return not note.asks_region and (note.author, note.time) != (returned.author, returned.time)


def _send_news(
    tx: Transaction, context: RegionContext, row: ComplaintRow, item: WorkItem, now: datetime, *, by_customer: bool
) -> None:
    case, known = row.complaint, find_complaint(tx, item.ticket_id)
    if known is None:  # made unreadable since
        return
    sent = sent_counts_of(tx, item.ticket_id)
    unknown = cases.unknown_notes(known.complaint, case.notes[sent.notes :])
    for index, each in enumerate(case.notes):
        if index >= sent.notes and each in unknown:
            command = ComplaintCommand(
                share=ComplaintCommand.Share(note=cases.note_for(each, item.region), by_customer=by_customer)
            )
            _say(tx, context, row, item, f"share{index}", command, now)
    there = {each.id for each in known.complaint.attachments}
    for index, attachment in enumerate(case.attachments):
        if index >= sent.attachments and attachment.id not in there:
            command = ComplaintCommand(share=ComplaintCommand.Share(attachment=attachment, by_customer=by_customer))
            _say(tx, context, row, item, f"attached{index}", command, now)
    if by_customer and item.state == cases.AWAITING_CUSTOMER:
        cases.move(item, cases.AT_WORK, now)
    if sent.refusals < case.refusals and item.state == cases.DONE:
        command = ComplaintCommand(reopen=ComplaintCommand.Reopen())
        _say(tx, context, row, item, f"reopen{case.refusals}", command, now)
        cases.move(item, cases.AT_WORK, now)
    hastened = len(case.expedites)
    if sent.expedites < hastened and item.state in (cases.AWAITING_REGION, cases.AT_WORK):
        command = ComplaintCommand(expedite=ComplaintCommand.Expedite())
        command.requester.staff_id = case.expedites[-1].staff_id
        _say(tx, context, row, item, f"expedite{hastened}", command, now)
    if sent != (all_sent := SentCounts.all_of(case)):
        keep_sent_counts(tx, item.ticket_id, all_sent)


def _conclude(tx: Transaction, context: RegionContext, row: ComplaintRow, item: WorkItem, now: datetime) -> None:
    """Ends the case with all its items."""
    if item.state in (cases.ENDED, cases.DROPPED):
        return
    cases.move(item, cases.ENDED if item.state == cases.DONE else cases.DROPPED, now)
    if item.ticket_id and item.returned.reason != ReturnReason.RETURN_REASON_REFUSED:
        _say(tx, context, row, item, "conclude", ComplaintCommand(conclude=ComplaintCommand.Conclude()), now)


def _say(
    tx: Transaction,
    context: RegionContext,
    row: ComplaintRow,
    item: WorkItem,
    what: str,
    command: ComplaintCommand,
    now: datetime,
) -> None:
    """Sends a command of the case to a work item: executed immediately for an own item."""
    command.ticket_id = item.ticket_id
    if item.region == context.region:
        with contextlib.suppress(Refused):  # as with another region's receipt, for which nobody waits either
            owner.apply_command(tx, context, command, now)
        return
    case = row.complaint
    addressed = ComplaintRow(Complaint(ticket_id=item.ticket_id, operator=case.operator), row.traceparent)
    send_to_region(tx, context, addressed, f"{item.ticket_id}#{what}", command, now, region=item.region)


def _await_coordinator(case: Complaint, now: datetime) -> None:
    """Puts the case before the coordinator, who assigns it."""
    moment, number = to_timestamp(now), len(case.items) + 1
    case.items.add(number=number, state=cases.AWAITING_COORDINATOR, open_time=moment, state_time=moment)


def _hand_on(context: RegionContext, case: Complaint, now: datetime) -> None:
    """Books the time from now on to the holder of the case. A question of the case to the customer makes it wait."""
    items_ask = case.state == rules.PENDING and case.state_changes[-1].reason == _ITEMS_ASK
    if case.state == rules.PENDING and not items_ask:
        return
    region, reason = cases.holder(case, context.region)
    if reason == rules.WAITING_FOR_CUSTOMER:
        rules.enter(case, rules.PENDING, now=now, region=context.region, reason=_ITEMS_ASK)
    else:
        owner.end_pause(context, case, now)
        rules.enter(case, rules.IN_PROGRESS, now=now, region=context.region, reason=_GOES_ON)
    rules.hand_over(case, region, reason, now)
