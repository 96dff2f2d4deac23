"""`region-node support`: open support requests about network services, and work on them with the region at fault."""

from collections.abc import Sequence

import click
from google.protobuf.duration_pb2 import Duration

from gateway.api.region.v1 import support_service_pb2 as api
from gateway.api.region.v1.support_request_pb2 import SupportInquiry, SupportMeasurement, SupportState
from gateway.api.region.v1.support_service_pb2_grpc import SupportServiceStub
from gateway.cli.asking import limit_option
from gateway.time.clock import to_timestamp
from gateway.wording.languages import translated
from gateway.wording.times import instant_of
from region_node.cli.asking import Asking, reads, writes
from region_node.cli.options import staff_option
from region_node.cli.support.support_view import SUPPORT_REQUESTS, print_request, print_told, print_unanswered
from region_node.network.support.rules import state_name

_WAIT = Duration(seconds=10)  # for the region at fault
_STATES = {state_name(state): state for state in SupportState.values()[1:]}
_PARTS = 6  # of a measurement on the command line


@click.group()
def support() -> None:
    """Open support requests about network services, and work on them with the region at fault."""


@support.command("open")
@writes(staff_option)
@click.argument("subject")
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
def open_command(
    asking: Asking, subject: str, description: str, number: str, service: str, measured: tuple[str, ...], measure: bool
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
    request = api.OpenSupportRequestRequest(inquiry=inquiry, measure=measure)
    answer = asking.ask(lambda channel: SupportServiceStub(channel).OpenSupportRequest, request)
    asking.tell(answer.request, print_told)
    print_unanswered(answer.unanswered)


@support.command("list")
@reads(limit_option(), staff_option)
@click.option("--number", default="", help="Only those about this number.")
@click.option("--state", "states", multiple=True, type=click.Choice(tuple(_STATES)), help="Only those in these states.")
def list_command(asking: Asking, number: str, states: Sequence[str]) -> None:
    """List support requests, newest first.

    \b
    Examples:
      region-node support list --state inProgress
    """
    request = api.ListSupportRequestsRequest(states=[_STATES[each] for each in states], number=number)
    found = asking.ask(lambda channel: SupportServiceStub(channel).ListSupportRequests, request)
    asking.show(found, SUPPORT_REQUESTS, found.requests)


@support.command()
@reads(staff_option)
@click.argument("support_request")
def show(asking: Asking, support_request: str) -> None:
    """Show a support request: why that region is at fault, what was measured, and what both regions wrote down.

    \b
    Examples:
      region-node support show guangdong/S20261210-17 --staff-id 4711
    """
    request = api.GetSupportRequestRequest(support_request_id=support_request)
    told = asking.ask(lambda channel: SupportServiceStub(channel).GetSupportRequest, request).request
    asking.tell(told, print_request)


@support.command()
@writes()
@click.argument("support_request")
@click.argument("text")
def note(asking: Asking, support_request: str, text: str) -> None:
    """Write something down for the staff of both regions.

    \b
    Examples:
      region-node support note guangdong/S20261210-17 "the amplifier at the border runs hot"
    """
    _work(asking, support_request, api.WorkOnSupportRequestRequest(note=text))


@support.command("take-up")
@writes()
@click.argument("support_request")
def take_up(asking: Asking, support_request: str) -> None:
    """Work on a support request from now on, as staff of the region at fault.

    \b
    Examples:
      region-node support take-up guangdong/S20261210-17
    """
    step = api.WorkOnSupportRequestRequest(take_up=api.WorkOnSupportRequestRequest.TakeUp())
    _work(asking, support_request, step)


@support.command()
@writes()
@click.argument("support_request")
@click.argument("text")
def resolve(asking: Asking, support_request: str, text: str) -> None:
    """Say what was done, as staff of the region at fault.

    \b
    Examples:
      region-node support resolve guangdong/S20261210-17 "replaced the amplifier"
    """
    _work(asking, support_request, api.WorkOnSupportRequestRequest(resolve=text))


@support.command()
@writes()
@click.argument("support_request")
def close(asking: Asking, support_request: str) -> None:
    """Close a support request that is resolved, as staff of the region that opened it.

    \b
    Examples:
      region-node support close guangdong/S20261210-17
    """
    step = api.WorkOnSupportRequestRequest(close=api.WorkOnSupportRequestRequest.Close())
    _work(asking, support_request, step)


@support.command()
@writes()
@click.argument("support_request")
@click.argument("reason")
def reopen(asking: Asking, support_request: str, reason: str) -> None:
    """Say that it is not resolved after all, as staff of the region that opened it.

    \b
    Examples:
      region-node support reopen guangdong/S20261210-17 "it still breaks up"
    """
    _work(asking, support_request, api.WorkOnSupportRequestRequest(reopen=reason))


def _work(asking: Asking, support_request: str, step: api.WorkOnSupportRequestRequest) -> None:
    step.support_request_id = support_request
    step.wait.CopyFrom(_WAIT)
    answer = asking.ask(lambda channel: SupportServiceStub(channel).WorkOnSupportRequest, step)
    asking.tell(answer.request, print_told)


def _measurement(told: str) -> SupportMeasurement:
    """Parses a measurement. Raises UsageError."""
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
