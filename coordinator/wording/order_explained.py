"""Sentences about an order: who has it, what it waits for, and until when."""

from coordinator.wording import joint_orders
from coordinator.wording.answers import told_reason
from coordinator.wording.order_timeline import unanswered_envelopes
from gateway.api.coordinator.v1.administration_pb2 import GetOrderTraceResponse, RegionTrace
from gateway.api.region.v1 import order_oversight_service_pb2 as region_api
from gateway.api.region.v1.joint_order_pb2 import JointAwaiting, JointItemState
from gateway.api.region.v1.order_oversight_service_pb2 import JointItemSummary, JointOrderSummary, OrderSummary
from gateway.api.region.v1.order_pb2 import OrderState, Party
from gateway.wording.joint_orders import told_milestone, told_state
from gateway.wording.languages import clauses, enumerated, headed, remarked, translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_time
from gateway.wording.words import value_word

_STARTS = frozenset({"agreed-time", "next-cycle"})  # the actions that only wait for their time


def explained(response: GetOrderTraceResponse) -> str:
    """One sentence on the newest version of any region, with an envelope that has not arrived."""
    newest = newest_trace(response)
    told = _joint(newest.joint) if newest.HasField("joint") else _order(newest.order)
    waiting = unanswered_envelopes(response)
    return clauses([told, *waiting[:1]])


def newest_trace(response: GetOrderTraceResponse) -> region_api.GetOrderTraceResponse:
    """The trace of the region with the newest version; there is one."""
    return max(response.traces, key=_version).trace


def joint_line(region: str, joint: JointOrderSummary) -> str:
    """A line on the version of a joint order that a region has."""
    return translated(
        "{region} has version {version} of {business}: {state}",
        region=region_name(region),
        version=joint.version,
        business=joint.business,
        state=told_state(joint.state),
    )


def _version(region: RegionTrace) -> int:
    return region.trace.joint.version or region.trace.order.version


def _order(order: OrderSummary) -> str:
    state = value_word(OrderState.DESCRIPTOR, order.state)
    reason = ""
    if order.reason:
        reason = told_reason(order.reason, region=region_name(order.home_region), number=order.number_prefix)
    if not order.awaiting.party:
        return _ended(order.id, state, reason)
    if order.awaiting.action in _STARTS:
        return translated(
            "{order} is accepted, and {region} carries it out at {time}",
            order=order.id,
            region=region_name(order.home_region),
            time=told_time(order.awaiting.due_time),
        )
    told = translated(
        "{order} waits for {party}: {action}, since {since}, until {until}",
        order=order.id,
        party=value_word(Party.DESCRIPTOR, order.awaiting.party),
        action=translated(order.awaiting.action),
        since=told_time(order.awaiting.since_time),
        until=told_time(order.awaiting.due_time),
    )
    return remarked(told, reason) if reason else told


def _joint(joint: JointOrderSummary) -> str:
    if not joint.awaiting:
        state = told_state(joint.state)
        return _ended(joint.id, state, enumerated(filter(None, map(_not_done, joint.items))))
    items = {each.id: each for each in joint.items}
    waits = enumerated(_awaited(each, items.get(each.item_id, JointItemSummary())) for each in joint.awaiting)
    return translated("{order} waits for {waits}", order=joint.id, waits=waits)


def _ended(order: str, state: str, reason: str) -> str:
    """The final state, with the reason of a refusal or a failure."""
    if reason:
        return translated("{order} is {state}: {reason}", order=order, state=state, reason=reason)
    return translated("{order} waits for nobody: it is {state}", order=order, state=state)


def _not_done(item: JointItemSummary) -> str:
    """Why an item was not done; empty where another item was the reason."""
    region = region_name(item.region)
    if item.state == JointItemState.JOINT_ITEM_STATE_EXPIRED:
        return translated("{item} in {region} ended without an answer in time", item=item.id, region=region)
    if item.state != JointItemState.JOINT_ITEM_STATE_REFUSED:
        return ""
    reason = joint_orders.told_reason(item)
    return translated("{region} refused {item}: {reason}", region=region, item=item.id, reason=reason)


def _awaited(awaiting: JointAwaiting, item: JointItemSummary) -> str:
    """Who has an item now and for what: the customer's own proof, room for a held item, or the next milestone."""
    told = _waits_for(awaiting, item)
    return headed(told, joint_orders.told_reason(item)) if item.reason else told


def _waits_for(awaiting: JointAwaiting, item: JointItemSummary) -> str:
    region = region_name(awaiting.region)
    if item.HasField("verify_until_time"):
        return translated(
            "{region} ({item}: the customer's own proof, since {since}, until {until})",
            region=region,
            item=awaiting.item_id,
            since=told_time(awaiting.since_time),
            until=told_time(item.verify_until_time),
        )
    if item.state == JointItemState.JOINT_ITEM_STATE_HELD:
        return translated(
            "{region} ({item}: held until its staff make room again, since {since})",
            region=region,
            item=awaiting.item_id,
            since=told_time(awaiting.since_time),
        )
    milestone = told_milestone(awaiting.milestone)
    return translated(
        "{region} ({item}: {milestone}, since {since}, until {until})",
        region=region_name(awaiting.region),
        item=awaiting.item_id,
        milestone=milestone or translated("release"),
        since=told_time(awaiting.since_time),
        until=told_time(awaiting.due_time),
    )
