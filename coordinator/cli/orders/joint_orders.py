"""Joint orders of all regions as a table: who has each of them now and for how long, the next limit, and jeopardy."""

from datetime import datetime

from rich.text import Text

from coordinator.cli.output import told_due
from coordinator.wording.ages import told_age
from coordinator.wording.joint_orders import in_jeopardy
from gateway.api.region.v1.order_oversight_service_pb2 import JointItemSummary, JointOrderSummary
from gateway.cli.table import Table, TableColumn
from gateway.wording.joint_orders import next_limit, told_item_state, told_state, waits
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set


def joint_orders(now: datetime) -> Table[JointOrderSummary]:
    """The table of joint orders, with ages and passed limits as of an instant."""
    return Table(
        TableColumn("joint order", lambda each: each.id),
        TableColumn("business", lambda each: each.business),
        TableColumn("state", lambda each: told_state(each.state)),
        TableColumn("led by", lambda each: region_name(each.leader_region)),
        TableColumn("items by region", lambda each: "\n".join(map(_told_item, each.items))),
        TableColumn("waits for", lambda each: _who_has(each, now)),
        TableColumn("until", lambda each: told_due(next_limit(each), now)),
        TableColumn("jeopardy", lambda each: _jeopardy(each, now)),
        TableColumn("promised", lambda each: _promised(each, now)),
    )


def _told_item(item: JointItemSummary) -> str:
    return f"{region_name(item.region)} {item.id}: {told_item_state(item.state)}"


def _who_has(order: JointOrderSummary, now: datetime) -> str:
    """A line for each region that has the order now, with what it does and since when."""
    return "\n".join(
        f"{region_name(each.region)} {each.item_id}: {awaited}, {told_age(each.since_time, now)}"
        for each, awaited in waits(order)
    )


def _jeopardy(order: JointOrderSummary, now: datetime) -> Text:
    """The items in jeopardy, with the age of the warning."""
    warned = in_jeopardy(order)
    return Text("\n".join(f"{each.id}, {told_age(each.alert_time, now)}" for each in warned), style="red")


def _promised(order: JointOrderSummary, now: datetime) -> Text:
    """The promise to the customer, which only an open order can break any more."""
    promised = order.expected_completion_time
    return told_due(promised, now) if order.awaiting else Text(told_if_set(promised))
