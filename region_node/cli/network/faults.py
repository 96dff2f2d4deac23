"""`region-node faults`: report a fault, follow it, repair it, close it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import click
from google.protobuf.duration_pb2 import Duration

from gateway.api.region.v1 import fault_service_pb2 as api
from gateway.api.region.v1.fault_pb2 import Fault, FaultEvaluation, FaultPlace, FaultReport, FaultSeverity, FaultState
from gateway.api.region.v1.fault_service_pb2_grpc import FaultServiceStub
from gateway.languages import translated
from gateway.terminal import tell_more
from region_node.cli.asking import answer_of, follow
from region_node.cli.completing import complete_regions
from region_node.cli.connection import Target, connection_options
from region_node.cli.network.fault_step import STEPS, step_of, steps_told
from region_node.cli.network.fault_view import print_done, print_fault, print_list, print_places, print_told
from region_node.cli.options import (
    channel_option,
    json_option,
    print_message,
    request_id_of,
    request_option,
    requester_of,
    staff_option,
)
from region_node.network.faults.rules import state_name

T = TypeVar("T")

_CALL_SECONDS = 30.0
_WAIT_SECONDS = 10  # for the region in which the fault is
_SEVERITIES = tuple(name.removeprefix("FAULT_SEVERITY_").lower() for name in FaultSeverity.keys()[1:])
_STATES = {state_name(state): state for state in FaultState.values()[1:]}


def _list_steps(context: click.Context, _: click.Parameter, is_asked: bool) -> None:
    """Prints what may be typed, and ends."""
    if is_asked and not context.resilient_parsing:
        click.echo(steps_told())
        context.exit()


@click.group()
def faults() -> None:
    """Report faults in any region, follow them, repair them and close them."""


@faults.command()
@click.argument("description", default="")
@connection_options
@click.option("--number", default="", help="The customer's line; staff may report a fault of none.")
@click.option("--contact", default="", help="The number on which the customer is told; that of the line unless given.")
@click.option("--site", default="", help="A site of the registry of the network: see `places`.")
@click.option("--link", default="", help="A link of the registry of the network: see `places`.")
@click.option("--address", default="", help="Where it is, in words.")
@click.option("--in-region", default="", shell_complete=complete_regions, help="The region in which the address is.")
@click.option("--rural", is_flag=True, help="The address is in the countryside, where a repair has a longer limit.")
@click.option("--severity", type=click.Choice(_SEVERITIES), help="How bad it is; minor, or as the alarm says.")
@click.option(
    "--service", "services", multiple=True, help="A service that it affects; those on the place unless given."
)
@click.option("--alarm", default="", help="The alarm that raises it: it says what is left out, also the place.")
@click.option("--terminal", is_flag=True, help="The customer's own terminal seems to be the cause.")
@staff_option
@channel_option
@request_option
@json_option
def report(
    target: Target,
    description: str,
    number: str,
    contact: str,
    site: str,
    link: str,
    address: str,
    in_region: str,
    rural: bool,
    severity: str | None,
    services: tuple[str, ...],
    alarm: str,
    terminal: bool,
    staff_id: str,
    channel: str,
    request_id: str,
    as_json: bool,
) -> None:
    """Report a fault and print its id, who repairs it, and by when.

    \b
    Examples:
      region-node faults report "no signal" --number 13912345678 --site chengdu --staff-id 4711
      region-node faults report "cut by an excavator" --link chengdu-chongqing-1 --severity critical
      region-node faults report --alarm sichuan/alarm-3

    \b
    Exit codes:
      0  it was taken in
      1  refused; the text says why
      2  the command line or the credentials cannot be used
      3  not known: run it again with the request id that is told
    """
    wanted = FaultReport(
        number=number,
        contact_number=contact,
        description=description,
        place=FaultPlace(site=site, link=link, address=address, region=in_region, rural=rural),
        severity=FaultSeverity.Value(f"FAULT_SEVERITY_{(severity or 'unspecified').upper()}"),
        services=services,
        alarm=alarm,
        terminal_caused=terminal,
        requester=requester_of(staff_id, channel),
    )
    request = api.ReportFaultRequest(request_id=request_id_of(request_id), report=wanted)
    answer = _ask(target, lambda node: node.ReportFault(request, timeout=_CALL_SECONDS), request.request_id)
    _tell(answer.fault, as_json)


@faults.command("places")
@click.argument("text", default="")
@connection_options
@json_option
def places_command(target: Target, text: str, as_json: bool) -> None:
    """Find the sites, links and services that a report may name: by part of an id, of a name or of a region.

    \b
    Examples:
      region-node faults places 成都
      region-node faults places guangdong
    """
    request = api.FindPlacesRequest(text=text)
    found = _ask(target, lambda node: node.FindPlaces(request, timeout=_CALL_SECONDS))
    if as_json:
        print_message(found)
    else:
        print_places(found.places)


@faults.command("list")
@connection_options
@click.option("--number", default="", help="Only those about this number.")
@click.option("--state", "states", multiple=True, type=click.Choice(tuple(_STATES)), help="Only those in these states.")
@click.option("--due-within", type=float, help="Only those with fewer hours than this left; 0 for what is overdue.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="At most so many.")
@staff_option
@json_option
def list_command(
    target: Target,
    number: str,
    states: tuple[str, ...],
    due_within: float | None,
    limit: int,
    staff_id: str,
    as_json: bool,
) -> None:
    """List faults, newest first.

    \b
    Examples:
      region-node faults list --due-within 8
      region-node faults list --state inProgress --json
    """
    request = api.ListFaultsRequest(
        page_size=limit,
        requester=requester_of(staff_id, "counter"),
        states=[_STATES[each] for each in states],
        number=number,
    )
    if due_within is not None:
        request.due_within.FromTimedelta(timedelta(hours=due_within))
    found = _ask(target, lambda node: node.ListFaults(request, timeout=_CALL_SECONDS))
    if as_json:
        print_message(found)
    else:
        print_list(found.faults)
        tell_more(found.next_page_token)


@faults.command()
@click.argument("fault")
@connection_options
@staff_option
@json_option
def show(target: Target, fault: str, staff_id: str, as_json: bool) -> None:
    """Show a fault: its limits, its repair and its timeline.

    \b
    Examples:
      region-node faults show guangdong/F20261210-17 --staff-id 4711
    """
    request = api.GetFaultRequest(id=fault, requester=requester_of(staff_id, "counter"))
    told = _ask(target, lambda node: node.GetFault(request, timeout=_CALL_SECONDS)).fault
    if as_json:
        print_message(told)
    else:
        print_fault(told)


@faults.command()
@click.argument("fault", default="")
@connection_options
@click.option("--token", default="", help="Where to resume: the token that was printed last.")
@staff_option
@json_option
def watch(target: Target, fault: str, token: str, staff_id: str, as_json: bool) -> None:
    """Print changes of a fault, or of all, as they happen, until interrupted.

    \b
    Examples:
      region-node faults watch --staff-id 4711
    """
    request = api.WatchFaultsRequest(id=fault, token=token, requester=requester_of(staff_id, "counter"))

    def tell(change: api.WatchFaultsResponse) -> None:
        if as_json:
            print_message(change)
        elif change.HasField("fault"):
            print_told(change.fault)

    follow(target, lambda channel: FaultServiceStub(channel).WatchFaults(request), tell)


@faults.command()
@click.argument("fault")
@click.argument("reason")
@connection_options
@staff_option
@channel_option
@request_option
@json_option
def cancel(
    target: Target, fault: str, reason: str, staff_id: str, channel: str, request_id: str, as_json: bool
) -> None:
    """Take a report back for the customer.

    \b
    Examples:
      region-node faults cancel guangdong/F20261210-17 "it works again" --staff-id 4711
    """
    request = api.CancelFaultRequest(
        request_id=request_id_of(request_id),
        id=fault,
        requester=requester_of(staff_id, channel),
        reason=reason,
        wait=Duration(seconds=_WAIT_SECONDS),
    )
    answer = _ask(target, lambda node: node.CancelFault(request, timeout=_CALL_SECONDS), request.request_id)
    _tell(answer.fault, as_json)


@faults.command()
@click.argument("fault")
@connection_options
@click.option("--text", default="", help="What the customer says.")
@click.option("--accept-part", type=int, help="The part whose price the customer accepts.")
@click.option("--refuse-part", type=int, help="The part that the customer does not want at its price.")
@click.option("--not-repaired", default="", help="Why the customer says that it is not repaired.")
@click.option("--rate", nargs=3, type=click.IntRange(1, 5), help="Attitude, quality and speed, 1 to 5 each.")
@staff_option
@channel_option
@request_option
@json_option
def respond(
    target: Target,
    fault: str,
    text: str,
    accept_part: int | None,
    refuse_part: int | None,
    not_repaired: str,
    rate: tuple[int, int, int] | None,
    staff_id: str,
    channel: str,
    request_id: str,
    as_json: bool,
) -> None:
    """Pass on what the customer says: one of the options, with --text what was said to a rating.

    \b
    Examples:
      region-node faults respond guangdong/F20261210-17 --text "at home from six on" --staff-id 4711
      region-node faults respond guangdong/F20261210-17 --accept-part 1 --staff-id 4711
      region-node faults respond guangdong/F20261210-17 --rate 5 4 5 --staff-id 4711
    """
    request = api.RespondToFaultRequest(
        request_id=request_id_of(request_id),
        id=fault,
        requester=requester_of(staff_id, channel),
        wait=Duration(seconds=_WAIT_SECONDS),
    )
    said = [bool(text) and not rate, accept_part is not None, refuse_part is not None, bool(not_repaired), bool(rate)]
    if sum(said) != 1:
        raise click.UsageError(translated("Say one of --text, --accept-part, --refuse-part, --not-repaired, --rate."))
    if rate:
        request.evaluation.CopyFrom(FaultEvaluation(attitude=rate[0], quality=rate[1], speed=rate[2], text=text))
    elif accept_part is not None:
        request.accepted_part = accept_part
    elif refuse_part is not None:
        request.refused_part = refuse_part
    elif not_repaired:
        request.not_repaired = not_repaired
    else:
        request.text = text
    answer = _ask(target, lambda node: node.RespondToFault(request, timeout=_CALL_SECONDS), request.request_id)
    _tell(answer.fault, as_json)


@faults.command()
@click.argument("fault")
@click.argument("step", type=click.Choice(STEPS))
@click.argument("fields", nargs=-1, metavar="[FIELD=VALUE]...")
@connection_options
@click.option(
    "--steps", is_flag=True, is_eager=True, expose_value=False, callback=_list_steps, help="List all steps and fields."
)
@request_option
@json_option
def work(target: Target, fault: str, step: str, fields: tuple[str, ...], request_id: str, as_json: bool) -> None:
    """Do the next STEP about a fault that is in this region, as its staff; --steps lists them with their fields.

    \b
    Examples:
      region-node faults work guangdong/F20261210-17 take-up
      region-node faults work guangdong/F20261210-17 triage mode=visit advice="switch it off and on"
      region-node faults work guangdong/F20261210-17 assign engineer=li
      region-node faults work guangdong/F20261210-17 name-part name=ONU price="12000 CNY" in_warranty=yes
      region-node faults work guangdong/F20261210-17 resolve cause=cable text="spliced"
      region-node faults work guangdong/F20261210-17 close summary="it lay bare" measure="bury it;li;2027-01-31"
    """
    try:
        request = step_of(step, fields)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    request.id, request.request_id = fault, request_id_of(request_id)
    answer = _ask(target, lambda node: node.WorkOnFault(request, timeout=_CALL_SECONDS), request.request_id)
    if as_json:
        print_message(answer.fault)
    else:
        print_done(answer.fault)


def _ask(target: Target, call: Callable[[FaultServiceStub], Awaitable[T]], request_id: str = "") -> T:
    return answer_of(target, lambda channel: call(FaultServiceStub(channel)), request_id)


def _tell(fault: Fault, as_json: bool) -> None:
    if as_json:
        print_message(fault)
    else:
        print_told(fault)
