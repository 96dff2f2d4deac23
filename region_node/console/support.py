"""The list of support requests, with its filters in the address."""

from collections.abc import Sequence

from gateway.api.region.v1.support_request_pb2 import SupportRequest, SupportState
from gateway.api.region.v1.support_service_pb2 import ListSupportRequestsRequest, ListSupportRequestsResponse
from gateway.web.console.lists import PAGE, chosen_of, chosen_value, list_page, values
from gateway.web.console.pages import Calling, Shown, View, Visit
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


async def _read(visit: Visit, calling: Calling) -> ListSupportRequestsResponse:
    request = ListSupportRequestsRequest(
        number=visit.query.text(NUMBER), page_size=_MOST, page_token=visit.query.text(PAGE)
    )
    if state := chosen_value(visit, _STATE, SupportState.DESCRIPTOR):
        request.states.append(SupportState.ValueType(state))
    return await calling.ask(rpcs.LIST_SUPPORT_REQUESTS, request)


def _show(visit: Visit, answer: ListSupportRequestsResponse) -> Shown:
    states = values(SupportState.DESCRIPTOR, lambda each: support_state(SupportState.ValueType(each)))
    choices = [chosen_of(visit, _STATE, translated("State"), states)]
    page = list_page(visit, PATH, choices, table(visit, answer.requests), answer.next_page_token, [number_of(visit)])
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
        caption=translated("The newest first."),
    )


VIEW = View.of(PATH, (rpcs.LIST_SUPPORT_REQUESTS,), _read, _show, (_STATE, NUMBER, PAGE))
