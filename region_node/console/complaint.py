"""The page of a complaint: its text and clocks, its course, and the forms by which staff answer it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintChannel, Remedy
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
from gateway.api.types.v1.types_pb2 import Money
from gateway.errors import invalid
from gateway.time.clock import from_timestamp
from gateway.values.money import minor_units_of
from gateway.web.console.complaint_parts import clocks, complaint_state_cell, time_by_holder
from gateway.web.console.pages import ACT, Calling, Form, Shown, View, Visit
from gateway.web.console.parts import Choice, Event, Fact, Option, due_cell
from gateway.web.enum_words import number_of, told_word
from gateway.web.tables import Cell, Table
from gateway.wording.complaints import state_word
from gateway.wording.languages import in_language, translated
from gateway.wording.terms import category_name, cause_name, learned, region_name
from gateway.wording.times import told_if_set, told_time
from gateway.wording.words import word
from region_node.care.complaints import rules
from region_node.care.complaints.course import happened
from region_node.console import rpcs

_TAB = "/complaints"
_ID = "id"
_RESPOND, _NOTE, _PROPOSE = "respond", "note", "propose"
_TEXT, _ASK, _CAUSE, _REMEDY, _AMOUNT = "text", "ask", "cause", "remedy", "amount"
_CURRENCY = "CNY"
_WAIT = timedelta(seconds=15)


def path_of(ticket_id: str) -> str:
    """The path of the page of a complaint."""
    return f"{_TAB}/{ticket_id}"


@dataclass(frozen=True)
class _Entry:
    """A form with one text."""

    heading: str
    act: str
    request_id: str
    label: str
    text: str = field(repr=False)
    longest: int
    send: str
    ask: str = ""
    """The label of the choice that the customer has to answer first; empty for no such choice."""
    is_ask: bool = False


@dataclass(frozen=True)
class _Proposal:
    """The choices of a resolution."""

    entry: _Entry
    cause: Choice
    remedy: Choice
    amount_label: str
    amount: str = field(repr=False)


@dataclass(frozen=True)
class _Page:
    """The page as `complaint.html.j2` shows it, in its order."""

    state: Cell
    due: Cell
    category: str
    responsible: str
    description_heading: str
    description: str = field(repr=False)
    facts_heading: str
    facts: Sequence[Fact]
    tables: Sequence[tuple[str, Table]]
    course_heading: str
    course: Sequence[Event]
    proposal: _Proposal | None
    entries: Sequence[_Entry]


async def _read(visit: Visit, calling: Calling) -> GetComplaintResponse:
    return await calling.ask(rpcs.GET_COMPLAINT, GetComplaintRequest(ticket_id=visit.names[_ID]))


def _show(visit: Visit, found: GetComplaintResponse) -> Shown:
    complaint = found.complaint
    is_own = rules.is_work_of(complaint, visit.person.region)
    page = _Page(
        state=complaint_state_cell(complaint),
        due=due_cell(complaint.expected_resolution_time, visit.now) if is_own else Cell(""),
        category=category_name(complaint.request.category) or translated("not classified"),
        responsible=f"{region_name(complaint.owner_region)} {in_language(complaint.department)}".strip(),
        description_heading=translated("Text"),
        description=complaint.request.description,
        facts_heading=translated("Complaint"),
        facts=_facts(complaint),
        tables=[(heading, table) for heading, table in _tables(visit, found) if table.rows],
        course_heading=translated("Course"),
        course=_course(found),
        proposal=_proposal(visit) if is_own else None,
        entries=[*_answers(visit, complaint), _private_note(visit)],
    )
    return Shown("complaint.html.j2", complaint.ticket_id, page, _TAB)


def _facts(complaint: Complaint) -> Sequence[Fact]:
    request = complaint.request
    facts = [
        Fact(translated("Number"), request.number),
        Fact(translated("Contact"), request.contact_number),
        Fact(translated("Filed"), told_if_set(complaint.create_time)),
        Fact(translated("Filed in"), region_name(complaint.origin_region)),
        Fact(translated("Came by"), word(ComplaintChannel.Name(request.channel), "COMPLAINT_CHANNEL_")),
        Fact(translated("Remedy sought"), word(Remedy.Name(request.remedy_sought), "REMEDY_")),
        Fact(translated("Level"), f"L{complaint.level}" if complaint.level else ""),
        Fact(translated("Repeats"), complaint.repeated_ticket_id),
        Fact(translated("Work item of"), complaint.case_id),
        Fact(translated("Group"), complaint.group_id),
        Fact(translated("Promised"), told_if_set(complaint.expected_resolution_time)),
    ]
    return [each for each in facts if each.text]


def _tables(visit: Visit, found: GetComplaintResponse) -> Sequence[tuple[str, Table]]:
    complaint = found.complaint
    lateness = found.lateness.ToTimedelta() if found.HasField("lateness") else None
    return [
        (
            translated("Clocks"),
            clocks(complaint.deadlines, complaint.state, visit.now, is_over=rules.is_final(complaint)),
        ),
        (translated("Time by holder"), time_by_holder(found.ledger, lateness)),
        (translated("Category by its words"), _candidates(complaint)),
    ]


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
    course = sorted([*happened(found.complaint), *private], key=lambda each: each[0])
    return [Event(told_time(time), "", who, happening) for time, who, happening in course]


def _entered(visit: Visit, act: str, name: str) -> str:
    """The value that was entered into a form that was refused."""
    return visit.form.text(name) if visit.form.text(ACT) == act else ""


def _answers(visit: Visit, complaint: Complaint) -> Iterator[_Entry]:
    """The form for an answer of this region, or for the customer's words where another region handles the complaint.

    None where this region has neither to say.
    """
    region = visit.person.region
    is_answered = rules.is_answered_by(complaint, region)
    if rules.is_final(complaint) or not (is_answered or rules.is_passed_on_by(complaint, region)):
        return
    yield _Entry(
        heading=translated("Answer") if is_answered else translated("What the customer says"),
        act=_RESPOND,
        request_id=visit.id_for(_RESPOND),
        label=translated("Note for the customer and the regions")
        if is_answered
        else translated("In the customer's words, for the region that handles the complaint"),
        text=_entered(visit, _RESPOND, _TEXT),
        longest=rules.NOTE_LIMIT,
        send=translated("Add the note") if is_answered else translated("Pass it on"),
        ask=translated("The customer has to answer first") if rules.is_work_of(complaint, region) else "",
        is_ask=bool(_entered(visit, _RESPOND, _ASK)),
    )


def _private_note(visit: Visit) -> _Entry:
    return _Entry(
        heading=translated("Private note"),
        act=_NOTE,
        request_id=visit.id_for(_NOTE),
        label=translated("Only staff of this region see it"),
        text=_entered(visit, _NOTE, _TEXT),
        longest=rules.NOTE_LIMIT,
        send=translated("Add the private note"),
    )


def _proposal(visit: Visit) -> _Proposal:
    entry = _Entry(
        heading=translated("Propose a resolution"),
        act=_PROPOSE,
        request_id=visit.id_for(_PROPOSE),
        label=translated("Resolution, for the customer"),
        text=_entered(visit, _PROPOSE, _TEXT),
        longest=rules.NOTE_LIMIT,
        send=translated("Propose"),
    )
    causes = [Option(each.code, cause_name(each.code)) for each in learned().resolution_causes]
    remedies = [
        Option(told_word(Remedy.DESCRIPTOR, each), word(Remedy.Name(each), "REMEDY_")) for each in Remedy.values()[1:]
    ]
    return _Proposal(
        entry=entry,
        cause=Choice(_CAUSE, translated("Cause"), causes, _entered(visit, _PROPOSE, _CAUSE)),
        remedy=Choice(_REMEDY, translated("Remedy"), remedies, _entered(visit, _PROPOSE, _REMEDY)),
        amount_label=translated("Amount of a refund or a credit, in {currency}: 12.00", currency=_CURRENCY),
        amount=_entered(visit, _PROPOSE, _AMOUNT),
    )


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
    remedy = number_of(Remedy.DESCRIPTOR, visit.form.text(_REMEDY))
    if remedy is None:
        raise invalid(_REMEDY, "is not chosen", "未选择")
    request = ProposeResolutionRequest(
        request_id=visit.request_id,
        ticket_id=visit.names[_ID],
        text=visit.form.text(_TEXT),
        cause_code=visit.form.text(_CAUSE),
        remedy=Remedy.ValueType(remedy),
    )
    if said := visit.form.text(_AMOUNT):
        amount = minor_units_of(said if "." in said else f"{said}.00")
        if amount is None:
            raise invalid(_AMOUNT, "is no amount, as 12.00", "不是金额，例如12.00")
        request.amount.CopyFrom(Money(minor_units=amount, currency=_CURRENCY))
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
        Form.of(_RESPOND, rpcs.RESPOND_TO_COMPLAINT, _respond, _responded, (_TEXT, _ASK)),
        Form.of(_NOTE, rpcs.ADD_PRIVATE_NOTE, _add_note, _noted, (_TEXT,)),
        Form.of(_PROPOSE, rpcs.PROPOSE_RESOLUTION, _propose, _proposed, (_TEXT, _CAUSE, _REMEDY, _AMOUNT)),
    ),
)
