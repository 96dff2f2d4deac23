"""`region-node joint`: submit joint orders, and work on the items of this region."""

from collections.abc import Sequence
from pathlib import Path

import click
from google.protobuf.json_format import ParseError

from gateway.api.federation.v1.configuration_pb2 import JointMilestoneKind
from gateway.api.region.v1 import joint_order_service_pb2 as api
from gateway.api.region.v1.joint_order_pb2 import JointOrderState
from gateway.api.region.v1.joint_order_service_pb2_grpc import JointOrderServiceStub
from gateway.cli.asking import limit_option
from gateway.values.json_messages import message_from
from region_node.business.joint.saga import state_name
from region_node.cli.asking import Asking, reads, repeats, watch, writes
from region_node.cli.joint.joint_view import JOINT_ORDERS, print_order, print_told
from region_node.cli.options import staff_option

_STATES = {state_name(state): state for state in JointOrderState.values()[1:]}
_PREFIX = "JOINT_MILESTONE_KIND_"
_MILESTONES = {
    JointMilestoneKind.Name(kind).removeprefix(_PREFIX).lower().replace("_", "-"): kind
    for kind in JointMilestoneKind.values()[2:]
}


@click.group()
def joint() -> None:
    """Submit orders that several regions do together, and work on the items of this region."""


@joint.command()
@writes(staff_option)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
def submit(asking: Asking, file: Path) -> None:
    """Submit the joint order of FILE: a SubmitJointOrderRequest as JSON, with `order` and `places`.

    \b
    Examples:
      region-node joint submit leased-line.json --staff-id 4711
    """
    try:
        request = message_from(file.read_text(encoding="utf-8"), api.SubmitJointOrderRequest())
    except (ParseError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{file}: {error}") from error
    if asking.requester is not None and not request.order.HasField("requester"):
        request.order.requester.CopyFrom(asking.requester)
    answer = asking.ask(lambda channel: JointOrderServiceStub(channel).SubmitJointOrder, request)
    asking.tell(answer.order, print_told)


@joint.command("list")
@reads(limit_option(), staff_option)
@click.option("--number", default="", help="Only those about this number.")
@click.option("--state", "states", multiple=True, type=click.Choice(tuple(_STATES)), help="Only those in these states.")
def list_command(asking: Asking, number: str, states: Sequence[str]) -> None:
    """List joint orders, newest first.

    An operator system lists those that it submitted, and all of a customer of this region by --number.

    \b
    Examples:
      region-node joint list --state surveying
      region-node joint list --number +8619851000001 --staff-id 4711
    """
    request = api.ListJointOrdersRequest(states=[_STATES[each] for each in states], number=number)
    found = asking.ask(lambda channel: JointOrderServiceStub(channel).ListJointOrders, request)
    asking.show(found, JOINT_ORDERS, found.orders)


@joint.command()
@reads(staff_option)
@click.argument("joint_order")
def show(asking: Asking, joint_order: str) -> None:
    """Show a joint order: its items by region, who has it now and until when, and what happened.

    \b
    Examples:
      region-node joint show guangdong/J20261210-17 --staff-id 4711
    """
    request = api.GetJointOrderRequest(joint_order_id=joint_order)
    answer = asking.ask(lambda channel: JointOrderServiceStub(channel).GetJointOrder, request)
    asking.tell(answer.order, print_order)


@joint.command("watch")
@repeats(staff_option)
@click.argument("joint_order")
def watch_command(asking: Asking, joint_order: str) -> None:
    """Print a joint order at each change, until it is final.

    \b
    Examples:
      region-node joint watch guangdong/J20261210-17 --staff-id 4711
    """
    request = api.WatchJointOrderRequest(joint_order_id=joint_order)
    watch(
        asking,
        lambda channel: JointOrderServiceStub(channel).WatchJointOrder,
        request,
        lambda answer: print_told(answer.order),
    )


@joint.command()
@writes(staff_option)
@click.argument("joint_order")
@click.argument("reason")
def cancel(asking: Asking, joint_order: str, reason: str) -> None:
    """Cancel a joint order before its decision, in the region that leads it.

    \b
    Examples:
      region-node joint cancel guangdong/J20261210-17 "the office moves elsewhere"
    """
    request = api.CancelJointOrderRequest(joint_order_id=joint_order, reason=reason)
    answer = asking.ask(lambda channel: JointOrderServiceStub(channel).CancelJointOrder, request)
    asking.tell(answer.order, print_told)


@joint.command()
@writes()
@click.argument("joint_order")
@click.argument("item")
@click.option("--reserved", is_flag=True, help="The survey was good, or room was made for an item that is held.")
@click.option("--refused", default="", metavar="REASON", help="The survey was bad.")
@click.option("--reached", type=click.Choice(tuple(_MILESTONES)), help="The next milestone was reached.")
@click.option("--again", is_flag=True, help="Have the region's own system asked again what it refused.")
@click.option("--verified", is_flag=True, help="The customer has told you that the line is to end.")
def work(
    asking: Asking,
    joint_order: str,
    item: str,
    reserved: bool,
    refused: str,
    reached: str | None,
    again: bool,
    verified: bool,
) -> None:
    """Do the next step of an item of this region.

    \b
    Examples:
      region-node joint work guangdong/J20261210-17 access-2 --reserved
      region-node joint work guangdong/J20261210-17 access-2 --refused "no free duct"
      region-node joint work guangdong/J20261210-17 access-2 --reached test
      region-node joint work guangdong/J20261210-17 access-2 --again
      region-node joint work guangdong/J20261210-17 give --verified
      region-node joint work guangdong/J20261210-17 give --refused "the holder objects"
    """
    request = api.WorkOnJointOrderRequest(joint_order_id=joint_order, item_id=item)
    if refused:
        request.refuse = refused
    elif reached:
        request.reach = _MILESTONES[reached]
    elif reserved:
        request.reserve.SetInParent()
    elif again:
        request.ask_again.SetInParent()
    elif verified:
        request.verify.SetInParent()
    answer = asking.ask(lambda channel: JointOrderServiceStub(channel).WorkOnJointOrder, request)
    asking.tell(answer.order, print_told)
