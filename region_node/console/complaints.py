"""The list of complaints, with its filters in the address."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintState
from gateway.api.region.v1.complaint_service_pb2 import ListComplaintsRequest, ListComplaintsResponse
from gateway.errors import Refused
from gateway.web.console.complaint_parts import complaint_state_cell
from gateway.web.console.frames import Link
from gateway.web.console.lists import PAGE, chosen_of, chosen_value, chosen_word, values
from gateway.web.console.pages import Calling, Shown, View, Visit
from gateway.web.console.parts import Option, category_options
from gateway.web.console.sorting import Column, Columns, Found, Part
from gateway.web.selecting import SORT
from gateway.web.tables import Cell, Table
from gateway.wording.complaints import state_word
from gateway.wording.languages import in_language, translated
from gateway.wording.terms import category_name, region_name
from gateway.wording.times import told_if_set
from region_node.console import complaint, new_complaint, rpcs
from region_node.console.lists import CONTACT, NUMBER, contact_of, number_of
from region_node.console.sections import Section, listed, section

PATH = "/complaints"
_STATE, _CATEGORY, _ONLY = "state", "category", "only"
_OVERDUE, _UNCLASSIFIED = "overdue", "unclassified"
_MOST = 50  # complaints of a page


def _request(visit: Visit, part: Part) -> ListComplaintsRequest:
    only = chosen_word(visit, _ONLY, (_OVERDUE, _UNCLASSIFIED))
    request = ListComplaintsRequest(
        category=visit.query.text(_CATEGORY),
        number=visit.query.text(NUMBER),
        contact_number=visit.query.text(CONTACT),
        unclassified=only == _UNCLASSIFIED,
        page_size=part.size,
        page_token=part.token,
        in_reverse=part.in_reverse,
    )
    if only == _OVERDUE:
        request.due_within.FromTimedelta(timedelta())
    if state := chosen_value(visit, _STATE, ComplaintState.DESCRIPTOR):
        request.states.append(ComplaintState.ValueType(state))
    return request


async def _read(visit: Visit, calling: Calling) -> Found[ListComplaintsResponse]:
    return await _COLUMNS.read(
        visit,
        _MOST,
        lambda part: calling.ask(rpcs.LIST_COMPLAINTS, _request(visit, part)),
        lambda each: each.complaints,
    )


def _show(visit: Visit, found: Found[ListComplaintsResponse]) -> Shown:
    states = values(ComplaintState.DESCRIPTOR, lambda each: state_word(ComplaintState.ValueType(each)))
    only = [Option(_OVERDUE, translated("overdue")), Option(_UNCLASSIFIED, translated("not classified"))]
    choices = [
        chosen_of(visit, _STATE, translated("State"), states),
        chosen_of(visit, _CATEGORY, translated("Category"), category_options()),
        chosen_of(visit, _ONLY, translated("Only"), only),
    ]
    numbers = [number_of(visit), contact_of(visit)]
    page = _COLUMNS.page(visit, PATH, choices, table(visit, found.answer.complaints), found, numbers)
    lead = Link(translated("New complaint"), visit.address(new_complaint.PATH, number=visit.query.text(NUMBER)))
    return replace(page, leads=[lead]).shown(translated("Complaints"), PATH)


def of_number(visit: Visit, number: str, answer: ListComplaintsResponse | Refused) -> Section:
    """The first complaints of a number as a section of another page."""
    heading = translated("Complaints")
    return section(heading, answer, lambda each: listed(visit, PATH, number, table(visit, each.complaints)))


def table(visit: Visit, complaints: Sequence[Complaint]) -> Table:
    """Complaints, each with a link to its page."""
    return Table(
        label=translated("Complaints"),
        head=[
            Cell(translated("Complaint"), "col"),
            Cell(translated("Number"), "col"),
            Cell(translated("State"), "col"),
            Cell(translated("Level"), "col"),
            Cell(translated("Due"), "col"),
            Cell(translated("Responsible"), "col"),
            Cell(translated("Filed"), "col"),
        ],
        rows=[
            [
                Cell(
                    each.ticket_id,
                    "row",
                    href=visit.address(complaint.path_of(each.ticket_id)),
                    note=category_name(each.request.category) or translated("not classified"),
                ),
                Cell(each.request.number, style="kind"),
                complaint_state_cell(each),
                Cell(f"L{each.level}"),
                complaint.due(each, visit.now),
                Cell(f"{region_name(each.owner_region)} {in_language(each.department)}".strip()),
                Cell(told_if_set(each.create_time), style="time"),
            ]
            for each in complaints
        ],
        order=translated("The newest first."),
    )


_COLUMNS = Columns[Complaint](
    "-create_time",
    [
        Column("id", lambda each: each.ticket_id),
        Column("number", lambda each: each.request.number),
        Column("state", lambda each: each.state),
        Column("level", lambda each: each.level),
        Column("due_time", complaint.due_time),
        Column("owner_region", lambda each: each.owner_region),
        Column("create_time", lambda each: each.create_time),
    ],
    has_reverse=True,
)
VIEW = View.of(PATH, (rpcs.LIST_COMPLAINTS,), _read, _show, (_STATE, _CATEGORY, NUMBER, CONTACT, _ONLY, SORT, PAGE))
