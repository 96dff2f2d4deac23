"""The list of the joint orders that the region leads or follows, with its filters in the address."""

from collections.abc import Sequence
from dataclasses import replace

from gateway.api.region.v1.joint_order_pb2 import JointOrder, JointOrderState
from gateway.api.region.v1.joint_order_service_pb2 import ListJointOrdersRequest, ListJointOrdersResponse
from gateway.web.console.frames import Link
from gateway.web.console.joint_parts import joint_state_cell
from gateway.web.console.lists import PAGE, chosen_of, chosen_value, values
from gateway.web.console.pages import Calling, Shown, View, Visit
from gateway.web.console.parts import due_cell
from gateway.web.console.sorting import Column, Columns, Found, Part
from gateway.web.selecting import SORT
from gateway.web.tables import Cell, Table
from gateway.wording.joint_orders import next_limit, told_state, waits
from gateway.wording.languages import clauses, translated
from gateway.wording.terms import business_name, region_name
from gateway.wording.times import told_if_set
from region_node.console import joint_order, rpcs
from region_node.console.guides import NEW_ORDER
from region_node.console.lists import NUMBER, number_of

PATH = "/joint-orders"
_STATE = "state"
_MOST = 50  # joint orders of a page


def _request(visit: Visit, part: Part) -> ListJointOrdersRequest:
    request = ListJointOrdersRequest(number=visit.query.text(NUMBER), page_size=part.size, page_token=part.token)
    if state := chosen_value(visit, _STATE, JointOrderState.DESCRIPTOR):
        request.states.append(JointOrderState.ValueType(state))
    return request


async def _read(visit: Visit, calling: Calling) -> Found[ListJointOrdersResponse]:
    return await _COLUMNS.read(
        visit, _MOST, lambda part: calling.ask(rpcs.LIST_JOINT_ORDERS, _request(visit, part)), lambda each: each.orders
    )


def _show(visit: Visit, found: Found[ListJointOrdersResponse]) -> Shown:
    states = values(JointOrderState.DESCRIPTOR, lambda each: told_state(JointOrderState.ValueType(each)))
    choices = [chosen_of(visit, _STATE, translated("State"), states)]
    page = _COLUMNS.page(visit, PATH, choices, table(visit, found.answer.orders), found, [number_of(visit)])
    leads = [Link(translated("New order"), visit.address(NEW_ORDER, number=visit.query.text(NUMBER)))]
    return replace(page, leads=leads).shown(translated("Joint orders"), PATH)


def table(visit: Visit, orders: Sequence[JointOrder]) -> Table:
    """Joint orders, each with a link to its page."""
    return Table(
        label=translated("Joint orders"),
        head=[
            Cell(translated("Joint order"), "col"),
            Cell(translated("Number"), "col"),
            Cell(translated("State"), "col"),
            Cell(translated("Led by"), "col"),
            Cell(translated("Waits for"), "col"),
            Cell(translated("Due"), "col"),
            Cell(translated("Accepted"), "col"),
        ],
        rows=[
            [
                Cell(
                    each.id,
                    "row",
                    href=visit.address(joint_order.path_of(each.id)),
                    note=business_name(each.request.business),
                ),
                Cell(each.request.number, style="kind"),
                joint_state_cell(each),
                Cell(region_name(each.leader_region)),
                Cell(clauses(f"{region_name(found.region)} {awaited}" for found, awaited in waits(each))),
                due_cell(next_limit(each), visit.now),
                Cell(told_if_set(each.create_time), style="time"),
            ]
            for each in orders
        ],
        order=translated("The newest first."),
    )


_COLUMNS = Columns[JointOrder](
    "-create_time",
    [
        Column("id", lambda each: each.id),
        Column("number", lambda each: each.request.number),
        Column("state", lambda each: each.state),
        Column("leader_region", lambda each: each.leader_region),
        None,
        Column("due_time", next_limit),
        Column("create_time", lambda each: each.create_time),
    ],
)
VIEW = View.of(PATH, (rpcs.LIST_JOINT_ORDERS,), _read, _show, (_STATE, NUMBER, SORT, PAGE))
