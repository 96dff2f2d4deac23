"""The course of a joint order for people."""

from collections.abc import Iterator

from gateway.api.region.v1.joint_order_pb2 import JointDecision, JointItemState, JointOrder
from gateway.time.clock import from_timestamp
from gateway.wording.joint_orders import item_name, told_milestone, told_state
from gateway.wording.languages import enumerated, translated
from gateway.wording.refusals import told_error
from gateway.wording.terms import region_name
from gateway.wording.times import Happening, told_time


def happened(order: JointOrder) -> Iterator[Happening]:
    """Time, region and text of each event."""
    leader = region_name(order.leader_region)
    yield from_timestamp(order.create_time), leader, translated("submitted")
    if order.HasField("decide_time"):
        yield from_timestamp(order.decide_time), leader, _decided(order)
    for item in order.items:
        region, what = region_name(item.region), item_name(order, item.id)
        if item.state == JointItemState.JOINT_ITEM_STATE_REFUSED:
            yield from_timestamp(item.change_time), region, f"{what}: {told_error(item.error)}"
        for milestone in item.milestones:
            name = f"{what}: {told_milestone(milestone.kind)}"
            if milestone.HasField("reach_time"):
                yield from_timestamp(milestone.reach_time), region, name
            if milestone.HasField("alert_time"):
                told = translated("{milestone} is due at {time}", milestone=name, time=told_time(milestone.due_time))
                yield from_timestamp(milestone.alert_time), leader, told
    if order.HasField("end_time"):
        yield from_timestamp(order.end_time), leader, told_state(order.state)


def _decided(order: JointOrder) -> str:
    release = JointDecision.JOINT_DECISION_RELEASE
    released = [item_name(order, each.id) for each in order.items if each.decision == release]
    if not released:
        return translated("decided: everything is committed")
    if len(released) == len(order.items):
        return translated("decided: everything is released")
    return translated("decided: committed without {items}", items=enumerated(released))
