"""`region-node faults`: report a fault, follow it, repair it, close it."""

from datetime import timedelta

import click
from google.protobuf.duration_pb2 import Duration

from gateway.api.region.v1 import fault_service_pb2 as api
from gateway.api.region.v1.fault_pb2 import FaultEvaluation, FaultPlace, FaultReport, FaultSeverity, FaultState
from gateway.api.region.v1.fault_service_pb2_grpc import FaultServiceStub
from gateway.cli.asking import limit_option
from gateway.cli.option_words import option_words
from gateway.wording.languages import translated
from region_node.cli.asking import Asking, reads, watch, writes
from region_node.cli.completing import complete_regions
from region_node.cli.faults.fault_step import STEPS, step_of, steps_told
from region_node.cli.faults.fault_view import FAULTS, PLACES, print_done, print_fault, print_told
from region_node.cli.listed_contacts import require_contacts
from region_node.cli.options import channel_option, staff_option
from region_node.network.faults.rules import state_name

_WAIT = Duration(seconds=10)  # of waiting for the owner region
_SEVERITIES = option_words(FaultSeverity.items())
_STATES = {state_name(state): state for state in FaultState.values()[1:]}


def _list_steps(context: click.Context, _: click.Parameter, is_asked: bool) -> None:
    """Prints the possible steps, and ends."""
    if is_asked and not context.resilient_parsing:
        click.echo(steps_told())
        context.exit()


@click.group()
def faults() -> None:
    """Report faults in any region, follow them, repair them and close them."""


@faults.command()
@writes(staff_option, channel_option, done="it was taken in")
@click.argument("description", default="")
@click.option("--number", default="", help="The customer's line; staff may report a fault of none.")
@click.option("--contact", default="", help="The number on which the customer is told; that of the line unless given.")
@click.option("--site", default="", help="A site of the registry of the network: see `places`.")
@click.option("--link", default="", help="A link of the registry of the network: see `places`.")
@click.option("--address", default="", help="Where it is, in words.")
@click.option("--in-region", default="", shell_complete=complete_regions, help="The region in which the address is.")
@click.option("--rural", is_flag=True, help="The address is in the countryside, where a repair has a longer limit.")
@click.option("--severity", type=click.Choice(list(_SEVERITIES)), help="How bad it is; minor, or as the alarm says.")
@click.option(
    "--service", "services", multiple=True, help="A service that it affects; those on the place unless given."
)
@click.option("--alarm", default="", help="The alarm that raises it: it says what is left out, also the place.")
@click.option("--terminal", is_flag=True, help="The customer's own terminal seems to be the cause.")
def report(
    asking: Asking,
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
) -> None:
    """Report a fault and print its id, who repairs it, and by when.

    \b
    Examples:
      region-node faults report "no signal" --number 13912345678 --site chengdu --staff-id 4711
      region-node faults report "cut by an excavator" --link chengdu-chongqing-1 --severity critical
      region-node faults report --alarm sichuan/alarm-3
    """
    wanted = FaultReport(
        number=number,
        contact_number=contact,
        description=description,
        place=FaultPlace(site=site, link=link, address=address, region=in_region, rural=rural),
        severity=_SEVERITIES.get(severity or "", FaultSeverity.FAULT_SEVERITY_UNSPECIFIED),
        services=services,
        alarm_id=alarm,
        terminal_caused=terminal,
        requester=asking.requester,
    )
    request = api.ReportFaultRequest(report=wanted)
    answer = asking.ask(lambda channel: FaultServiceStub(channel).ReportFault, request)
    asking.tell(answer.fault, print_told)


@faults.command("places")
@reads()
@click.argument("text", default="")
def places_command(asking: Asking, text: str) -> None:
    """Find the sites, links and services that a report may name: by part of an id, of a name or of a region.

    \b
    Examples:
      region-node faults places 成都
      region-node faults places guangdong
    """
    request = api.FindPlacesRequest(text=text)
    found = asking.ask(lambda channel: FaultServiceStub(channel).FindPlaces, request)
    asking.show(found, PLACES, found.places)


