"""The list of orders across regions, with its filters in the address, and the search by an id: no customer."""

from collections.abc import Sequence

from coordinator.console import order, rpcs
from coordinator.console.filters import REGION, any_region_of
from coordinator.console.tables_page import heads
from coordinator.wording.answers import unanswered_line
from gateway.api.coordinator.v1.administration_pb2 import (
    GetOrderTraceRequest,
    GetOrderTraceResponse,
    ListOrderSummariesRequest,
    ListOrderSummariesResponse,
)
from gateway.api.region.v1.order_oversight_service_pb2 import OrderSummary
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.errors import Refused
from gateway.web.console.frames import refusal_of
from gateway.web.console.lists import PAGE, chosen_of, chosen_value, list_page, text_filter, values
from gateway.web.console.order_parts import order_state, order_state_cell, waits_for
from gateway.web.console.pages import Calling, Shown, View, Visit, unless_refused
from gateway.web.console.parts import due_cell
from gateway.web.tables import Cell, Table
from gateway.wording.languages import translated
from gateway.wording.terms import business_name, region_name
from gateway.wording.times import told_if_set

PATH = "/orders"
_STATE, _ID = "state", "id"
_MOST = 50  # orders of a page


async def _read(visit: Visit, calling: Calling) -> ListOrderSummariesResponse | GetOrderTraceResponse | Refused:
    if order_id := visit.query.text(_ID).strip():
        return await unless_refused(calling.ask(rpcs.GET_ORDER_TRACE, GetOrderTraceRequest(order_id=order_id)))
    request = ListOrderSummariesRequest(
        region=visit.query.text(REGION), page_size=_MOST, page_token=visit.query.text(PAGE)
    )
    if state := chosen_value(visit, _STATE, OrderState.DESCRIPTOR):
        request.states.append(OrderState.ValueType(state))
    return await calling.ask(rpcs.LIST_ORDER_SUMMARIES, request)


def _show(visit: Visit, found: ListOrderSummariesResponse | GetOrderTraceResponse | Refused) -> Shown:
    """The list; for an id the page of that order, or the list without a row and with the refusal."""
    if isinstance(found, GetOrderTraceResponse):
        return order.page_of(visit, visit.query.text(_ID).strip(), found)
    states = values(OrderState.DESCRIPTOR, lambda each: order_state(OrderState.ValueType(each)))
    choices = [chosen_of(visit, _STATE, translated("State"), states), any_region_of(visit)]
    texts = [text_filter(visit, _ID, translated("Order id"))]
    refused = [refusal_of(found).text] if isinstance(found, Refused) else []
    answer = ListOrderSummariesResponse() if isinstance(found, Refused) else found
    notes = [*refused, *map(unanswered_line, answer.unanswered)]
    page = list_page(visit, PATH, choices, _table(visit, answer.orders), answer.next_page_token, texts, notes)
    return page.shown(translated("Orders"), PATH)


def _table(visit: Visit, orders: Sequence[OrderSummary]) -> Table:
    return Table(
        label=translated("Orders"),
        head=heads(
            translated("Order"),
            translated("State"),
            translated("From"),
            translated("To"),
            translated("Waits for"),
            translated("Due"),
            translated("Accepted"),
        ),
        rows=[
            [
                Cell(each.id, "row", href=visit.address(order.path_of(each.id)), note=business_name(each.business)),
                order_state_cell(each),
                Cell(region_name(each.origin_region)),
                Cell(region_name(each.home_region) or each.number_prefix),
                Cell(waits_for(each.awaiting)),
                due_cell(each.awaiting.due_time, visit.now),
                Cell(told_if_set(each.create_time), style="time"),
            ]
            for each in orders
        ],
        caption=translated("The newest first."),
    )


VIEW = View.of(PATH, (rpcs.LIST_ORDER_SUMMARIES, rpcs.GET_ORDER_TRACE), _read, _show, (_STATE, REGION, _ID, PAGE))
