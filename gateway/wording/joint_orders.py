"""Joint orders in words: the states, the milestones, what an item waits for, and the next limit."""

from collections.abc import Iterator

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.federation.v1.configuration_pb2 import JointMilestoneKind
from gateway.api.region.v1.joint_order_pb2 import (
    JointAwaiting,
    JointItem,
    JointItemState,
    JointOrder,
    JointOrderState,
)
from gateway.api.region.v1.order_oversight_service_pb2 import JointItemSummary, JointOrderSummary
from gateway.wording.languages import translated
from gateway.wording.terms import joint_item_name
from gateway.wording.words import value_word


def told_state(state: JointOrderState.ValueType) -> str:
    """The state of a joint order."""
    return value_word(JointOrderState.DESCRIPTOR, state)


def told_item_state(state: JointItemState.ValueType) -> str:
    """The state of an item."""
    return value_word(JointItemState.DESCRIPTOR, state)


def told_milestone(kind: JointMilestoneKind.ValueType) -> str:
    """A milestone; empty where none is set."""
    return value_word(JointMilestoneKind.DESCRIPTOR, kind)


def item_name(order: JointOrder | JointOrderSummary, item_id: str) -> str:
    """The printed name of an item with its id."""
    business = order.request.business if isinstance(order, JointOrder) else order.business
    return joint_item_name(business, item_id)


def waits(order: JointOrder | JointOrderSummary) -> Iterator[tuple[JointAwaiting, str]]:
    """Each region that has the order now, and what its item waits for.

    That is the customer's own proof, room for a held item, or the next milestone.
    """
    items: dict[str, JointItem | JointItemSummary] = {each.id: each for each in order.items}
    for each in order.awaiting:
        yield each, _awaited(items.get(each.item_id, JointItem()), each.milestone)


def _awaited(item: JointItem | JointItemSummary, milestone: JointMilestoneKind.ValueType) -> str:
    if item.HasField("verify_until_time"):
        return translated("the customer's own proof")
    if item.state == JointItemState.JOINT_ITEM_STATE_HELD:
        return translated("room for what is held")
    return told_milestone(milestone) or translated("release")


def next_limit(order: JointOrder | JointOrderSummary) -> Timestamp:
    """The first limit of all that is awaited; the empty time without one."""
    limits = (each.due_time for each in order.awaiting if each.HasField("due_time"))
    return min(limits, key=lambda each: (each.seconds, each.nanos), default=Timestamp())
