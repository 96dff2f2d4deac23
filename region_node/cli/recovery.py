"""`region-node recovery`: what the database of the region has lost."""

import click

from gateway.api.region.v1 import recovery_service_pb2 as api
from gateway.api.region.v1.recovery_service_pb2 import Loss
from gateway.api.region.v1.recovery_service_pb2_grpc import RecoveryServiceStub
from gateway.cli.table import Table, TableColumn
from gateway.wording.languages import translated
from gateway.wording.times import told_if_set
from region_node.cli.asking import Asking, reads, repeats

_LOSSES = Table[Loss](
    TableColumn("loss", lambda each: str(each.number)),
    TableColumn("found", lambda each: told_if_set(each.find_time)),
    TableColumn("seen by", lambda each: each.witness),
    TableColumn("last row", lambda each: str(each.last_sequence)),
    TableColumn("seen row", lambda each: str(each.seen_sequence)),
    TableColumn("commits", lambda each: str(each.commits)),
    TableColumn("goes on with row", lambda each: str(each.begin_sequence)),
    TableColumn("accepted", lambda each: told_if_set(each.accept_time)),
    TableColumn("by", lambda each: each.actor, only_wide=True),
    TableColumn("reference", lambda each: each.reference),
)


@click.group()
def recovery() -> None:
    """Look at what the database has lost, as after an older one was put back, and have the region serve again."""


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
@repeats(done="accepted")
@click.argument("loss", type=click.IntRange(min=1))
@click.argument("reference")
def accept(asking: Asking, loss: int, reference: str) -> None:
    """Accept LOSS: the region serves again, with what its database has. REFERENCE is that of the file that says why.

    Put back a newer database instead, where there is one: stop all processes of the region for it.

    \b
    Example:
      region-node recovery accept 1 INC-2041
    """
    request = api.AcceptLossRequest(number=loss, reference=reference)
    answer = asking.ask(lambda channel: RecoveryServiceStub(channel).AcceptLoss, request)
    asking.tell(answer.loss, _LOSSES.show_one)


def _print(found: api.ListLossesResponse) -> None:
    _LOSSES.show(found.losses)
    if found.serving:
        click.echo(translated("The region serves."))
    else:
        click.echo(translated("The region serves nothing until the loss is accepted."))
