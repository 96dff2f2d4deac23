"""The list of orders across regions, and the searches by an id and by a number.

The filters stand in the address. A number does not: the session keeps it, and the address has a random name for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from coordinator.console import order, rpcs
from coordinator.console.filters import REGION, any_region_of
from coordinator.console.tables_page import heads
from coordinator.wording.answers import search_line, unanswered_lines
from gateway.api.coordinator.v1.administration_pb2 import (
    GetOrderTraceRequest,
    GetOrderTraceResponse,
    ListOrderSummariesRequest,
    ListOrderSummariesResponse,
    SearchOrderSummariesRequest,
    SearchOrderSummariesResponse,
)
from gateway.api.region.v1.order_oversight_service_pb2 import OrderSummary
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.errors import Refused, invalid
from gateway.web.console.entries import Upload
from gateway.web.console.frames import Link
from gateway.web.console.lists import PAGE, chosen_of, chosen_value, text_filter, values
from gateway.web.console.order_parts import order_state, order_state_cell, waits_for
from gateway.web.console.pages import Calling, Shown, View, Visit, unless_refused
from gateway.web.console.parts import due_cell
from gateway.web.console.sorting import Column, Columns, Found, Part
from gateway.web.console.uploads import FILE
from gateway.web.selecting import SORT
from gateway.web.tables import Cell, Table
from gateway.wording.languages import translated
from gateway.wording.terms import business_name, region_name
from gateway.wording.times import told_if_set

PATH = "/orders"
_STATE, _ID = "state", "id"
_MOST = 50  # orders of a page


@dataclass(frozen=True)
class _Searched(Found[SearchOrderSummariesResponse]):
    """The orders of a number, and the ids of the searches that asked for them: a sorted list has one for each page."""

    search_ids: Sequence[str] = ()


_Listed = Found[ListOrderSummariesResponse] | _Searched


def _states(visit: Visit) -> Sequence[OrderState.ValueType]:
    state = chosen_value(visit, _STATE, OrderState.DESCRIPTOR)
    return [OrderState.ValueType(state)] if state else []


def _request(visit: Visit, part: Part) -> ListOrderSummariesRequest:
    region = visit.query.text(REGION)
    return ListOrderSummariesRequest(states=_states(visit), region=region, page_size=part.size, page_token=part.token)


async def _search(visit: Visit, calling: Calling) -> _Searched:
    """The orders of the number that the session keeps; none where it is not kept, or a region or page is refused."""
    if visit.file is None:
        gone = invalid("number", "is no longer kept: enter it again", "已不再保留：请重新输入")
        return _Searched(SearchOrderSummariesResponse(), gone)
    number, region = visit.file.decode("utf-8", "replace"), visit.query.text(REGION)

    search_ids = list[str]()

    async def search(part: Part) -> SearchOrderSummariesResponse:
        request = SearchOrderSummariesRequest(
            number=number, states=_states(visit), region=region, page_size=part.size, page_token=part.token
        )
        answer = await calling.ask(rpcs.SEARCH_ORDER_SUMMARIES, request)
        search_ids.append(answer.search_id)
        return answer

    found = await unless_refused(_COLUMNS.read(visit, _MOST, search, lambda each: each.orders))
    if isinstance(found, Refused):
        return _Searched(SearchOrderSummariesResponse(), found, search_ids)
    return _Searched(found.answer, found.refused, search_ids)


async def _read(visit: Visit, calling: Calling) -> _Listed | GetOrderTraceResponse:
    if order_id := visit.query.text(_ID).strip():
        asked = calling.ask(rpcs.GET_ORDER_TRACE, GetOrderTraceRequest(order_id=order_id))
        trace = await unless_refused(asked)
        return Found(ListOrderSummariesResponse(), trace) if isinstance(trace, Refused) else trace
    if visit.query.text(FILE):
        return await _search(visit, calling)
    return await _COLUMNS.read(
        visit,
        _MOST,
        lambda part: calling.ask(rpcs.LIST_ORDER_SUMMARIES, _request(visit, part)),
        lambda each: each.orders,
    )


def _show(visit: Visit, found: _Listed | GetOrderTraceResponse) -> Shown:
    """The list; for an id the page of that order, or the list without a row and with the refusal."""
    if isinstance(found, GetOrderTraceResponse):
        return order.page_of(visit, visit.query.text(_ID).strip(), found)
    states = values(OrderState.DESCRIPTOR, lambda each: order_state(OrderState.ValueType(each)))
    choices = [chosen_of(visit, _STATE, translated("State"), states), any_region_of(visit)]
    texts = [text_filter(visit, _ID, translated("Order id"))]
    answer = found.answer
    notes, leads = [*unanswered_lines(answer.unanswered)], []
    if isinstance(found, _Searched):
        leads.append(Link(translated("Orders of all numbers"), visit.address(PATH)))
        if found.search_ids:
            notes.insert(0, search_line(found.search_ids))
    page = _COLUMNS.page(visit, PATH, choices, _table(visit, answer.orders), found, texts, notes)
    return replace(page, upload=_number_form(), leads=leads).shown(translated("Orders"), PATH)


def _number_form() -> Upload:
    return Upload(
        heading=translated("Search by number"),
        name=FILE,
        label=translated("Number, which regions find with an audit row"),
        send=translated("Search"),
        kind="tel",
    )


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
VIEW = View.of(
    PATH,
    (rpcs.LIST_ORDER_SUMMARIES, rpcs.SEARCH_ORDER_SUMMARIES, rpcs.GET_ORDER_TRACE),
    _read,
    _show,
    (_STATE, REGION, _ID, SORT, PAGE, FILE),
    takes=rpcs.SEARCH_ORDER_SUMMARIES,
)
