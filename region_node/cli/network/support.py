"""`region-node support`: open support requests about network services, and work on them with the region at fault."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import click
from google.protobuf.duration_pb2 import Duration

from gateway.api.region.v1 import support_service_pb2 as api
from gateway.api.region.v1.support_request_pb2 import SupportInquiry, SupportMeasurement, SupportRequest, SupportState
from gateway.api.region.v1.support_service_pb2_grpc import SupportServiceStub
from gateway.api.types.v1.types_pb2 import Channel, Requester
from gateway.clock import to_timestamp
from gateway.languages import translated
from gateway.terminal import tell_more
from gateway.times import instant_of
from region_node.cli.asking import answer_of
from region_node.cli.connection import Target, connection_options
from region_node.cli.network.support_view import print_list, print_request, print_told, print_unanswered
from region_node.cli.options import json_option, print_message, request_id_of, request_option, staff_option
from region_node.network.support.rules import state_name

T = TypeVar("T")

_CALL_SECONDS = 30.0
_WAIT_SECONDS = 10  # for the region at fault
_STATES = {state_name(state): state for state in SupportState.values()[1:]}
_PARTS = 6  # of a measurement on the command line


@click.group()
def support() -> None:
    """Open support requests about network services, and work on them with the region at fault."""


@support.command("open")
@click.argument("subject")
@connection_options
@click.option("--description", required=True, help="What happens.")
@click.option("--number", required=True, help="The customer's line.")
@click.option("--service", required=True, help="A service of the registry of the network.")
@click.option(
    "--measured",
    multiple=True,
    metavar="LINK,DELAY,VARIATION,LOSS,FROM,TO",
    help="What was measured of a link of the service: microseconds, lost packets of 1,000,000,000, times with zone.",
)
@click.option(
    "--measure", is_flag=True, help="Add what the regions have measured of the links of the service that are not named."
)
@staff_option
@request_option
@json_option
def open_command(
    target: Target,
    subject: str,
    description: str,
    number: str,
    service: str,
    measured: tuple[str, ...],
    measure: bool,
    staff_id: str,
    request_id: str,
    as_json: bool,
) -> None:
    """Open a support request with SUBJECT, and print which region is at fault.

    \b
    Examples:
      region-node support open "calls break up" --description "since nine" --number 13912345678 \\
        --service lines-chengdu-guangzhou --measure
      region-node support open "calls break up" --description "since nine" --number 13912345678 \\
        --service lines-chengdu-guangzhou \\
        --measured chengdu-guangzhou-1,120000,300,5000,2026-12-10T09:00+08:00,2026-12-10T10:00+08:00
    """
    inquiry = SupportInquiry(
        number=number,
        subject=subject,
        description=description,
        service=service,
        measurements=[_measurement(each) for each in measured],
    )
    request = api.OpenSupportRequestRequest(
        request_id=request_id_of(request_id), inquiry=inquiry, requester=_requester(staff_id), measure=measure
    )
    answer = _ask(target, lambda node: node.OpenSupportRequest(request, timeout=_CALL_SECONDS), request.request_id)
    _tell(answer.request, as_json)
    print_unanswered(answer.unanswered)


@support.command("list")
@connection_options
@click.option("--number", default="", help="Only those about this number.")
@click.option("--state", "states", multiple=True, type=click.Choice(tuple(_STATES)), help="Only those in these states.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="At most so many.")
@staff_option
@json_option
def list_command(target: Target, number: str, states: Sequence[str], limit: int, staff_id: str, as_json: bool) -> None:
    """List support requests, newest first.

    \b
    Examples:
      region-node support list --state inProgress
    """
    request = api.ListSupportRequestsRequest(
        page_size=limit, requester=_requester(staff_id), states=[_STATES[each] for each in states], number=number
    )
    found = _ask(target, lambda node: node.ListSupportRequests(request, timeout=_CALL_SECONDS))
    if as_json:
        print_message(found)
    else:
        print_list(found.requests)
        tell_more(found.next_page_token)


@support.command()
@click.argument("support_request")
@connection_options
@staff_option
@json_option
def show(target: Target, support_request: str, staff_id: str, as_json: bool) -> None:
    """Show a support request: why that region is at fault, what was measured, and what both regions wrote down.

    \b
    Examples:
      region-node support show guangdong/S20261210-17 --staff-id 4711
    """
    request = api.GetSupportRequestRequest(id=support_request, requester=_requester(staff_id))
    told = _ask(target, lambda node: node.GetSupportRequest(request, timeout=_CALL_SECONDS)).request
    if as_json:
        print_message(told)
    else:
        print_request(told)


@support.command()
@click.argument("support_request")
@click.argument("text")
@connection_options
@request_option
@json_option
def note(target: Target, support_request: str, text: str, request_id: str, as_json: bool) -> None:
    """Write something down for the staff of both regions.

    \b
    Examples:
      region-node support note guangdong/S20261210-17 "the amplifier at the border runs hot"
    """
    _work(target, support_request, api.WorkOnSupportRequestRequest(note=text), request_id, as_json)


@support.command("take-up")
@click.argument("support_request")
@connection_options
@request_option
@json_option
def take_up(target: Target, support_request: str, request_id: str, as_json: bool) -> None:
    """Work on a support request from now on, as staff of the region at fault.

    \b
    Examples:
      region-node support take-up guangdong/S20261210-17
    """
    step = api.WorkOnSupportRequestRequest(take_up=api.WorkOnSupportRequestRequest.TakeUp())
    _work(target, support_request, step, request_id, as_json)


@support.command()
@click.argument("support_request")
@click.argument("text")
@connection_options
@request_option
@json_option
def resolve(target: Target, support_request: str, text: str, request_id: str, as_json: bool) -> None:
    """Say what was done, as staff of the region at fault.

    \b
    Examples:
      region-node support resolve guangdong/S20261210-17 "replaced the amplifier"
    """
    _work(target, support_request, api.WorkOnSupportRequestRequest(resolve=text), request_id, as_json)


@support.command()
@click.argument("support_request")
@connection_options
@request_option
@json_option
def close(target: Target, support_request: str, request_id: str, as_json: bool) -> None:
    """Close a support request that is resolved, as staff of the region that opened it.

    \b
    Examples:
      region-node support close guangdong/S20261210-17
    """
    step = api.WorkOnSupportRequestRequest(close=api.WorkOnSupportRequestRequest.Close())
    _work(target, support_request, step, request_id, as_json)


@support.command()
@click.argument("support_request")
@click.argument("reason")
@connection_options
@request_option
@json_option
def reopen(target: Target, support_request: str, reason: str, request_id: str, as_json: bool) -> None:
    """Say that it is not resolved after all, as staff of the region that opened it.

    \b
    Examples:
      region-node support reopen guangdong/S20261210-17 "it still breaks up"
    """
    _work(target, support_request, api.WorkOnSupportRequestRequest(reopen=reason), request_id, as_json)


def _work(
    target: Target, support_request: str, step: api.WorkOnSupportRequestRequest, request_id: str, as_json: bool
) -> None:
    step.id, step.request_id = support_request, request_id_of(request_id)
    step.wait.CopyFrom(Duration(seconds=_WAIT_SECONDS))
    answer = _ask(target, lambda node: node.WorkOnSupportRequest(step, timeout=_CALL_SECONDS), step.request_id)
    _tell(answer.request, as_json)


def _measurement(told: str) -> SupportMeasurement:
    """Raises UsageError for what is none."""
    parts = told.split(",")
    try:
        if len(parts) != _PARTS:
            raise ValueError
        delay, variation, loss = (int(each) for each in parts[1:4])
    except ValueError:
        problem = translated("--measured: {told} is not LINK,DELAY,VARIATION,LOSS,FROM,TO", told=told)
        raise click.UsageError(problem) from None
    try:
        start, end = map(instant_of, parts[4:])
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return SupportMeasurement(
        link=parts[0],
        delay_us=delay,
        delay_variation_us=variation,
        loss_ppb=loss,
        start_time=to_timestamp(start),
        end_time=to_timestamp(end),
    )


def _requester(staff_id: str) -> Requester:
    return Requester(staff_id=staff_id, channel=Channel.CHANNEL_COUNTER)


def _ask(target: Target, call: Callable[[SupportServiceStub], Awaitable[T]], request_id: str = "") -> T:
    return answer_of(target, lambda channel: call(SupportServiceStub(channel)), request_id)


def _tell(request: SupportRequest, as_json: bool) -> None:
    if as_json:
        print_message(request)
    else:
        print_told(request)
