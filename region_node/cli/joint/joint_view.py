"""How joint orders are shown to people."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import click

from gateway.api.federation.v1.configuration_pb2 import JointAction, JointMilestoneKind
from gateway.api.region.v1.joint_order_pb2 import (
    JointAwaiting,
    JointDecision,
    JointItem,
    JointItemState,
    JointOrder,
    JointOrderState,
)
from gateway.cli.table import Table, TableColumn, show_timeline
from gateway.time.clock import from_timestamp
from gateway.wording.languages import in_language, translated
from gateway.wording.terms import business_name, joint_item_name, joint_staff_check, region_name
from gateway.wording.times import told_if_set, told_time
from gateway.wording.words import word

_TO_RESERVE = frozenset({JointItemState.JOINT_ITEM_STATE_SURVEYING, JointItemState.JOINT_ITEM_STATE_HELD})


def _state(state: JointOrderState.ValueType) -> str:
    return word(JointOrderState.Name(state), "JOINT_ORDER_STATE_")


def _milestone(kind: JointMilestoneKind.ValueType) -> str:
    return word(JointMilestoneKind.Name(kind), "JOINT_MILESTONE_KIND_")


def _awaited(awaiting: JointAwaiting) -> str:
    return _milestone(awaiting.milestone) if awaiting.milestone else translated("release")


JOINT_ORDERS = Table[JointOrder](
    TableColumn("joint order", lambda each: each.id),
    TableColumn("business", lambda each: business_name(each.request.business)),
    TableColumn("state", lambda each: _state(each.state)),
    TableColumn("led by", lambda each: region_name(each.leader_region)),
    TableColumn("items", lambda each: str(len(each.items))),
    TableColumn("submitted", lambda each: told_time(each.create_time)),
)
"""The table of joint orders."""


@dataclass(frozen=True)
class _Item:
    """An item as a row, with its name."""

    name: str
    item: JointItem = field(repr=False)


_ITEMS = Table[_Item](
    TableColumn("item", lambda each: each.name),
    TableColumn("region", lambda each: region_name(each.item.region)),
    TableColumn("action", lambda each: word(JointAction.Name(each.item.action), "JOINT_ACTION_")),
    TableColumn("state", lambda each: word(JointItemState.Name(each.item.state), "JOINT_ITEM_STATE_")),
    TableColumn("reason", lambda each: in_language(each.item.error.message) if each.item.HasField("error") else ""),
)
_AWAITING = Table[JointAwaiting](
    TableColumn("region", lambda each: region_name(each.region)),
    TableColumn("item", lambda each: each.item_id),
    TableColumn("waits for", _awaited),
    TableColumn("since", lambda each: told_time(each.since_time)),
    TableColumn("until", lambda each: told_if_set(each.due_time)),
)


def print_told(order: JointOrder) -> None:
    """Prints the state of a joint order in a line, with the regions that have it now."""
    regions = dict.fromkeys(region_name(each.region) for each in order.awaiting)
    told = translated("{order}: {state}", order=order.id, state=_state(order.state))
    if regions:
        told += translated("; waits for {regions}", regions=", ".join(regions))
    click.echo(told)


def print_order(order: JointOrder) -> None:
    """Prints a joint order in full: the items, who has them now and until when, and the timeline of all regions."""
    print_told(order)
    click.echo(f"{business_name(order.request.business)} {order.request.number}".rstrip())
    for place in order.places:
        click.echo(f"{region_name(place.region)}: {place.address}")
    if order.state == JointOrderState.JOINT_ORDER_STATE_SURVEYING:
        told = translated("Every reservation holds until {time}.", time=told_time(order.hold_until_time))
        click.echo(told)
    if order.cancellation_reason:
        click.echo(translated("Cancelled: {reason}", reason=order.cancellation_reason))
    _ITEMS.show([_Item(joint_item_name(order.request.business, each.id), each) for each in order.items])
    for item in (each for each in order.items if each.opened_number):
        click.echo(translated("{item} has opened the line {number}", item=item.id, number=item.opened_number))
    for item in order.items:
        if item.HasField("verify_until_time"):
            time = told_time(item.verify_until_time)
            click.echo(translated("{item} waits until {time} for the customer's own proof.", item=item.id, time=time))
    for item in (each for each in order.items if each.state in _TO_RESERVE):
        if check := joint_staff_check(order.request.business, item.id):
            click.echo(translated("{item} is reserved after this check by staff: {check}", item=item.id, check=check))
    if order.awaiting:
        click.echo()
        _AWAITING.show(order.awaiting)
    click.echo()
    show_timeline(_happened(order))


def _happened(order: JointOrder) -> Iterator[tuple[datetime, str, str]]:
    """Time, region and text of each event."""
    leader = region_name(order.leader_region)
    yield from_timestamp(order.create_time), leader, translated("submitted")
    if order.HasField("decide_time"):
        yield from_timestamp(order.decide_time), leader, _decided(order)
    for item in order.items:
        region = region_name(item.region)
        if item.state == JointItemState.JOINT_ITEM_STATE_REFUSED:
            yield from_timestamp(item.change_time), region, f"{item.id}: {in_language(item.error.message)}"
        for milestone in item.milestones:
            name = f"{item.id}: {_milestone(milestone.kind)}"
            if milestone.HasField("reach_time"):
                yield from_timestamp(milestone.reach_time), region, name
            if milestone.HasField("alert_time"):
                told = translated("{milestone} is due at {time}", milestone=name, time=told_time(milestone.due_time))
                yield from_timestamp(milestone.alert_time), leader, told
    if order.HasField("end_time"):
        yield from_timestamp(order.end_time), leader, _state(order.state)


def _decided(order: JointOrder) -> str:
    released = [each.id for each in order.items if each.decision == JointDecision.JOINT_DECISION_RELEASE]
    if not released:
        return translated("decided: everything is committed")
    if len(released) == len(order.items):
        return translated("decided: everything is released")
    return translated("decided: committed without {items}", items=", ".join(released))
