"""The page of a fault: its state and limits, its course, the steps of staff, and the words of the customer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from gateway.api.region.v1.fault_pb2 import (
    Fault,
    FaultCause,
    FaultReview,
    QuoteState,
    RepairMode,
)
from gateway.api.region.v1.fault_service_pb2 import (
    CancelFaultRequest,
    CancelFaultResponse,
    FoundPlace,
    GetFaultRequest,
    RespondToFaultRequest,
    RespondToFaultResponse,
    WorkOnFaultRequest,
    WorkOnFaultResponse,
)
from gateway.values.money import in_major_units
from gateway.web.console.entries import CURRENCY, Entry, Field, Group, entry
from gateway.web.console.pages import Calling, Form, Shown, View, Visit
from gateway.web.console.parts import Fact, due_cell
from gateway.web.console.ticket import TicketPage, course, filled, known
from gateway.web.tables import Cell, Table
from gateway.wording.languages import enumerated, headed, translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set, told_time
from gateway.wording.words import value_word
from region_node.console import rpcs
from region_node.console.places import names_of, read_places
from region_node.console.steps import Steps, with_sent
from region_node.console.words import (
    alarm_path,
    fault_due,
    fault_severity,
    fault_state,
    fault_state_cell,
    number_fact,
    submitted_by,
)
from region_node.network.faults import rules
from region_node.network.faults.course import given_back, happened, place_of, put_in

_TAB = "/faults"
_ID = "id"
_CLOSE, _CANCEL, _REASON = "close", "cancel", "reason"
_SUMMARY, _WHAT, _OWNER, _DAY = "summary", "what", "owner", "due_date"
_WAIT = timedelta(seconds=15)
_NAME = 64  # characters of a staff id
_STEPS = Steps(
    fields=[each for each in WorkOnFaultRequest.DESCRIPTOR.oneofs_by_name["step"].fields if each.name != _CLOSE],
    titles={
        "take_up": lambda: translated("Begin the work"),
        "reject": lambda: translated("Reject"),
        "hold": lambda: translated("Hold"),
        "ask_customer": lambda: translated("Ask the customer"),
        "estimate": lambda: translated("Estimate the end"),
        "assess": lambda: translated("Assess"),
        "triage": lambda: translated("Choose the way of repair"),
        "appoint": lambda: translated("Agree an appointment"),
        "assign": lambda: translated("Assign an engineer"),
        "name_part": lambda: translated("Name a part"),
        "install_part": lambda: translated("Record a part as installed"),
        "reach": lambda: translated("Record a milestone"),
        "resolve": lambda: translated("Record the repair"),
        "reopen": lambda: translated("Reopen"),
        "note": lambda: translated("Add a note"),
    },
    labels={
        "reason": lambda: translated("Reason"),
        "text": lambda: translated("Text"),
        "ask_customer.text": lambda: translated("Question"),
        "resolve.text": lambda: translated("Description of the repair"),
        "start_time": lambda: translated("Begins"),
        "end_time": lambda: translated("Ends"),
        "severity": lambda: translated("Severity"),
        "terminal_caused": lambda: translated("The customer's own terminal is the cause"),
        "advice": lambda: translated("Advice to the customer for a first attempt"),
        "mode": lambda: translated("Way of repair"),
        "engineer": lambda: translated("Staff id of the engineer"),
        "name": lambda: translated("Part"),
        "price": lambda: translated("Price outside the warranty, in {currency}, for example 12.00", currency=CURRENCY),
        "in_warranty": lambda: translated("Within the warranty"),
        "human_caused": lambda: translated("People broke it"),
        "part": lambda: translated("Number of the part"),
        "milestone": lambda: translated("Milestone"),
        "cause": lambda: translated("Cause"),
    },
    lines={"engineer": _NAME, "name": rules.NAME_LIMIT},
    longest=rules.TEXT_LIMIT,
    optional={"triage.advice", "name_part.price"},
)
_ANSWERS = Steps(
    fields=RespondToFaultRequest.DESCRIPTOR.oneofs_by_name["said"].fields,
    titles={
        "text": lambda: translated("An answer or information"),
        "accepted_part": lambda: translated("A price accepted"),
        "refused_part": lambda: translated("A price refused"),
        "not_repaired": lambda: translated("Not repaired"),
        "evaluation": lambda: translated("An evaluation of the repair"),
    },
    labels={
        "text": lambda: translated("Text"),
        "accepted_part": lambda: translated("Number of the part"),
        "refused_part": lambda: translated("Number of the part"),
        "not_repaired": lambda: translated("Reason"),
        "attitude": lambda: translated("Attitude of the staff, 1 to 5"),
        "quality": lambda: translated("Quality of the repair, 1 to 5"),
        "speed": lambda: translated("Speed of the repair, 1 to 5"),
    },
    lines={},
    longest=rules.TEXT_LIMIT,
    optional={"evaluation.text"},
)
_ANSWERS_OF_COMMANDS: Mapping[str, Sequence[str]] = {
    "respond": ("text",),
    "decide_quote": ("accepted_part", "refused_part"),
    "reopen": ("not_repaired",),
    "evaluate": ("evaluation",),
    "cancel": (_CANCEL,),
}


@dataclass(frozen=True)
class _Found:
    fault: Fault = field(repr=False)
    places: Sequence[FoundPlace] = field(repr=False)
    """The site and the link of the fault, with others whose words have their ids."""


def path_of(fault_id: str) -> str:
    """The path of the page of a fault."""
    return f"{_TAB}/{fault_id}"


async def _read(visit: Visit, calling: Calling) -> _Found:
    fault = (await calling.ask(rpcs.GET_FAULT, GetFaultRequest(fault_id=visit.names[_ID]))).fault
    places = list[FoundPlace]()
    for text in filter(None, (fault.report.place.site, fault.report.place.link)):
        places.extend(await read_places(calling, text))
    return _Found(fault, places)


def _show(visit: Visit, found: _Found) -> Shown:
    fault = found.fault
    severity, place = fault_severity(fault.severity), place_of(fault, names_of(found.places))
    groups = [
        Group(translated("Work on the fault"), _work(visit, fault)),
        Group(translated("What the customer says"), _answers(visit, fault)),
    ]
    page = TicketPage(
        state=fault_state_cell(fault),
        due=due_cell(fault_due(fault), visit.now),
        about=" · ".join(each for each in (severity, place, region_name(fault.owner_region)) if each),
        texts=known(
            [
                Fact(translated("Text"), fault.report.description),
                Fact(translated("Repair"), fault.resolution),
                Fact(translated("Advice to the customer"), fault.repair.advice),
            ]
        ),
        facts_heading=translated("Fault"),
        facts=known(_facts(visit, fault)),
        tables=filled([_outages(fault), _parts(fault), _measures(fault)]),
        course_heading=translated("Course"),
        course=course(happened(fault)),
        groups=[each for each in groups if each.entries],
    )
    return page.shown(fault.id, _TAB)


def _facts(visit: Visit, fault: Fault) -> Sequence[Fact]:
    report, repair, said = fault.report, fault.repair, fault.evaluation
    last = repair.appointments[-1] if repair.appointments else None
    return [
        number_fact(visit, report.number),
        Fact(translated("Contact"), report.contact_number),
        Fact(translated("Reported"), told_if_set(fault.create_time)),
        Fact(translated("Reported in"), region_name(fault.origin_region)),
        Fact(translated("Submitted by"), submitted_by(fault.operator, report.requester.staff_id)),
        Fact(translated("Services"), enumerated(report.services)),
        Fact(translated("Alarm"), report.alarm_id, visit.address(alarm_path(report.alarm_id))),
        Fact(translated("Problem"), fault.problem_id),
        Fact(translated("Root cause"), fault.root_cause_id),
        Fact(translated("Cause"), value_word(FaultCause.DESCRIPTOR, fault.cause)),
        Fact(translated("Own terminal"), translated("yes") if fault.terminal_caused else ""),
        Fact(translated("Way of repair"), value_word(RepairMode.DESCRIPTOR, repair.mode)),
        Fact(translated("Engineer"), repair.engineer),
        Fact(
            translated("Appointment"),
            "" if last is None else f"{told_time(last.start_time)} – {told_time(last.end_time)}",
        ),
        Fact(translated("Expected"), told_if_set(fault.expected_resolution_time)),
        Fact(translated("Reopened"), str(fault.reopenings or "")),
        Fact(
            translated("Evaluation"),
            translated(
                "attitude {attitude}, quality {quality}, speed {speed} of 5. {text}",
                attitude=said.attitude,
                quality=said.quality,
                speed=said.speed,
                text=said.text,
            )
            if fault.HasField("evaluation")
            else "",
        ),
    ]


def _outages(fault: Fault) -> Table:
    head = [
        Cell(translated("Not repaired since"), "col"),
        Cell(translated("Due"), "col"),
        Cell(translated("Repaired"), "col"),
        Cell(translated("Rent given back"), "col"),
    ]
    rows = [
        [
            Cell(told_time(each.start_time), "row", "time"),
            Cell(told_time(each.due_time), style="time"),
            Cell(
                told_if_set(each.end_time),
                style="time",
                note=translated("too late") if each.breach_time.seconds else "",
            ),
            Cell(given_back(each)),
        ]
        for each in fault.outages
    ]
    return Table(label=translated("Limits of the repair"), head=head, rows=rows)


def _parts(fault: Fault) -> Table:
    head = [
        Cell(translated("Part"), "col"),
        Cell(translated("Price"), "col"),
        Cell(translated("Quote"), "col"),
        Cell(translated("Installed"), "col"),
    ]
    rows = [
        [
            Cell(headed(str(each.number), each.name), "row"),
            Cell(in_major_units(each.price.minor_units, each.price.currency)),
            Cell(value_word(QuoteState.DESCRIPTOR, each.quote)),
            Cell(put_in(each)),
        ]
        for each in fault.repair.parts
    ]
    return Table(label=translated("Parts"), head=head, rows=rows)


def _measures(fault: Fault) -> Table:
    head = [Cell(translated("Measure"), "col"), Cell(translated("In charge"), "col"), Cell(translated("Due"), "col")]
    rows = [[Cell(each.what, "row"), Cell(each.owner), Cell(each.due_date)] for each in fault.review.measures]
    return Table(label=translated("Measures against a recurrence"), head=head, rows=rows)


def _work(visit: Visit, fault: Fault) -> Sequence[Entry]:
    steps = with_sent(visit, rules.steps_of(fault, visit.person.region), rules.STATES_OF_STEPS)
    return [_close_form(visit, fault) if step == _CLOSE else _STEPS.entry(visit, step) for step in steps]


def _close_form(visit: Visit, fault: Fault) -> Entry:
    """The end, with the review and one measure; the command takes several."""
    must = rules.needs_review(fault.severity)
    fields = [
        Field(_SUMMARY, "text", translated("Review: events and causes"), longest=rules.TEXT_LIMIT, is_required=must),
        Field(_WHAT, "line", translated("Measure against a recurrence"), longest=rules.NAME_LIMIT, is_required=must),
        Field(_OWNER, "line", translated("Staff id in charge of the measure"), longest=_NAME, is_required=must),
        Field(_DAY, "day", translated("Due"), is_required=must),
    ]
    return entry(visit, _CLOSE, translated("Close"), translated("Send"), fields)


def _answers(visit: Visit, fault: Fault) -> Sequence[Entry]:
    """The forms of the customer's words, and of the withdrawal."""
    commands = rules.commands_of(fault, visit.person.region)
    offered = [each for command, answers in _ANSWERS_OF_COMMANDS.items() if command in commands for each in answers]
    known = [each for answers in _ANSWERS_OF_COMMANDS.values() for each in answers]
    shown = with_sent(visit, offered, known)
    return [_cancel_form(visit) if answer == _CANCEL else _ANSWERS.entry(visit, answer) for answer in shown]