@faults.command("list")
@reads(limit_option(), staff_option)
@click.option("--number", default="", help="Only those about this number.")
@click.option("--contact", default="", help="Only those whose contact has this number.")
@click.option("--state", "states", multiple=True, type=click.Choice(tuple(_STATES)), help="Only those in these states.")
@click.option("--due-within", type=float, help="Only those with fewer hours than this left; 0 for what is overdue.")
def list_command(asking: Asking, number: str, contact: str, states: tuple[str, ...], due_within: float | None) -> None:
    """List faults, newest first.

    \b
    Examples:
      region-node faults list --due-within 8
      region-node faults list --state inProgress --json
    """
    request = api.ListFaultsRequest(states=[_STATES[each] for each in states], number=number, contact_number=contact)
    if due_within is not None:
        request.due_within.FromTimedelta(timedelta(hours=due_within))
    found = asking.ask(lambda channel: FaultServiceStub(channel).ListFaults, request)
    require_contacts(contact, (each.report.contact_number for each in found.faults))
    asking.show(found, FAULTS, found.faults)


@faults.command()
@reads(staff_option)
@click.argument("fault")
def show(asking: Asking, fault: str) -> None:
    """Show a fault: its limits, its repair and its timeline.

    \b
    Examples:
      region-node faults show guangdong/F20261210-17 --staff-id 4711
    """
    request = api.GetFaultRequest(fault_id=fault)
    told = asking.ask(lambda channel: FaultServiceStub(channel).GetFault, request).fault
    asking.tell(told, print_fault)


@faults.command("watch")
@reads(staff_option)
@click.argument("fault", default="")
@click.option("--token", default="", help="Where to resume: the token that was printed last.")
def watch_command(asking: Asking, fault: str, token: str) -> None:
    """Print changes of a fault, or of all, as they happen, until interrupted.

    \b
    Examples:
      region-node faults watch --staff-id 4711
    """
    request = api.WatchFaultsRequest(fault_id=fault, token=token)

    def tell(change: api.WatchFaultsResponse) -> None:
        if change.HasField("fault"):
            print_told(change.fault)

    watch(asking, lambda channel: FaultServiceStub(channel).WatchFaults, request, tell)


@faults.command()
@writes(staff_option, channel_option)
@click.argument("fault")
@click.argument("reason")
def cancel(asking: Asking, fault: str, reason: str) -> None:
    """Take a report back for the customer.

    \b
    Examples:
      region-node faults cancel guangdong/F20261210-17 "it works again" --staff-id 4711
    """
    request = api.CancelFaultRequest(fault_id=fault, reason=reason, wait=_WAIT)
    answer = asking.ask(lambda channel: FaultServiceStub(channel).CancelFault, request)
    asking.tell(answer.fault, print_told)


@faults.command()
@writes(staff_option, channel_option)
@click.argument("fault")
@click.option("--text", default="", help="What the customer says.")
@click.option("--accept-part", type=int, help="The part whose price the customer accepts.")
@click.option("--refuse-part", type=int, help="The part that the customer does not want at its price.")
@click.option("--not-repaired", default="", help="Why the customer says that it is not repaired.")
@click.option("--rate", nargs=3, type=click.IntRange(1, 5), help="Attitude, quality and speed, 1 to 5 each.")
def respond(
    asking: Asking,
    fault: str,
    text: str,
    accept_part: int | None,
    refuse_part: int | None,
    not_repaired: str,
    rate: tuple[int, int, int] | None,
) -> None:
    """Pass on what the customer says: one of the options, with --text what was said to a rating.

    \b
    Examples:
      region-node faults respond guangdong/F20261210-17 --text "at home from six on" --staff-id 4711
      region-node faults respond guangdong/F20261210-17 --accept-part 1 --staff-id 4711
      region-node faults respond guangdong/F20261210-17 --rate 5 4 5 --staff-id 4711
    """
    request = api.RespondToFaultRequest(fault_id=fault, wait=_WAIT)
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
    answer = asking.ask(lambda channel: FaultServiceStub(channel).RespondToFault, request)
    asking.tell(answer.fault, print_told)


@faults.command()
@writes()
@click.argument("fault")
@click.argument("step", type=click.Choice(STEPS))
@click.argument("fields", nargs=-1, metavar="[FIELD=VALUE]...")
@click.option(
    "--steps", is_flag=True, is_eager=True, expose_value=False, callback=_list_steps, help="List all steps and fields."
)
def work(asking: Asking, fault: str, step: str, fields: tuple[str, ...]) -> None:
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
    request.fault_id = fault
    answer = asking.ask(lambda channel: FaultServiceStub(channel).WorkOnFault, request)
    asking.tell(answer.fault, print_done)
