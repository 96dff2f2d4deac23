"""The list of support requests, with its filters in the address."""

from collections.abc import Sequence

from gateway.api.region.v1.support_request_pb2 import SupportRequest, SupportState
from gateway.api.region.v1.support_service_pb2 import ListSupportRequestsRequest, ListSupportRequestsResponse
from gateway.web.console.lists import PAGE, chosen_of, chosen_value, values
from gateway.web.console.pages import Calling, Shown, View, Visit
from gateway.web.console.sorting import Column, Columns, Found, Part
from gateway.web.selecting import SORT
from gateway.web.tables import Cell, Table
from gateway.wording.languages import translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set
from region_node.console import rpcs, support_request
from region_node.console.lists import NUMBER, number_of
from region_node.console.words import support_state, support_state_cell

PATH = "/support"
_STATE = "state"
_MOST = 50  # support requests of a page


def _request(visit: Visit, part: Part) -> ListSupportRequestsRequest:
    request = ListSupportRequestsRequest(number=visit.query.text(NUMBER), page_size=part.size, page_token=part.token)
    if state := chosen_value(visit, _STATE, SupportState.DESCRIPTOR):
        request.states.append(SupportState.ValueType(state))
    return request


async def _read(visit: Visit, calling: Calling) -> Found[ListSupportRequestsResponse]:
    return await _COLUMNS.read(
        visit,
        _MOST,
        lambda part: calling.ask(rpcs.LIST_SUPPORT_REQUESTS, _request(visit, part)),
        lambda each: each.requests,
    )


def _show(visit: Visit, found: Found[ListSupportRequestsResponse]) -> Shown:
    states = values(SupportState.DESCRIPTOR, lambda each: support_state(SupportState.ValueType(each)))
    choices = [chosen_of(visit, _STATE, translated("State"), states)]
    page = _COLUMNS.page(visit, PATH, choices, table(visit, found.answer.requests), found, [number_of(visit)])
    return page.shown(translated("Support requests"), PATH)


def table(visit: Visit, requests: Sequence[SupportRequest]) -> Table:
    """Support requests, each with a link to its page."""
    return Table(
        label=translated("Support requests"),
        head=[
            Cell(translated("Support request"), "col"),
            Cell(translated("Number"), "col"),
            Cell(translated("State"), "col"),
            Cell(translated("Service"), "col"),
            Cell(translated("Region at fault"), "col"),
            Cell(translated("Opened"), "col"),
        ],
        rows=[
            [
                Cell(
                    each.id,
                    "row",
                    href=visit.address(support_request.path_of(each.id)),
                    note=each.inquiry.subject,
                ),
                Cell(each.inquiry.number, style="kind"),
                support_state_cell(each),
                Cell(each.inquiry.service),
                Cell(region_name(each.owner_region)),
                Cell(told_if_set(each.create_time), style="time"),
            ]
            for each in requests
        ],
        order=translated("The newest first."),
    )


_COLUMNS = Columns[SupportRequest](
    "-create_time",
    [
        Column("id", lambda each: each.id),
        Column("number", lambda each: each.inquiry.number),
        Column("state", lambda each: each.state),
        Column("service", lambda each: each.inquiry.service),
        Column("owner_region", lambda each: each.owner_region),
        Column("create_time", lambda each: each.create_time),
    ],
)
VIEW = View.of(PATH, (rpcs.LIST_SUPPORT_REQUESTS,), _read, _show, (_STATE, NUMBER, SORT, PAGE))