def _cancel_form(visit: Visit) -> Entry:
    fields = [Field(_REASON, "text", translated("Reason"), longest=rules.TEXT_LIMIT)]
    return entry(visit, _CANCEL, translated("Withdraw the report"), translated("Send"), fields)


def _working(visit: Visit) -> WorkOnFaultRequest:
    return WorkOnFaultRequest(request_id=visit.request_id, fault_id=visit.names[_ID])


def _closing(visit: Visit) -> WorkOnFaultRequest:
    request, form = _working(visit), visit.form
    request.close.SetInParent()
    review = FaultReview(summary=form.text(_SUMMARY))
    if any(form.text(each) for each in (_WHAT, _OWNER, _DAY)):
        review.measures.add(what=form.text(_WHAT), owner=form.text(_OWNER), due_date=form.text(_DAY))
    if review != FaultReview():
        request.close.review.CopyFrom(review)
    return request


def _answering(visit: Visit) -> RespondToFaultRequest:
    request = RespondToFaultRequest(request_id=visit.request_id, fault_id=visit.names[_ID])
    request.wait.FromTimedelta(_WAIT)
    return request


def _cancelling(visit: Visit) -> CancelFaultRequest:
    request = CancelFaultRequest(
        request_id=visit.request_id, fault_id=visit.names[_ID], reason=visit.form.text(_REASON)
    )
    request.wait.FromTimedelta(_WAIT)
    return request


def _done(_: Visit, answer: WorkOnFaultResponse | RespondToFaultResponse | CancelFaultResponse) -> str:
    return translated("Done. The fault is now: {state}.", state=fault_state(answer.fault.state))


VIEW = View.of(
    "/faults/{id:.+}",
    (rpcs.GET_FAULT, rpcs.FIND_PLACES),
    _read,
    _show,
    forms=(
        *_STEPS.forms(rpcs.WORK_ON_FAULT, _working, _done),
        Form.of(_CLOSE, rpcs.WORK_ON_FAULT, _closing, _done, (_SUMMARY, _WHAT, _OWNER, _DAY)),
        *_ANSWERS.forms(rpcs.RESPOND_TO_FAULT, _answering, _done),
        Form.of(_CANCEL, rpcs.CANCEL_FAULT, _cancelling, _done, (_REASON,)),
    ),
)
