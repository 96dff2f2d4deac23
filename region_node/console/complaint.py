"""The page of a complaint: its text and clocks, its case and its money, its course, and the forms of staff."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.region.v1.complaint_pb2 import (
    Complaint,
    ComplaintChannel,
    Remedy,
    RemedyState,
    ReturnReason,
    WorkItem,
    WorkItemState,
)
from gateway.api.region.v1.complaint_service_pb2 import (
    AddPrivateNoteRequest,
    AddPrivateNoteResponse,
    GetComplaintRequest,
    GetComplaintResponse,
    ProposeResolutionRequest,
    ProposeResolutionResponse,
    RespondToComplaintRequest,
    RespondToComplaintResponse,
)
from gateway.time.clock import from_timestamp
from gateway.values.money import in_major_units
from gateway.web.console.complaint_parts import clocks, complaint_state_cell, time_by_holder
from gateway.web.console.entries import CURRENCY, Entry, Field, amount_of, entry, options_of, value_chosen
from gateway.web.console.pages import Calling, Form, Shown, View, Visit
from gateway.web.console.parts import Event, Fact, Option, due_cell
from gateway.web.console.ticket import TicketPage, course, filled, known
from gateway.web.tables import Cell, Table
from gateway.wording.complaints import state_word
from gateway.wording.languages import headed, in_language, translated
from gateway.wording.refusals import told_error
from gateway.wording.terms import category_name, cause_name, learned, region_name
from gateway.wording.times import told_if_set, told_time
from gateway.wording.words import value_word
from region_node.business.billing.rules import Month
from region_node.care.complaints import rules
from region_node.care.complaints.course import happened
from region_node.care.complaints.steps import ASK, PASS_ON, PROPOSE, RESPOND, steps_of
from region_node.console import complaint_commands, rpcs
from region_node.console.words import IDENTITY_CHECK, number_fact, order_path

_TAB = "/complaints"
_ID = "id"
_NOTE = "note"
_TEXT, _ASK, _CAUSE, _REMEDY, _AMOUNT = "text", "ask", "cause", "remedy", "amount"
_YES = "yes"
_WAIT = timedelta(seconds=15)


def path_of(ticket_id: str) -> str:
    """The path of the page of a complaint."""
    return f"{_TAB}/{ticket_id}"


def due(complaint: Complaint, now: datetime) -> Cell:
    """How near the promised answer is; nothing where none is due, or the customer has to answer first."""
    return due_cell(due_time(complaint), now)


def due_time(complaint: Complaint) -> Timestamp:
    """Until when an answer is promised; unset where `due` shows nothing."""
    return complaint.expected_resolution_time if rules.owes_answer(complaint) else Timestamp()


async def _read(visit: Visit, calling: Calling) -> GetComplaintResponse:
    return await calling.ask(rpcs.GET_COMPLAINT, GetComplaintRequest(ticket_id=visit.names[_ID]))


def _show(visit: Visit, found: GetComplaintResponse) -> Shown:
    complaint = found.complaint
    steps = frozenset(steps_of(complaint, visit.person.region))
    is_own = rules.is_work_of(complaint, visit.person.region)
    request = complaint.request
    category = category_name(request.category) or translated("not classified")
    responsible = f"{region_name(complaint.owner_region)} {in_language(complaint.department)}".strip()
    page = TicketPage(
        state=complaint_state_cell(complaint),
        due=due(complaint, visit.now) if is_own else Cell(""),
        about=f"{category} · {responsible}",
        texts=known([Fact(translated("Text"), request.description)]),
        facts_heading=translated("Complaint"),
        facts=_facts(visit, complaint),
        tables=_tables(visit, found),
        course_heading=translated("Course"),
        course=_course(found),
        entries=[*_entries(visit, complaint, steps), _private_note(visit)],
        groups=complaint_commands.groups(visit, complaint, steps),
    )
    return page.shown(complaint.ticket_id, _TAB)


def _facts(visit: Visit, complaint: Complaint) -> Sequence[Fact]:
    request = complaint.request
    facts = [
        number_fact(visit, request.number),
        Fact(translated("Contact"), request.contact_number),
        Fact(translated("Filed"), told_if_set(complaint.create_time)),
        Fact(translated("Filed in"), region_name(complaint.origin_region)),
        Fact(translated("Came by"), value_word(ComplaintChannel.DESCRIPTOR, request.channel)),
        Fact(translated("Remedy sought"), value_word(Remedy.DESCRIPTOR, request.remedy_sought)),
        Fact(translated("Level"), f"L{complaint.level}" if complaint.level else ""),
        Fact(translated("Repeats"), complaint.repeated_ticket_id),
        Fact(translated("Work item of"), complaint.case_id, _place_in_case(visit, complaint, complaint.case_id)),
        Fact(translated("Group"), complaint.group_id),
        Fact(translated("Promised"), told_if_set(complaint.expected_resolution_time)),
        *_resolution(visit, complaint),
        Fact(translated("Satisfaction"), _satisfaction(complaint.rating)),
    ]
    return known(facts)


def _resolution(visit: Visit, complaint: Complaint) -> Sequence[Fact]:
    """What was proposed, and what has become of the money."""
    proposed, money = complaint.resolution, complaint.remedy
    remedy = amount = state = waits = path = ""
    if money.order_id and visit.person.region in (complaint.owner_region, complaint.home_region):
        path = visit.address(order_path(money.order_id))  # no other region has the order
    if proposed.remedy:
        remedy = value_word(Remedy.DESCRIPTOR, proposed.remedy)
    if proposed.HasField("amount"):
        amount = in_major_units(proposed.amount.minor_units, proposed.amount.currency)
    if money.state:
        state = f"{value_word(RemedyState.DESCRIPTOR, money.state)} · {told_if_set(money.state_time)}"
    if money.awaiting_action:
        told = translated(money.awaiting_action)
        waits = headed(region, told) if (region := region_name(money.awaiting_region)) else told
    return [
        Fact(translated("Resolution"), proposed.text),
        Fact(translated("Cause"), cause_name(proposed.cause_code) if proposed.cause_code else ""),
        Fact(translated("Remedy"), f"{remedy} {amount}".strip()),
        Fact(translated("Money"), state),
        Fact(translated("Order of the money"), money.order_id, path),
        *_on_the_bill(visit, complaint),
        Fact(translated("The money waits for"), waits),
        Fact(translated("Not booked because"), told_error(money.error)),
        Fact(translated("Settled otherwise"), money.note),
    ]


def _on_the_bill(visit: Visit, complaint: Complaint) -> Iterator[Fact]:
    """The bill with the booked money, which a code of the customer opens. Its month is one of the home region."""
    booked, home = rules.booked_time(complaint), complaint.home_region
    zone = next((each.time_zone for each in learned().regions if each.region == home), "")
    if booked is not None and zone:
        month = Month.at(booked, zone).name
        address = visit.address(IDENTITY_CHECK, number=complaint.request.number, month=month)
        yield Fact(translated("On the bill of"), month, address)


def _satisfaction(rating: int) -> str:
    """The rating of the customer; empty without one."""
    return translated("{rating} of {highest}", rating=rating, highest=rules.HIGHEST_RATING) if rating else ""


def _tables(visit: Visit, found: GetComplaintResponse) -> Sequence[Table]:
    complaint = found.complaint
    lateness = found.lateness.ToTimedelta() if found.HasField("lateness") else None
    limits = clocks(complaint.deadlines, complaint.state_changes, visit.now, is_over=rules.is_final(complaint))
    return filled([limits, _items(visit, complaint), time_by_holder(found.ledger, lateness), _candidates(complaint)])


def _items(visit: Visit, complaint: Complaint) -> Table:
    """The work items of a case: which region has what, and how far it is."""
    head = [
        Cell(translated("Work item"), "col"),
        Cell(translated("Responsible"), "col"),
        Cell(translated("State"), "col"),
        Cell(translated("Since"), "col"),
    ]
    rows = [
        [
            Cell(
                each.ticket_id or f"{complaint.ticket_id}/{each.number}",
                "row",
                href=_place_in_case(visit, complaint, each.ticket_id),
            ),
            Cell(f"{region_name(each.region)} {in_language(each.department.name)}".strip() or translated("nobody yet")),
            Cell(value_word(WorkItemState.DESCRIPTOR, each.state), note=_why_returned(each)),
            Cell(told_time(each.state_time), style="time"),
        ]
        for each in complaint.items
    ]
    return Table(label=translated("Work items"), head=head, rows=rows)


def _place_in_case(visit: Visit, complaint: Complaint, ticket_id: str) -> str:
    """The address of another complaint of the same case; empty where the region of the visitor may lack it."""
    is_other = ticket_id not in ("", complaint.ticket_id)
    return visit.address(path_of(ticket_id)) if is_other and rules.leads_case(complaint, visit.person.region) else ""


def _why_returned(item: WorkItem) -> str:
    reason = item.returned.reason
    return value_word(ReturnReason.DESCRIPTOR, reason) if reason else ""


def _candidates(complaint: Complaint) -> Table:
    head = [
        Cell(translated("Category"), "col"),
        Cell(translated("Confidence"), "col"),
        Cell(translated("Words"), "col"),
    ]
    rows = [
        [
            Cell(category_name(each.category), "row"),
            Cell(f"{each.confidence:.0%}"),
            Cell(" · ".join(found.text for found in each.words)),
        ]
        for each in complaint.classification.candidates
    ]
    return Table(label=translated("Category by its words"), head=head, rows=rows)


def _course(found: GetComplaintResponse) -> Sequence[Event]:
    """All that has happened, oldest first; private notes too."""
    private = [
        (from_timestamp(each.time), each.author, translated("private: {text}", text=each.text))
        for each in found.private_notes
    ]
    return course([*happened(found.complaint), *private])


def _entries(visit: Visit, complaint: Complaint, steps: Collection[str]) -> Iterator[Entry]:
    """The forms that the complaint allows, and the one that was sent and refused: what was entered stays there."""
    proposal, answer = _proposal(visit, complaint), _answer(visit, complaint, may_ask=ASK in steps)
    if proposal.is_entered or PROPOSE in steps:
        yield proposal
    if answer.is_entered or RESPOND in steps or PASS_ON in steps:
        yield answer


def _answer(visit: Visit, complaint: Complaint, *, may_ask: bool) -> Entry:
    """The form for an answer of this region, or for the customer's words where another region handles the complaint."""
    region = visit.person.region
    is_answered = rules.is_answered_by(complaint, region)
    label = (
        translated("Note for the customer and the regions")
        if is_answered
        else translated("In the customer's words, for the region that handles the complaint")
    )
    fields = [_text(label)]
    heading = translated("Answer") if is_answered else translated("What the customer says")
    if is_answered and rules.is_unclassified(complaint):  # the desk has no answer yet
        heading = translated("Ask the customer")
        fields.append(Field(_ASK, "hidden", "", text=_YES))
    elif may_ask:
        fields.append(Field(_ASK, "tick", translated("The customer has to answer first"), is_required=False))
    return entry(
        visit,
        RESPOND,
        heading,
        translated("Add the note") if is_answered else translated("Pass it on"),
        fields,
    )


