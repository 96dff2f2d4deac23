"""`coordinator regions`."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
import grpc
from rich.text import Text

from coordinator.cli.acts import key_option
from coordinator.cli.asking import Asking, asks
from coordinator.cli.connection import TIMEOUT
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.federation.in_force import in_force
from coordinator.cli.federation.proposals import signer_of
from coordinator.cli.output import titled
from coordinator.wording.ages import told_age, told_span
from coordinator.wording.lanes import LaneLine, lanes_of, why
from coordinator.wording.members import has_beaten, member_of, registry_warnings, state_word, waiting_lines
from gateway.api.coordinator.v1 import administration_pb2 as contract
from gateway.api.coordinator.v1.administration_pb2_grpc import MembershipServiceStub
from gateway.api.federation.v1.federation_pb2 import Member, MemberState, NodeReport
from gateway.api.federation.v1.revision_pb2 import SignedSuspension
from gateway.cli.clock import command_clock
from gateway.cli.exits import NotDone
from gateway.cli.table import Table, TableColumn
from gateway.cli.terminal import error_output
from gateway.federation.suspensions import signed_suspension
from gateway.rpc.channels import invoke
from gateway.wording.languages import enumerated, translated
from gateway.wording.times import told_if_set

SUSPEND_TIMEOUT = 15.0  # seconds at least: coordinators are given twelve of them to confirm
_LEASES = 1.5  # that a suspension may take: one may have to end, and etcd takes a moment for that
_TELL_AFTER = 1.0  # seconds of waiting without a word
_STYLES = {
    MemberState.MEMBER_STATE_JOINED: "green",
    MemberState.MEMBER_STATE_LOST: "red",
    MemberState.MEMBER_STATE_SUSPENDED: "yellow",
}


@click.group()
def regions() -> None:
    """Show the regions, suspend and reinstate them."""


@regions.command("list", epilog=EPILOG)
@asks()
def list_regions(asking: Asking) -> None:
    """List all regions of the configuration and how they stand, those that never joined last; and the coordinators.

    \b
    Example:
      coordinator regions list --coordinator 127.0.0.1:7000 --credentials admin \\
        --federation crossregion.example
    """
    response = asking.ask(lambda channel: MembershipServiceStub(channel).ListRegions, contract.ListRegionsRequest())
    asking.tell(response, _print_regions)


def _print_regions(response: contract.ListRegionsResponse) -> None:
    now = datetime.now(UTC)
    ordered = sorted(response.members, key=lambda member: member.state == MemberState.MEMBER_STATE_ABSENT)
    _members(now).show(ordered, titled(translated("Regions")))
    _REPLICAS.show(response.replicas, titled(translated("Coordinators")))
    for line in waiting_lines(ordered):
        click.echo(line)
    for warning in registry_warnings(response, now):
        error_output().print(Text(warning, style="bold red"), soft_wrap=True)


@regions.command(epilog=EPILOG)
@asks()
@click.argument("region")
def lanes(asking: Asking, region: str) -> None:
    """Show the lanes of REGION: envelopes in flight, those that wait, and destinations that it does not reach.

    An envelope is in flight while its destination has not answered. A destination that does not answer, or refuses
    each batch, gets none until it answers again.

    \b
    Example:
      coordinator regions lanes henan
    """

    async def ask(channel: grpc.aio.Channel) -> NodeReport:
        response = await invoke(MembershipServiceStub(channel).ListRegions, contract.ListRegionsRequest(), TIMEOUT)
        return member_of(response.members, region).report

    asking.tell(asking.link.ask(ask), _print_lanes)


def _print_lanes(report: NodeReport) -> None:
    _lanes(datetime.now(UTC)).show(lanes_of(report), titled(translated("Lanes")))


@regions.command(epilog=EPILOG)
@asks()
@click.argument("region")
@click.option("--note", required=True, help="Why; shown to everybody.")
@key_option
def suspend(asking: Asking, region: str, note: str, key: Path | None) -> None:
    """Suspend REGION: nothing is routed to it or taken from it.

    Done once every coordinator has confirmed that it acts by it, or has lost its lease and forwards nothing. Where that
    is not known of some, they are named, and the exit code is 1: the suspension stands all the same. Ask again, or stop
    them.

    In a federation with signed configurations an administrator signs, and no coordinator can suspend alone.

    REGION serves its own customers on, and its nodes go on renewing their certificates. Where a key is stolen, revoke
    REGION, too.

    \b
    Examples:
      coordinator regions suspend henan --note "signing key under suspicion"
      coordinator regions suspend henan --note "signing key under suspicion" --key li.key
    """
    signed = _signed(asking, key, region, suspended=True, note=note.strip())
    request = contract.SuspendRegionRequest(region=region, note=note, signed=signed)

    async def ask(channel: grpc.aio.Channel) -> tuple[contract.SuspendRegionResponse, list[str]]:
        stub = MembershipServiceStub(channel)
        before = await invoke(stub.ListRegions, contract.ListRegionsRequest(), TIMEOUT)
        leases = [each.lease.ToTimedelta().total_seconds() for each in before.replicas]
        seconds = max(SUSPEND_TIMEOUT, _LEASES * max(leases, default=0.0))
        telling = asyncio.get_running_loop().call_later(_TELL_AFTER, _tell_waiting, seconds)
        try:
            response = await invoke(stub.SuspendRegion, request, seconds)
        finally:
            telling.cancel()
        living = await invoke(stub.ListRegions, contract.ListRegionsRequest(), TIMEOUT)
        return response, [each.name for each in living.replicas]

    response, living = asking.link.ask(ask)
    unconfirmed = [_told_unconfirmed(each) for each in response.unconfirmed]
    asking.tell(response, lambda _: _print_suspended(response, living))
    if unconfirmed:
        names = enumerated(unconfirmed)
        raise NotDone(
            [translated("not confirmed by {names}: envelopes may still reach {region}", names=names, region=region)]
        )


@regions.command(epilog=EPILOG)
@asks()
@click.argument("region")
@key_option
def reinstate(asking: Asking, region: str, key: Path | None) -> None:
    """End the suspension of REGION. Signed like the suspension.

    \b
    Examples:
      coordinator regions reinstate henan
      coordinator regions reinstate henan --key li.key
    """
    signed = _signed(asking, key, region, suspended=False)
    request = contract.ReinstateRegionRequest(region=region, signed=signed)
    response = asking.ask(lambda channel: MembershipServiceStub(channel).ReinstateRegion, request)
    state = state_word(response.member.state)
    asking.say(response, lambda: translated("{region} is {state}", region=region, state=state))


@regions.command("accept-loss", epilog=EPILOG)
@asks()
@click.argument("loss", type=click.IntRange(min=1))
@click.argument("reference")
def accept_loss(asking: Asking, loss: int, reference: str) -> None:
    """Accept LOSS of the coordinator's database: it forwards again. REFERENCE is that of the file that says why.

    A database that was put back lacks what regions have seen of it. Put a newer one back instead, where there is one.
    Otherwise first suspend again what was suspended, and apply the last configuration again.

    \b
    Example:
      coordinator regions accept-loss 1 INC-2041
    """
    request = contract.AcceptRegistryLossRequest(number=loss, reference=reference)
    response = asking.ask(lambda channel: MembershipServiceStub(channel).AcceptRegistryLoss, request)
    asking.say(response, lambda: translated("loss {loss} is accepted: envelopes are forwarded again", loss=loss))


def _signed(
    asking: Asking, key: Path | None, region: str, *, suspended: bool, note: str = ""
) -> SignedSuspension | None:
    """The statement that a key signs, by the revision in force; None without a key. Raises NotDone."""
    if key is None:
        return None
    signer, now = signer_of(key), command_clock().now()
    return signed_suspension(signer, in_force(asking.link).place, region, now, suspended=suspended, note=note)


def _tell_waiting(seconds: float) -> None:
    text = translated("waiting for all coordinators to confirm, for up to {seconds} s", seconds=f"{seconds:.0f}")
    error_output().print(text, soft_wrap=True)


def _told_unconfirmed(replica: contract.Replica) -> str:
    """A coordinator that may still forward envelopes, and until when."""
    name, endpoint = replica.name, replica.endpoint
    if not replica.HasField("lease_end_time"):
        return translated("{name} at {endpoint}", name=name, endpoint=endpoint)
    time = told_if_set(replica.lease_end_time)
    return translated("{name} at {endpoint}, whose lease lasts until {time}", name=name, endpoint=endpoint, time=time)


def _print_suspended(response: contract.SuspendRegionResponse, living: Sequence[str]) -> None:
    member = response.member
    click.echo(translated("{region} is suspended: {note}", region=member.region, note=member.state_note))
    confirmed = sorted(set(living) - {each.name for each in response.unconfirmed})
    names = enumerated(confirmed) or translated("no coordinator")
    click.echo(translated("confirmed by {names}", names=names))


def _members(now: datetime) -> Table[Member]:
    return Table(
        TableColumn("region", lambda each: each.region),
        TableColumn("state", _state),
        TableColumn("since", lambda each: told_if_set(each.state_time)),
        TableColumn("endpoints", lambda each: enumerated(each.endpoints)),
        TableColumn("heartbeat", lambda each: told_age(each.heartbeat_time, now)),
        TableColumn("revision", lambda each: str(each.federation_revision) if has_beaten(each) else ""),
        TableColumn("clock", lambda each: _clock(each) if has_beaten(each) else ""),
        TableColumn("note", lambda each: each.state_note),
    )


def _lanes(now: datetime) -> Table[LaneLine]:
    return Table(
        TableColumn("destination", lambda each: each.destination),
        TableColumn("in flight", lambda each: str(each.in_flight or "")),
        TableColumn("waiting", lambda each: "" if each.envelopes is None else str(each.envelopes)),
        TableColumn("oldest", lambda each: told_age(each.waiting.create_time, now) if each.waiting else ""),
        TableColumn("not reached since", lambda each: told_if_set(each.breaker.open_time) if each.breaker else ""),
        TableColumn("why", why),
    )


def _state(member: Member) -> Text:
    return Text(state_word(member.state), style=_STYLES.get(member.state, "dim"))


def _clock(member: Member) -> str:
    return told_span(member.clock_error.ToTimedelta().total_seconds())


_REPLICAS = Table[contract.Replica](
    TableColumn("coordinator", lambda each: each.name), TableColumn("endpoint", lambda each: each.endpoint)
)
