"""Joint orders in words: what an item waits for, the next limit, and which items are in jeopardy."""

from collections.abc import Iterator, Sequence

from google.protobuf.timestamp_pb2 import Timestamp

from coordinator.wording import answers
from gateway.api.federation.v1.configuration_pb2 import JointMilestoneKind
from gateway.api.region.v1.joint_order_pb2 import JointAwaiting, JointItemState, JointOrderState
from gateway.api.region.v1.order_oversight_service_pb2 import JointItemSummary, JointOrderSummary
from gateway.wording.languages import translated
from gateway.wording.terms import region_name
from gateway.wording.words import word


def told_state(state: JointOrderState.ValueType) -> str:
    """The state of a joint order."""
    return word(JointOrderState.Name(state), "JOINT_ORDER_STATE_")


def told_item_state(state: JointItemState.ValueType) -> str:
    """The state of an item."""
    return word(JointItemState.Name(state), "JOINT_ITEM_STATE_")


def told_milestone(kind: JointMilestoneKind.ValueType) -> str:
    """A milestone; empty where none is set."""
    return word(JointMilestoneKind.Name(kind), "JOINT_MILESTONE_KIND_")


def told_reason(item: JointItemSummary) -> str:
    """The reason of an item. The staff's own words may tell of the customer: they stay in the regions of the order."""
    problem = translated("`region-node joint show` in a region of the order has the words")
    known = {"problem": problem, "problem_en": problem, "problem_zh_cn": problem}
    return answers.told_reason(item.reason, region=region_name(item.region), **known)


def told_item(item: JointItemSummary) -> str:
    """An item with its region and its state."""
    return f"{region_name(item.region)} {item.id}: {told_item_state(item.state)}"


def waits(order: JointOrderSummary) -> Iterator[tuple[JointAwaiting, str]]:
    """Each region that has the order now, and what its item waits for.

    That is the customer's own proof, room for a held item, or the next milestone.
    """
    items = {each.id: each for each in order.items}
    for each in order.awaiting:
        yield each, _awaited(each, items.get(each.item_id, JointItemSummary()))


def _awaited(awaiting: JointAwaiting, item: JointItemSummary) -> str:
    if item.HasField("verify_until_time"):
        return translated("the customer's own proof")
    if item.state == JointItemState.JOINT_ITEM_STATE_HELD:
        return translated("room for what is held")
    return told_milestone(awaiting.milestone) or translated("release")


def next_limit(order: JointOrderSummary) -> Timestamp:
    """The first limit of all that is awaited; the empty time without one."""
    limits = (each.due_time for each in order.awaiting if each.HasField("due_time"))
    return min(limits, key=lambda each: (each.seconds, each.nanos), default=Timestamp())


def in_jeopardy(order: JointOrderSummary) -> Sequence[JointItemSummary]:
    """The items of which a limit is near or has passed."""
    return [each for each in order.items if each.HasField("alert_time")]
