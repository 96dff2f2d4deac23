"""`region-node recovery`: what the database of the region has lost, and a clock that nobody else confirms."""

from datetime import datetime

import click

from gateway.api.region.v1 import recovery_service_pb2 as api
from gateway.api.region.v1.recovery_service_pb2 import CatchUp, Loss, LostCommand
from gateway.api.region.v1.recovery_service_pb2_grpc import RecoveryServiceStub
from gateway.cli.asking import limit_option
from gateway.cli.table import Table, TableColumn
from gateway.cli.times import InstantType
from gateway.time.clock import to_timestamp
from gateway.wording.languages import translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set, told_time
from region_node.cli.asking import Asking, reads, repeats

_LOSSES = Table[Loss](
    TableColumn("loss", lambda each: str(each.number)),
    TableColumn("found at", lambda each: told_if_set(each.find_time)),
    TableColumn("seen by", lambda each: each.witness),
    TableColumn("last row", lambda each: str(each.last_sequence)),
    TableColumn("seen row", lambda each: str(each.seen_sequence)),
    TableColumn("commits", lambda each: str(each.commits)),
    TableColumn("goes on with row", lambda each: str(each.begin_sequence)),
    TableColumn("accepted at", lambda each: told_if_set(each.accept_time)),
    TableColumn("by", lambda each: each.actor, only_wide=True),
    TableColumn("reference", lambda each: each.reference),
)
_CATCH_UPS = Table[CatchUp](
    TableColumn("loss", lambda each: str(each.loss_number)),
    TableColumn("region", lambda each: region_name(each.region)),
    TableColumn("taken", lambda each: str(each.taken)),
    TableColumn("not kept before", lambda each: told_if_set(each.purge_time)),
    TableColumn("problem", lambda each: each.failure),
    TableColumn("finished at", lambda each: told_if_set(each.finish_time)),
)
_LOST = Table[LostCommand](
    TableColumn("loss", lambda each: str(each.loss_number)),
    TableColumn("told by", lambda each: region_name(each.region)),
    TableColumn("sent by", lambda each: region_name(each.origin_region)),
    TableColumn("kind", lambda each: each.kind),
    TableColumn("subject", lambda each: each.subject),
    TableColumn("problem", lambda each: each.failure),
    TableColumn("envelope", lambda each: each.envelope_id, only_wide=True),
    TableColumn("told", lambda each: told_if_set(each.tell_time), only_wide=True),
)


@click.group()
def recovery() -> None:
    """Look at what the database has lost, as after an older one was put back, and have the region serve again.

    Confirm a clock that no coordinator can confirm.
    """


@recovery.command()
@reads()
def show(asking: Asking) -> None:
    """Show the losses, the last one first, and whether the region serves.

    The rows between `last row` and `seen row` of the audit chain are missing, with all that was committed with them.

    \b
    Example:
      region-node recovery show
    """
    found = asking.ask(lambda channel: RecoveryServiceStub(channel).ListLosses, api.ListLossesRequest())
    asking.tell(found, _print)


@recovery.command()
@reads(limit_option())
def losses(asking: Asking) -> None:
    """List commands between regions that were lost and could not be done again as before.

    After an accepted loss, every other region tells what both had exchanged, and it is done again. What is listed here
    is for people: compare the record with the region that has told it.

    \b
    Example:
      region-node recovery losses
    """
    request = api.ListLostCommandsRequest()
    found = asking.ask(lambda channel: RecoveryServiceStub(channel).ListLostCommands, request)
    asking.show(found, _LOST, found.commands)


@recovery.command()
@repeats(done="accepted")
@click.argument("loss", type=click.IntRange(min=1))
@click.argument("reference")
def accept(asking: Asking, loss: int, reference: str) -> None:
    """Accept LOSS: the region serves again, with what its database has. REFERENCE is that of the file that says why.

    A second member of staff confirms it first (`region-node approvals confirm`); then give the command again.

    Put back a newer database instead, where there is one: stop all processes of the region for it.

    \b
    Example:
      region-node recovery accept 1 INC-2041
    """
    request = api.AcceptLossRequest(number=loss, reference=reference)
    answer = asking.ask(lambda channel: RecoveryServiceStub(channel).AcceptLoss, request)
    asking.tell(answer.loss, _LOSSES.show_one)


@recovery.command("confirm-clock")
@repeats(done="confirmed")
@click.argument("time", type=InstantType())
@click.argument("reference")
def confirm_clock(asking: Asking, time: datetime, reference: str) -> None:
    """Confirm the clock of the node's machine, where no coordinator can: what waits for it goes on.

    Read the present TIME from a clock that is not of that machine. REFERENCE is that of the file that says why.

    A second member of staff confirms it first (`region-node approvals confirm`); then give the command again, with the
    time of then.

    \b
    Example:
      region-node recovery confirm-clock 2026-12-24T09:30+08:00 INC-2042
    """
    request = api.ConfirmClockRequest(present_time=to_timestamp(time), reference=reference)
    answer = asking.ask(lambda channel: RecoveryServiceStub(channel).ConfirmClock, request)
    asking.say(answer, lambda: translated("The region goes on by the time {time}.", time=told_time(answer.agreed_time)))


def _print(found: api.ListLossesResponse) -> None:
    _LOSSES.show(found.losses)
    if found.catch_ups:
        click.echo()
        _CATCH_UPS.show(found.catch_ups)
    if found.serving:
        click.echo(translated("The region serves."))
    else:
        click.echo(translated("The region serves nothing until the loss is accepted."))
