"""Sentences about an order: who has it, what it waits for, and until when."""

from coordinator.cli.orders.order_timeline import unanswered_envelopes
from coordinator.cli.output import told_reason
from gateway.api.coordinator.v1.administration_pb2 import GetOrderTraceResponse, RegionTrace
from gateway.api.federation.v1.configuration_pb2 import JointMilestoneKind
from gateway.api.region.v1.joint_order_pb2 import JointAwaiting, JointOrderState
from gateway.api.region.v1.order_oversight_service_pb2 import JointOrderSummary, OrderSummary
from gateway.api.region.v1.order_pb2 import OrderState, Party
from gateway.wording.languages import translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_time
from gateway.wording.words import word


def explained(response: GetOrderTraceResponse) -> str:
    """One sentence on the newest version of any region, with an envelope that has not arrived."""
    newest = max(response.traces, key=_version).trace
    told = _joint(newest.joint) if newest.HasField("joint") else _order(newest.order)
    waiting = unanswered_envelopes(response)
    return "; ".join([told, *waiting[:1]])


def joint_line(region: str, joint: JointOrderSummary) -> str:
    """A line on the version of a joint order that a region has."""
    return translated(
        "{region} has version {version} of {business}: {state}",
        region=region_name(region),
        version=joint.version,
        business=joint.business,
        state=word(JointOrderState.Name(joint.state), "JOINT_ORDER_STATE_"),
    )


def _version(region: RegionTrace) -> int:
    return region.trace.joint.version or region.trace.order.version


def _order(order: OrderSummary) -> str:
    state = word(OrderState.Name(order.state), "ORDER_STATE_")
    if not order.awaiting.party:
        return translated("{order} waits for nobody: it is {state}", order=order.id, state=state)
    told = translated(
        "{order} waits for {party}: {action}, since {since}, until {until}",
        order=order.id,
        party=word(Party.Name(order.awaiting.party), "PARTY_"),
        action=translated(order.awaiting.action),
        since=told_time(order.awaiting.since_time),
        until=told_time(order.awaiting.due_time),
    )
    if not order.reason:
        return told
    reason = told_reason(order.reason, region=region_name(order.home_region), number=order.number_prefix)
    return f"{told} ({reason})"


def _joint(joint: JointOrderSummary) -> str:
    if not joint.awaiting:
        state = word(JointOrderState.Name(joint.state), "JOINT_ORDER_STATE_")
        return translated("{order} waits for nobody: it is {state}", order=joint.id, state=state)
    waits = ", ".join(_awaited(each) for each in joint.awaiting)
    return translated("{order} waits for {waits}", order=joint.id, waits=waits)


def _awaited(awaiting: JointAwaiting) -> str:
    milestone = word(JointMilestoneKind.Name(awaiting.milestone), "JOINT_MILESTONE_KIND_")
    return translated(
        "{region} ({item}: {milestone}, since {since}, until {until})",
        region=region_name(awaiting.region),
        item=awaiting.item_id,
        milestone=milestone or translated("release"),
        since=told_time(awaiting.since_time),
        until=told_time(awaiting.due_time),
    )