def _private_note(visit: Visit) -> Entry:
    title, hint = translated("Private note"), translated("Only staff of this region see it.")
    return entry(visit, _NOTE, title, translated("Add the private note"), [replace(_text(title), hint=hint)])


def _proposal(visit: Visit, complaint: Complaint) -> Entry:
    causes = [Option(each.code, cause_name(each.code)) for each in learned().resolution_causes]
    pays = rules.brings_money(complaint)
    remedies = options_of(Remedy.DESCRIPTOR, without=() if pays else rules.OF_MONEY)
    fields = [
        _text(translated("Resolution, for the customer")),
        Field(_CAUSE, "choice", translated("Cause"), options=causes),
        Field(_REMEDY, "choice", translated("Remedy"), options=remedies),
    ]
    if pays:
        amount = translated("Amount of a refund or a credit, in {currency}, for example 12.00", currency=CURRENCY)
        fields.append(Field(_AMOUNT, "amount", amount, is_required=False))
    return entry(visit, PROPOSE, translated("Propose a resolution"), translated("Propose"), fields)


def _text(label: str) -> Field:
    return Field(_TEXT, "text", label, longest=rules.NOTE_LIMIT)


def _respond(visit: Visit) -> RespondToComplaintRequest:
    request = RespondToComplaintRequest(
        request_id=visit.request_id,
        ticket_id=visit.names[_ID],
        text=visit.form.text(_TEXT),
        ask_customer=bool(visit.form.text(_ASK)),
    )
    request.wait.FromTimedelta(_WAIT)  # only where another region handles it
    return request


