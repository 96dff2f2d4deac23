"""The list of orders across regions, with its filters in the address, and the search by an id: no customer."""

from collections.abc import Sequence

from coordinator.console import order, rpcs
from coordinator.console.filters import REGION, any_region_of
from coordinator.console.tables_page import heads
from coordinator.wording.answers import unanswered_lines
from gateway.api.coordinator.v1.administration_pb2 import (
    GetOrderTraceRequest,
    GetOrderTraceResponse,
    ListOrderSummariesRequest,
    ListOrderSummariesResponse,
)
from gateway.api.region.v1.order_oversight_service_pb2 import OrderSummary
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.errors import Refused
from gateway.web.console.lists import PAGE, chosen_of, chosen_value, text_filter, values
from gateway.web.console.order_parts import order_state, order_state_cell, waits_for
from gateway.web.console.pages import Calling, Shown, View, Visit, unless_refused
from gateway.web.console.parts import due_cell
from gateway.web.console.sorting import Column, Columns, Found, Part
from gateway.web.selecting import SORT
from gateway.web.tables import Cell, Table
from gateway.wording.languages import translated
from gateway.wording.terms import business_name, region_name
from gateway.wording.times import told_if_set

PATH = "/orders"
_STATE, _ID = "state", "id"
_MOST = 50  # orders of a page


def _request(visit: Visit, part: Part) -> ListOrderSummariesRequest:
    request = ListOrderSummariesRequest(region=visit.query.text(REGION), page_size=part.size, page_token=part.token)
    if state := chosen_value(visit, _STATE, OrderState.DESCRIPTOR):
        request.states.append(OrderState.ValueType(state))
    return request


async def _read(visit: Visit, calling: Calling) -> Found[ListOrderSummariesResponse] | GetOrderTraceResponse:
    if order_id := visit.query.text(_ID).strip():
        asked = calling.ask(rpcs.GET_ORDER_TRACE, GetOrderTraceRequest(order_id=order_id))
        trace = await unless_refused(asked)
        return Found(ListOrderSummariesResponse(), trace) if isinstance(trace, Refused) else trace
    return await _COLUMNS.read(
        visit,
        _MOST,
        lambda part: calling.ask(rpcs.LIST_ORDER_SUMMARIES, _request(visit, part)),
        lambda each: each.orders,
    )


def _show(visit: Visit, found: Found[ListOrderSummariesResponse] | GetOrderTraceResponse) -> Shown:
    """The list; for an id the page of that order, or the list without a row and with the refusal."""
    if isinstance(found, GetOrderTraceResponse):
        return order.page_of(visit, visit.query.text(_ID).strip(), found)
    states = values(OrderState.DESCRIPTOR, lambda each: order_state(OrderState.ValueType(each)))
    choices = [chosen_of(visit, _STATE, translated("State"), states), any_region_of(visit)]
    texts = [text_filter(visit, _ID, translated("Order id"))]
    answer = found.answer
    notes = unanswered_lines(answer.unanswered)
    page = _COLUMNS.page(visit, PATH, choices, _table(visit, answer.orders), found, texts, notes)
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
        order=translated("The newest first."),
    )


_COLUMNS = Columns[OrderSummary](
    "-create_time",
    [
        Column("id", lambda each: each.id),
        Column("state", lambda each: each.state),
        Column("origin_region", lambda each: each.origin_region),
        Column("home_region", lambda each: each.home_region),
        None,
        Column("due_time", lambda each: each.awaiting.due_time),
        Column("create_time", lambda each: each.create_time),
    ],
)
VIEW = View.of(PATH, (rpcs.LIST_ORDER_SUMMARIES, rpcs.GET_ORDER_TRACE), _read, _show, (_STATE, REGION, _ID, SORT, PAGE))
