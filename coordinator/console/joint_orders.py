"""The list of joint orders across regions, and the tables of one: its items, who has them now, its milestones."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from coordinator.console import rpcs
from coordinator.console.filters import REGION, any_region_of
from coordinator.console.tables_page import heads
from coordinator.wording.ages import told_age
from coordinator.wording.answers import unanswered_lines
from coordinator.wording.joint_orders import in_jeopardy, told_reason
from gateway.api.coordinator.v1.administration_pb2 import (
    ListJointOrderSummariesRequest,
    ListJointOrderSummariesResponse,
)
from gateway.api.region.v1.joint_order_pb2 import JointOrderState
from gateway.api.region.v1.order_oversight_service_pb2 import JointOrderSummary
from gateway.web.console.joint_parts import joint_state_cell, milestones_table, waiting_table
from gateway.web.console.lists import PAGE, chosen_of, chosen_value, values
from gateway.web.console.pages import Calling, Shown, View, Visit
from gateway.web.console.parts import due_cell
from gateway.web.console.sorting import Column, Columns, Found, Part
from gateway.web.selecting import SORT
from gateway.web.tables import Cell, Table
from gateway.wording.joint_orders import item_name, next_limit, told_item_state, told_state, waits
from gateway.wording.languages import clauses, enumerated, headed, translated
from gateway.wording.terms import business_name, region_name
from gateway.wording.times import told_if_set

PATH = "/joint-orders"
_STATE = "state"
_MOST = 50  # joint orders of a page


def _request(visit: Visit, part: Part) -> ListJointOrderSummariesRequest:
    request = ListJointOrderSummariesRequest(
        region=visit.query.text(REGION), page_size=part.size, page_token=part.token
    )
    if state := chosen_value(visit, _STATE, JointOrderState.DESCRIPTOR):
        request.states.append(JointOrderState.ValueType(state))
    return request


async def _read(visit: Visit, calling: Calling) -> Found[ListJointOrderSummariesResponse]:
    return await _COLUMNS.read(
        visit,
        _MOST,
        lambda part: calling.ask(rpcs.LIST_JOINT_ORDER_SUMMARIES, _request(visit, part)),
        lambda each: each.orders,
    )


def _show(visit: Visit, found: Found[ListJointOrderSummariesResponse]) -> Shown:
    answer = found.answer
    states = values(JointOrderState.DESCRIPTOR, lambda each: told_state(JointOrderState.ValueType(each)))
    choices = [chosen_of(visit, _STATE, translated("State"), states), any_region_of(visit)]
    notes = unanswered_lines(answer.unanswered)
    page = _COLUMNS.page(visit, PATH, choices, _table(visit, answer.orders), found, notes=notes)
    return page.shown(translated("Joint orders"), PATH)


def _table(visit: Visit, orders: Sequence[JointOrderSummary]) -> Table:
    return Table(
        label=translated("Joint orders"),
        head=heads(
            translated("Joint order"),
            translated("State"),
            translated("Led by"),
            translated("Items"),
            translated("Waits for"),
            translated("Due"),
            translated("In jeopardy"),
            translated("Promised"),
        ),
        rows=[
            [
                Cell(each.id, "row", href=visit.address(f"/orders/{each.id}"), note=business_name(each.business)),
                joint_state_cell(each),
                Cell(region_name(each.leader_region)),
                Cell(clauses(_told_items(each))),
                Cell(clauses(f"{region_name(found.region)} {awaited}" for found, awaited in waits(each))),
                due_cell(next_limit(each), visit.now),
                _jeopardy(each),
                Cell(told_if_set(each.expected_completion_time), style="time"),
            ]
            for each in orders
        ],
        order=translated("The newest first."),
    )


def _told_items(order: JointOrderSummary) -> Iterator[str]:
    """The items, each with its region and its state."""
    for each in order.items:
        yield headed(f"{region_name(each.region)} {item_name(order, each.id)}", told_item_state(each.state))


def _jeopardy(order: JointOrderSummary) -> Cell:
    warned = enumerated(item_name(order, each.id) for each in in_jeopardy(order))
    return Cell(warned, badge="late" if warned else "")


def tables_of(order: JointOrderSummary, now: datetime) -> Sequence[Table]:
    """The tables of one joint order."""

    def since(start: Timestamp) -> Cell:
        return Cell(told_age(start, now), note=told_if_set(start))

    return _items(order), waiting_table(order, now, since), milestones_table(order)


def _items(order: JointOrderSummary) -> Table:
    return Table(
        label=translated("Items"),
        head=heads(translated("Item"), translated("Region"), translated("State"), translated("Reason")),
        rows=[
            [
                Cell(item_name(order, each.id), "row"),
                Cell(region_name(each.region)),
                Cell(told_item_state(each.state)),
                Cell(told_reason(each) if each.reason else ""),
            ]
            for each in order.items
        ],
    )


_COLUMNS = Columns[JointOrderSummary](
    "-create_time",
    [
        Column("id", lambda each: each.id),
        Column("state", lambda each: each.state),
        Column("leader_region", lambda each: each.leader_region),
        None,
        None,
        Column("due_time", next_limit),
        None,
        Column("expected_completion_time", lambda each: each.expected_completion_time),
    ],
)
VIEW = View.of(PATH, (rpcs.LIST_JOINT_ORDER_SUMMARIES,), _read, _show, (_STATE, REGION, SORT, PAGE))
