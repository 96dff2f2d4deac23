"""Joint orders of all regions as a table: who has each of them now and for how long, the next limit, and jeopardy."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from rich.text import Text

from coordinator.cli.output import told_due
from coordinator.wording.ages import told_age
from gateway.api.federation.v1.configuration_pb2 import JointMilestoneKind
from gateway.api.region.v1.joint_order_pb2 import JointAwaiting, JointItemState, JointOrderState
from gateway.api.region.v1.order_oversight_service_pb2 import JointItemSummary, JointOrderSummary
from gateway.cli.table import Table, TableColumn
from gateway.wording.languages import translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set
from gateway.wording.words import word


def joint_orders(now: datetime) -> Table[JointOrderSummary]:
    """The table of joint orders, with ages and passed limits as of an instant."""
    return Table(
        TableColumn("joint order", lambda each: each.id),
        TableColumn("business", lambda each: each.business),
        TableColumn("state", lambda each: word(JointOrderState.Name(each.state), "JOINT_ORDER_STATE_")),
        TableColumn("led by", lambda each: region_name(each.leader_region)),
        TableColumn("items by region", lambda each: "\n".join(map(_item, each.items))),
        TableColumn("waits for", lambda each: _who_has(each, now)),
        TableColumn("until", lambda each: told_due(_next_limit(each), now)),
        TableColumn("jeopardy", lambda each: _jeopardy(each, now)),
        TableColumn("promised", lambda each: _promised(each, now)),
    )


def _awaited(awaiting: JointAwaiting, item: JointItemSummary) -> str:
    """What an item waits for: the customer's own proof, room for a held item, or the next milestone."""
    if item.HasField("verify_until_time"):
        return translated("the customer's own proof")
    if item.state == JointItemState.JOINT_ITEM_STATE_HELD:
        return translated("room for what is held")
    return word(JointMilestoneKind.Name(awaiting.milestone), "JOINT_MILESTONE_KIND_") or translated("release")


def _item(item: JointItemSummary) -> str:
    return f"{region_name(item.region)} {item.id}: {word(JointItemState.Name(item.state), 'JOINT_ITEM_STATE_')}"


def _who_has(order: JointOrderSummary, now: datetime) -> str:
    """A line for each region that has the order now, with what it does and since when."""
    items = {each.id: each for each in order.items}
    return "\n".join(
        f"{region_name(each.region)} {each.item_id}: "
        f"{_awaited(each, items.get(each.item_id, JointItemSummary()))}, {told_age(each.since_time, now)}"
        for each in order.awaiting
    )


def _next_limit(order: JointOrderSummary) -> Timestamp:
    """The first limit of all that is awaited; the empty time without one."""
    limits = (each.due_time for each in order.awaiting if each.HasField("due_time"))
    return min(limits, key=lambda each: (each.seconds, each.nanos), default=Timestamp())


def _jeopardy(order: JointOrderSummary, now: datetime) -> Text:
    """The items of which a limit is near or has passed, with the age of the warning."""
    warned = [each for each in order.items if each.HasField("alert_time")]
    return Text("\n".join(f"{each.id}, {told_age(each.alert_time, now)}" for each in warned), style="red")


def _promised(order: JointOrderSummary, now: datetime) -> Text:
    """The promise to the customer, which only an open order can break any more."""
    promised = order.expected_completion_time
    return told_due(promised, now) if order.awaiting else Text(told_if_set(promised))