def _add_note(visit: Visit) -> AddPrivateNoteRequest:
    return AddPrivateNoteRequest(request_id=visit.request_id, ticket_id=visit.names[_ID], text=visit.form.text(_TEXT))


def _propose(visit: Visit) -> ProposeResolutionRequest:
    request = ProposeResolutionRequest(
        request_id=visit.request_id,
        ticket_id=visit.names[_ID],
        text=visit.form.text(_TEXT),
        cause_code=visit.form.text(_CAUSE),
        remedy=Remedy.ValueType(value_chosen(visit, _REMEDY, Remedy.DESCRIPTOR)),
    )
    if visit.form.text(_AMOUNT):
        request.amount.CopyFrom(amount_of(visit, _AMOUNT))
    return request


def _responded(_: Visit, answer: RespondToComplaintResponse) -> str:
    return translated("Noted. The complaint is now: {state}.", state=state_word(answer.complaint.state))


def _noted(_: Visit, __: AddPrivateNoteResponse) -> str:
    return translated("Noted for the staff of this region.")


def _proposed(_: Visit, answer: ProposeResolutionResponse) -> str:
    return translated("Proposed. The complaint is now: {state}.", state=state_word(answer.complaint.state))


VIEW = View.of(
    "/complaints/{id:.+}",
    (rpcs.GET_COMPLAINT,),
    _read,
    _show,
    forms=(
        Form.of(RESPOND, rpcs.RESPOND_TO_COMPLAINT, _respond, _responded, (_TEXT, _ASK)),
        Form.of(_NOTE, rpcs.ADD_PRIVATE_NOTE, _add_note, _noted, (_TEXT,)),
        Form.of(PROPOSE, rpcs.PROPOSE_RESOLUTION, _propose, _proposed, (_TEXT, _CAUSE, _REMEDY, _AMOUNT)),
        *complaint_commands.FORMS,
    ),
)
