"""The page of a support request: its inquiry and measurements, the finding, its course, and the steps of staff."""

from collections.abc import Sequence
from datetime import timedelta

from gateway.api.region.v1.support_request_pb2 import SupportRequest
from gateway.api.region.v1.support_service_pb2 import (
    GetSupportRequestRequest,
    GetSupportRequestResponse,
    WorkOnSupportRequestRequest,
    WorkOnSupportRequestResponse,
)
from gateway.web.console.entries import Group
from gateway.web.console.pages import Calling, Shown, View, Visit
from gateway.web.console.parts import Fact
from gateway.web.console.ticket import TicketPage, course, filled, known
from gateway.web.tables import Cell, Table
from gateway.wording.languages import headed, translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set, told_time
from region_node.console import rpcs
from region_node.console.steps import Steps, with_sent
from region_node.console.words import number_fact, submitted_by, support_state, support_state_cell
from region_node.network.support import rules
from region_node.network.support.course import happened, why

_TAB = "/support"
_ID = "id"
_WAIT = timedelta(seconds=15)
_STEPS = Steps(
    fields=WorkOnSupportRequestRequest.DESCRIPTOR.oneofs_by_name["step"].fields,
    titles={
        "note": lambda: translated("Add a note"),
        "take_up": lambda: translated("Begin the work"),
        "resolve": lambda: translated("Record the repair"),
        "close": lambda: translated("Close"),
        "reopen": lambda: translated("Reopen"),
    },
    labels={
        "note": lambda: translated("Text for both regions"),
        "resolve": lambda: translated("Description of the repair"),
        "reopen": lambda: translated("Reason"),
    },
    lines={},
    longest=rules.TEXT_LIMIT,
)


def path_of(support_request_id: str) -> str:
    """The path of the page of a support request."""
    return f"{_TAB}/{support_request_id}"


async def _read(visit: Visit, calling: Calling) -> GetSupportRequestResponse:
    request = GetSupportRequestRequest(support_request_id=visit.names[_ID])
    return await calling.ask(rpcs.GET_SUPPORT_REQUEST, request)


def _show(visit: Visit, found: GetSupportRequestResponse) -> Shown:
    request = found.request
    inquiry = request.inquiry
    offered = with_sent(visit, rules.steps_of(request, visit.person.region), rules.STATES_OF_STEPS)
    steps = [_STEPS.entry(visit, each) for each in offered]
    page = TicketPage(
        state=support_state_cell(request),
        due=Cell(""),
        about=f"{headed(inquiry.service, inquiry.subject)} · {region_name(request.owner_region)}",
        texts=known(
            [
                Fact(translated("Text"), inquiry.description),
                Fact(translated("Finding"), why(request)),
                Fact(translated("Repair"), request.resolution),
            ]
        ),
        facts_heading=translated("Support request"),
        facts=known(_facts(visit, request)),
        tables=filled([_measurements(request)]),
        course_heading=translated("Course"),
        course=course(happened(request)),
        groups=[Group(translated("Work on the support request"), steps)] if steps else (),
    )
    return page.shown(request.id, _TAB)


def _facts(visit: Visit, request: SupportRequest) -> Sequence[Fact]:
    return [
        number_fact(visit, request.inquiry.number),
        Fact(translated("Service"), request.inquiry.service),
        Fact(translated("Opened"), told_if_set(request.create_time)),
        Fact(translated("Opened in"), region_name(request.origin_region)),
        Fact(translated("Submitted by"), submitted_by(request.operator, request.inquiry.staff_id)),
        Fact(translated("Region at fault"), region_name(request.owner_region)),
    ]


def _measurements(request: SupportRequest) -> Table:
    head = [
        Cell(translated("Link"), "col"),
        Cell(translated("Delay (µs)"), "col"),
        Cell(translated("Variation (µs)"), "col"),
        Cell(translated("Loss (of 1,000,000,000)"), "col"),
    ]
    rows = [
        [
            Cell(each.link, "row", note=f"{told_time(each.start_time)} – {told_time(each.end_time)}"),
            Cell(f"{each.delay_us:,}"),
            Cell(f"{each.delay_variation_us:,}"),
            Cell(f"{each.loss_ppb:,}"),
        ]
        for each in request.inquiry.measurements
    ]
    return Table(label=translated("Measurements"), head=head, rows=rows)


def _working(visit: Visit) -> WorkOnSupportRequestRequest:
    request = WorkOnSupportRequestRequest(request_id=visit.request_id, support_request_id=visit.names[_ID])
    request.wait.FromTimedelta(_WAIT)  # only where another region is at fault
    return request


def _done(_: Visit, answer: WorkOnSupportRequestResponse) -> str:
    return translated("Done. The support request is now: {state}.", state=support_state(answer.request.state))


VIEW = View.of(
    "/support/{id:.+}",
    (rpcs.GET_SUPPORT_REQUEST,),
    _read,
    _show,
    forms=_STEPS.forms(rpcs.WORK_ON_SUPPORT_REQUEST, _working, _done),
)
