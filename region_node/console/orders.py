"""The list of orders, with its filters in the address."""

from collections.abc import Sequence
from dataclasses import replace

from gateway.api.region.v1.order_pb2 import Order, OrderState, Party
from gateway.api.region.v1.order_service_pb2 import ListOrdersRequest, ListOrdersResponse
from gateway.errors import Refused
from gateway.web.console.frames import Link
from gateway.web.console.lists import PAGE, chosen_of, chosen_value, values
from gateway.web.console.order_parts import order_state, order_state_cell, waits_for, way_of
from gateway.web.console.pages import Calling, Shown, View, Visit
from gateway.web.console.parts import Option, due_cell
from gateway.web.console.sorting import Column, Columns, Found, Part
from gateway.web.selecting import SORT
from gateway.web.tables import Cell, Table
from gateway.wording.languages import translated
from gateway.wording.terms import business_name, learned
from gateway.wording.times import told_if_set
from gateway.wording.words import value_word
from region_node.console import rpcs
from region_node.console.guides import NEW_ORDER
from region_node.console.lists import NUMBER, number_of
from region_node.console.sections import Section, listed, section
from region_node.console.words import order_path

PATH = "/orders"
_STATE, _AWAITING, _BUSINESS = "state", "awaiting", "business"
_MOST = 50  # orders of a page


def _request(visit: Visit, part: Part) -> ListOrdersRequest:
    request = ListOrdersRequest(
        business=visit.query.text(_BUSINESS),
        number=visit.query.text(NUMBER),
        page_size=part.size,
        page_token=part.token,
        in_reverse=part.in_reverse,
    )
    if state := chosen_value(visit, _STATE, OrderState.DESCRIPTOR):
        request.states.append(OrderState.ValueType(state))
    request.awaiting = Party.ValueType(chosen_value(visit, _AWAITING, Party.DESCRIPTOR))
    return request


async def _read(visit: Visit, calling: Calling) -> Found[ListOrdersResponse]:
    return await _COLUMNS.read(
        visit, _MOST, lambda part: calling.ask(rpcs.LIST_ORDERS, _request(visit, part)), lambda each: each.orders
    )


def _show(visit: Visit, found: Found[ListOrdersResponse]) -> Shown:
    states = values(OrderState.DESCRIPTOR, lambda each: order_state(OrderState.ValueType(each)))
    parties = values(Party.DESCRIPTOR, lambda each: value_word(Party.DESCRIPTOR, each))
    businesses = [Option(each.code, business_name(each.code)) for each in learned().businesses]
    choices = [
        chosen_of(visit, _STATE, translated("State"), states),
        chosen_of(visit, _AWAITING, translated("Waits for"), parties),
        chosen_of(visit, _BUSINESS, translated("Business"), businesses),
    ]
    page = _COLUMNS.page(visit, PATH, choices, table(visit, found.answer.orders), found, [number_of(visit)])
    leads = [Link(translated("New order"), visit.address(NEW_ORDER, number=visit.query.text(NUMBER)))]
    return replace(page, leads=leads).shown(translated("Orders"), PATH)


def of_number(visit: Visit, number: str, answer: ListOrdersResponse | Refused) -> Section:
    """The first orders of a number as a section of another page."""
    return section(translated("Orders"), answer, lambda each: listed(visit, PATH, number, table(visit, each.orders)))


def table(visit: Visit, orders: Sequence[Order]) -> Table:
    """Orders, each with a link to its page."""
    return Table(
        label=translated("Orders"),
        head=[
            Cell(translated("Order"), "col"),
            Cell(translated("Number"), "col"),
            Cell(translated("State"), "col"),
            Cell(translated("Waits for"), "col"),
            Cell(translated("Due"), "col"),
            Cell(translated("From and to"), "col"),
            Cell(translated("Accepted"), "col"),
        ],
        rows=[
            [
                Cell(
                    each.id,
                    "row",
                    href=visit.address(order_path(each.id)),
                    note=business_name(each.request.business),
                ),
                Cell(each.request.number, style="kind"),
                order_state_cell(each),
                Cell(waits_for(each.awaiting)),
                due_cell(each.awaiting.due_time, visit.now),
                Cell(way_of(each)),
                Cell(told_if_set(each.create_time), style="time"),
            ]
            for each in orders
        ],
        order=translated("The newest first."),
    )


_COLUMNS = Columns[Order](
    "-create_time",
    [
        Column("id", lambda each: each.id),
        Column("number", lambda each: each.request.number),
        Column("state", lambda each: each.state),
        None,
        Column("due_time", lambda each: each.awaiting.due_time),
        None,
        Column("create_time", lambda each: each.create_time),
    ],
    has_reverse=True,
)
VIEW = View.of(PATH, (rpcs.LIST_ORDERS,), _read, _show, (_STATE, _AWAITING, _BUSINESS, NUMBER, SORT, PAGE))
