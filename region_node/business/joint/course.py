"""The course of a joint order for people."""

from collections.abc import Iterator

from gateway.api.region.v1.joint_order_pb2 import JointDecision, JointItem, JointItemState, JointOrder
from gateway.time.clock import from_timestamp
from gateway.wording.joint_orders import told_milestone, told_state
from gateway.wording.languages import in_language, translated
from gateway.wording.terms import joint_item_name, region_name
from gateway.wording.times import Happening, told_time


def happened(order: JointOrder) -> Iterator[Happening]:
    """Time, region and text of each event."""
    leader = region_name(order.leader_region)
    yield from_timestamp(order.create_time), leader, translated("submitted")
    if order.HasField("decide_time"):
        yield from_timestamp(order.decide_time), leader, _decided(order)
    for item in order.items:
        region, what = region_name(item.region), _name(order, item)
        if item.state == JointItemState.JOINT_ITEM_STATE_REFUSED:
            yield from_timestamp(item.change_time), region, f"{what}: {in_language(item.error.message)}"
        for milestone in item.milestones:
            name = f"{what}: {told_milestone(milestone.kind)}"
            if milestone.HasField("reach_time"):
                yield from_timestamp(milestone.reach_time), region, name
            if milestone.HasField("alert_time"):
                told = translated("{milestone} is due at {time}", milestone=name, time=told_time(milestone.due_time))
                yield from_timestamp(milestone.alert_time), leader, told
    if order.HasField("end_time"):
        yield from_timestamp(order.end_time), leader, told_state(order.state)


def _name(order: JointOrder, item: JointItem) -> str:
    return joint_item_name(order.request.business, item.id)


def _decided(order: JointOrder) -> str:
    released = [_name(order, each) for each in order.items if each.decision == JointDecision.JOINT_DECISION_RELEASE]
    if not released:
        return translated("decided: everything is committed")
    if len(released) == len(order.items):
        return translated("decided: everything is released")
    return translated("decided: committed without {items}", items=", ".join(released))
