"""The list of faults, with its filters in the address."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from gateway.api.region.v1.fault_pb2 import Fault, FaultState
from gateway.api.region.v1.fault_service_pb2 import FoundPlace, ListFaultsRequest, ListFaultsResponse
from gateway.web.console.frames import Link
from gateway.web.console.lists import PAGE, chosen_of, chosen_value, chosen_word, values
from gateway.web.console.pages import Calling, Shown, View, Visit
from gateway.web.console.parts import Option, due_cell
from gateway.web.console.sorting import Column, Columns, Found, Part
from gateway.web.selecting import SORT
from gateway.web.tables import Cell, Table
from gateway.wording.languages import translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set
from region_node.console import fault, new_fault, rpcs
from region_node.console.lists import CONTACT, NUMBER, contact_of, number_of
from region_node.console.places import names_of, read_places
from region_node.console.words import fault_due, fault_severity, fault_state, fault_state_cell
from region_node.network.faults.course import place_of

PATH = "/faults"
_STATE, _ONLY, _OVERDUE = "state", "only", "overdue"
_MOST = 50  # faults of a page


def _request(visit: Visit, part: Part) -> ListFaultsRequest:
    request = ListFaultsRequest(
        number=visit.query.text(NUMBER),
        contact_number=visit.query.text(CONTACT),
        page_size=part.size,
        page_token=part.token,
        in_reverse=part.in_reverse,
    )
    if chosen_word(visit, _ONLY, (_OVERDUE,)):
        request.due_within.FromTimedelta(timedelta())
    if state := chosen_value(visit, _STATE, FaultState.DESCRIPTOR):
        request.states.append(FaultState.ValueType(state))
    return request


@dataclass(frozen=True)
class _Listed:
    found: Found[ListFaultsResponse] = field(repr=False)
    places: Sequence[FoundPlace] = field(repr=False)


async def _read(visit: Visit, calling: Calling) -> _Listed:
    found = await _COLUMNS.read(
        visit, _MOST, lambda part: calling.ask(rpcs.LIST_FAULTS, _request(visit, part)), lambda each: each.faults
    )
    return _Listed(found, await read_places(calling))


def _show(visit: Visit, listed: _Listed) -> Shown:
    found = listed.found
    states = values(FaultState.DESCRIPTOR, lambda each: fault_state(FaultState.ValueType(each)))
    choices = [
        chosen_of(visit, _STATE, translated("State"), states),
        chosen_of(visit, _ONLY, translated("Only"), [Option(_OVERDUE, translated("overdue"))]),
    ]
    numbers = [number_of(visit), contact_of(visit)]
    faults = table(visit, found.answer.faults, names_of(listed.places))
    page = _COLUMNS.page(visit, PATH, choices, faults, found, numbers)
    lead = Link(translated("New fault"), visit.address(new_fault.PATH, number=visit.query.text(NUMBER)))
    return replace(page, leads=[lead]).shown(translated("Faults"), PATH)


def table(visit: Visit, faults: Sequence[Fault], names: Mapping[str, str]) -> Table:
    """Faults, each with a link to its page. `names` are those of sites and links by their keys, as `names_of`."""
    return Table(
        label=translated("Faults"),
        head=[
            Cell(translated("Fault"), "col"),
            Cell(translated("Number"), "col"),
            Cell(translated("State"), "col"),
            Cell(translated("Severity"), "col"),
            Cell(translated("Due"), "col"),
            Cell(translated("Region in charge"), "col"),
            Cell(translated("Reported"), "col"),
        ],
        rows=[
            [
                Cell(each.id, "row", href=visit.address(fault.path_of(each.id)), note=place_of(each, names)),
                Cell(each.report.number, style="kind"),
                fault_state_cell(each),
                Cell(fault_severity(each.severity)),
                due_cell(fault_due(each), visit.now),
                Cell(region_name(each.owner_region)),
                Cell(told_if_set(each.create_time), style="time"),
            ]
            for each in faults
        ],
        order=translated("The newest first."),
    )


_COLUMNS = Columns[Fault](
    "-create_time",
    [
        Column("id", lambda each: each.id),
        Column("number", lambda each: each.report.number),
        Column("state", lambda each: each.state),
        Column("severity", lambda each: each.severity or ""),
        Column("due_time", fault_due),
        Column("owner_region", lambda each: each.owner_region),
        Column("create_time", lambda each: each.create_time),
    ],
    has_reverse=True,
)
_FILTERS = (_STATE, _ONLY, NUMBER, CONTACT, SORT, PAGE)
VIEW = View.of(PATH, (rpcs.LIST_FAULTS, rpcs.FIND_PLACES), _read, _show, _FILTERS)
