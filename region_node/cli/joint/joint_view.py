"""How joint orders are shown to people."""

from dataclasses import dataclass, field

import click

from gateway.api.federation.v1.configuration_pb2 import JointAction
from gateway.api.region.v1.joint_order_pb2 import (
    JointAwaiting,
    JointItem,
    JointOrder,
    JointOrderState,
)
from gateway.cli.table import Table, TableColumn, show_timeline
from gateway.wording.joint_orders import item_name, told_item_state, told_state, waits
from gateway.wording.languages import enumerated, in_language, translated
from gateway.wording.terms import business_name, joint_staff_check, region_name
from gateway.wording.times import told_if_set, told_time
from gateway.wording.words import value_word
from region_node.business.joint import rules
from region_node.business.joint.course import happened

JOINT_ORDERS = Table[JointOrder](
    TableColumn("joint order", lambda each: each.id),
    TableColumn("business", lambda each: business_name(each.request.business)),
    TableColumn("state", lambda each: told_state(each.state)),
    TableColumn("led by", lambda each: region_name(each.leader_region)),
    TableColumn("items", lambda each: str(len(each.items))),
    TableColumn("submitted at", lambda each: told_time(each.create_time)),
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
    TableColumn("action", lambda each: value_word(JointAction.DESCRIPTOR, each.item.action)),
    TableColumn("state", lambda each: told_item_state(each.item.state)),
    TableColumn("reason", lambda each: in_language(each.item.error.message) if each.item.HasField("error") else ""),
)
_AWAITING = Table[tuple[JointAwaiting, str]](
    TableColumn("region", lambda each: region_name(each[0].region)),
    TableColumn("item", lambda each: each[0].item_id),
    TableColumn("waits for", lambda each: each[1]),
    TableColumn("since", lambda each: told_time(each[0].since_time)),
    TableColumn("until", lambda each: told_if_set(each[0].due_time)),
)


def print_told(order: JointOrder) -> None:
    """Prints the state of a joint order in a line, with the regions that have it now."""
    regions = dict.fromkeys(region_name(each.region) for each in order.awaiting)
    told = translated("{order}: {state}", order=order.id, state=told_state(order.state))
    if regions:
        told += translated("; waits for {regions}", regions=enumerated(regions))
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
    _ITEMS.show([_Item(item_name(order, each.id), each) for each in order.items])
    for item in (each for each in order.items if each.opened_number):
        click.echo(translated("{item} has opened the line {number}", item=item.id, number=item.opened_number))
    for item in order.items:
        if item.HasField("verify_until_time"):
            time = told_time(item.verify_until_time)
            click.echo(translated("{item} waits until {time} for the customer's own proof.", item=item.id, time=time))
    for item in filter(rules.is_to_reserve, order.items):
        if check := joint_staff_check(order.request.business, item.id):
            click.echo(translated("{item} is reserved after this check by staff: {check}", item=item.id, check=check))
    if order.awaiting:
        click.echo()
        _AWAITING.show(waits(order))
    click.echo()
    show_timeline(happened(order))
