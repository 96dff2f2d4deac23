"""`coordinator regions`."""

from collections.abc import Sequence
from datetime import UTC, datetime

import click
import grpc
from rich.text import Text

from coordinator.cli.connection import EPILOG, TIMEOUT, Connection, connected
from coordinator.cli.output import json_option, print_json, print_table, told, told_age, told_span
from gateway.api.coordinator.v1 import administration_pb2 as contract
from gateway.api.coordinator.v1.administration_pb2_grpc import MembershipServiceStub
from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.channels import invoke
from gateway.cli.exits import NotDone
from gateway.clock import from_timestamp
from gateway.languages import translated
from gateway.terminal import error_output
from gateway.times import told_if_set

SUSPEND_TIMEOUT = 15.0  # seconds: coordinators are given twelve of them to confirm
SILENT_AFTER = 10.0  # seconds without an answer of the registry, which has to be told loudly: a lease by default
_PREFIX = "MEMBER_STATE_"
_STYLES = {
    MemberState.MEMBER_STATE_JOINED: "green",
    MemberState.MEMBER_STATE_LOST: "red",
    MemberState.MEMBER_STATE_SUSPENDED: "yellow",
}


@click.group()
def regions() -> None:
    """Show the regions, suspend and reinstate them."""


@regions.command("list", epilog=EPILOG)
@connected
@json_option
def list_regions(connection: Connection, as_json: bool) -> None:
    """List all regions of the configuration and how they stand, those that never joined last; and the coordinators.

    \b
    Example:
      coordinator regions list --coordinator 127.0.0.1:7000 --credentials admin \\
        --federation crossregion.example
    """
    response = connection.ask(
        lambda channel: invoke(MembershipServiceStub(channel).ListRegions, contract.ListRegionsRequest(), TIMEOUT)
    )
    if as_json:
        print_json(response)
        return
    now = datetime.now(UTC)
    ordered = sorted(response.members, key=lambda member: member.state == MemberState.MEMBER_STATE_ABSENT)
    print_table(translated("Regions"), _columns(), [_row(member, now) for member in ordered])
    print_table(
        translated("Coordinators"),
        (translated("coordinator"), translated("endpoint")),
        [(each.name, each.endpoint) for each in response.replicas],
    )
    if (now - from_timestamp(response.registry_time)).total_seconds() > SILENT_AFTER:
        warning = Text(
            translated(
                "THE REGISTRY HAS NOT ANSWERED SINCE {time} ({age}): all of this may be that old. Routing goes on by"
                " it; changes are refused.",
                time=told_if_set(response.registry_time),
                age=told_age(response.registry_time, now),
            ),
            style="bold red",
        )
        error_output().print(warning, soft_wrap=True)


@regions.command(epilog=EPILOG)
@click.argument("region")
@click.option("--note", required=True, help="Why; shown to everybody.")
@connected
@json_option
def suspend(connection: Connection, region: str, note: str, as_json: bool) -> None:
    """Suspend REGION: nothing is routed to it or taken from it.

    Done once every coordinator that lives has confirmed that it acts by it. Where some have not, they are named, and
    the exit code is 1: the suspension stands all the same. Ask again, or stop them.

    \b
    Example:
      coordinator regions suspend henan --note "signing key under suspicion"
    """
    request = contract.SuspendRegionRequest(region=region, note=note)

    async def ask(channel: grpc.aio.Channel) -> tuple[contract.SuspendRegionResponse, list[str]]:
        stub = MembershipServiceStub(channel)
        response = await invoke(stub.SuspendRegion, request, SUSPEND_TIMEOUT)
        living = await invoke(stub.ListRegions, contract.ListRegionsRequest(), TIMEOUT)
        return response, [each.name for each in living.replicas]

    response, living = connection.ask(ask)
    unconfirmed = [
        translated("{name} at {endpoint}", name=each.name, endpoint=each.endpoint) for each in response.unconfirmed
    ]
    if as_json:
        print_json(response)
    else:
        note = response.member.state_note
        click.echo(translated("{region} is suspended: {note}", region=region, note=note))
        confirmed = sorted(set(living) - {each.name for each in response.unconfirmed})
        names = ", ".join(confirmed) or translated("no coordinator")
        click.echo(translated("confirmed by {names}", names=names))
    if unconfirmed:
        names = ", ".join(unconfirmed)
        raise NotDone(
            [translated("not confirmed by {names}: envelopes may still reach {region}", names=names, region=region)]
        )


@regions.command(epilog=EPILOG)
@click.argument("region")
@connected
@json_option
def reinstate(connection: Connection, region: str, as_json: bool) -> None:
    """End the suspension of REGION.

    \b
    Example:
      coordinator regions reinstate henan
    """
    request = contract.ReinstateRegionRequest(region=region)
    response = connection.ask(lambda channel: invoke(MembershipServiceStub(channel).ReinstateRegion, request, TIMEOUT))
    if as_json:
        print_json(response)
    else:
        state = told(MemberState.Name(response.member.state), _PREFIX)
        click.echo(translated("{region} is {state}", region=region, state=state))


def _columns() -> Sequence[str]:
    return (
        translated("region"),
        translated("state"),
        translated("since"),
        translated("endpoints"),
        translated("heartbeat"),
        translated("revision"),
        translated("clock"),
        translated("note"),
    )


def _row(member: Member, now: datetime) -> list[str | Text]:
    beaten = member.HasField("heartbeat_time")
    return [
        member.region,
        Text(told(MemberState.Name(member.state), _PREFIX), style=_STYLES.get(member.state, "dim")),
        told_if_set(member.state_time),
        ", ".join(member.endpoints),
        told_age(member.heartbeat_time, now),
        str(member.federation_revision) if beaten else "",
        told_span(member.clock_error.ToTimedelta().total_seconds()) if beaten else "",
        member.state_note,
    ]
