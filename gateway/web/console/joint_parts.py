"""The badges and tables of pages about joint orders."""

from collections.abc import Callable, Mapping
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.region.v1.joint_order_pb2 import JointOrder, JointOrderState
from gateway.api.region.v1.order_oversight_service_pb2 import JointOrderSummary
from gateway.web.console.parts import due_cell
from gateway.web.tables import Cell, Table
from gateway.wording.joint_orders import item_name, told_milestone, told_state, waits
from gateway.wording.languages import translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set

_BADGES: Mapping[JointOrderState.ValueType, str] = {
    JointOrderState.JOINT_ORDER_STATE_COMPLETED: "done",
    JointOrderState.JOINT_ORDER_STATE_FAILED: "late",
    JointOrderState.JOINT_ORDER_STATE_CANCELLED: "calm",
}


def joint_state_cell(order: JointOrder | JointOrderSummary) -> Cell:
    """The state of a joint order as a badge."""
    return Cell(told_state(order.state), badge=_BADGES.get(order.state, "moving"))


def waiting_table(order: JointOrder | JointOrderSummary, now: datetime, since: Callable[[Timestamp], Cell]) -> Table:
    """The regions that have a joint order now, and what each does. `since` writes the time from which they have it."""
    return Table(
        label=translated("Who has it now"),
        head=[
            Cell(translated("Region"), "col"),
            Cell(translated("Item"), "col"),
            Cell(translated("Waits for"), "col"),
            Cell(translated("Since"), "col"),
            Cell(translated("Due"), "col"),
        ],
        rows=[
            [
                Cell(region_name(each.region), "row"),
                Cell(item_name(order, each.item_id)),
                Cell(awaited),
                since(each.since_time),
                due_cell(each.due_time, now),
            ]
            for each, awaited in waits(order)
        ],
    )


def milestones_table(order: JointOrder | JointOrderSummary) -> Table:
    """The milestones of the items of a joint order, each with its times."""
    return Table(
        label=translated("Milestones"),
        head=[
            Cell(translated("Item"), "col"),
            Cell(translated("Milestone"), "col"),
            Cell(translated("Due"), "col"),
            Cell(translated("Reached"), "col"),
            Cell(translated("Warned"), "col"),
        ],
        rows=[
            [
                Cell(item_name(order, item.id), "row", note=region_name(item.region)),
                Cell(told_milestone(each.kind)),
                *(Cell(told_if_set(time), style="time") for time in (each.due_time, each.reach_time, each.alert_time)),
            ]
            for item in order.items
            for each in item.milestones
        ],
    )
