"""`region-node quarantine`: timers and envelopes that failed again and again, and runs that are too large."""

import click

from gateway.api.region.v1 import quarantine_service_pb2 as api
from gateway.api.region.v1.quarantine_service_pb2 import QuarantinedWork, QuarantineSource, QuarantineState
from gateway.api.region.v1.quarantine_service_pb2_grpc import QuarantineServiceStub
from gateway.cli.asking import limit_option
from gateway.cli.table import Table, TableColumn
from gateway.wording.body import told_duty
from gateway.wording.languages import translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set
from gateway.wording.words import value_word
from region_node.cli.asking import Asking, reads, repeats

_WORK = Table[QuarantinedWork](
    TableColumn("id", lambda each: each.id),
    TableColumn("source", lambda each: value_word(QuarantineSource.DESCRIPTOR, each.source), only_wide=True),
    TableColumn("kind", lambda each: each.kind),
    TableColumn("subject", lambda each: each.subject, only_wide=True),
    TableColumn("destination", lambda each: region_name(each.destination)),
    TableColumn("problem", lambda each: each.failure),
    TableColumn("attempts", lambda each: str(each.attempts)),
    TableColumn("failed at", lambda each: told_if_set(each.fail_time), only_wide=True),
    TableColumn("due", lambda each: told_if_set(each.due_time)),
    TableColumn("state", lambda each: value_word(QuarantineState.DESCRIPTOR, each.state)),
    TableColumn("reference", lambda each: each.reference, only_wide=True),
    TableColumn("decided by", lambda each: each.decider, only_wide=True),
    TableColumn("decided at", lambda each: told_if_set(each.decide_time), only_wide=True),
)


@click.group()
def quarantine() -> None:
    """Look at work that failed again and again, or is too much at once: have it tried once more, or give it up."""


@quarantine.command("list")
@reads(limit_option())
@click.option("--all", "is_all", is_flag=True, help="Work that is over, too.")
def list_(asking: Asking, *, is_all: bool) -> None:
    """List the work that waits for people, the first due time first.

    \b
    Example:
      region-node quarantine list --all
    """
    request = api.ListQuarantinedWorkRequest(all=is_all)
    found = asking.ask(lambda channel: QuarantineServiceStub(channel).ListQuarantinedWork, request)
    asking.show(found, _WORK, found.work)


@quarantine.command()
@reads()
@click.argument("work")
def show(asking: Asking, work: str) -> None:
    """Show WORK by its id, the person to call, and how much waits behind it.

    \b
    Example:
      region-node quarantine show timer/purge
    """
    request = api.GetQuarantinedWorkRequest(work_id=work)
    found = asking.ask(lambda channel: QuarantineServiceStub(channel).GetQuarantinedWork, request)
    asking.tell(found, _print)


@quarantine.command()
@repeats(done="tried again")
@click.argument("work")
@click.argument("reference", default="")
def replay(asking: Asking, work: str, reference: str) -> None:
    """Try WORK once more, after what kept it from being done was mended.

    A run has more to do at once than it may by itself: billing of more than a month, a purge that comes a day late.
    Make sure that the clock is right. The run goes on by REFERENCE, that of the file that says why it is so much.

    \b
    Examples:
      region-node quarantine replay timer/purge
      region-node quarantine replay run/billing INC-2041
    """
    request = api.ReplayQuarantinedWorkRequest(work_id=work, reference=reference)
    answer = asking.ask(lambda channel: QuarantineServiceStub(channel).ReplayQuarantinedWork, request)
    asking.tell(answer.work, _WORK.show_one)


@quarantine.command("give-up")
@repeats(done="given up")
@click.argument("work")
@click.argument("reference")
def give_up(asking: Asking, work: str, reference: str) -> None:
    """Give WORK up: REFERENCE is that of the file that says why.

    A second member of staff confirms it first (`region-node approvals confirm`); then give the command again.

    A timer never fires then. The record that waited for an envelope gets a refusal: make sure first, with the other
    region, that it has not acted on it.

    \b
    Example:
      region-node quarantine give-up timer/purge INC-2041
    """
    request = api.GiveUpQuarantinedWorkRequest(work_id=work, reference=reference)
    answer = asking.ask(lambda channel: QuarantineServiceStub(channel).GiveUpQuarantinedWork, request)
    asking.tell(answer.work, _WORK.show_one)


def _print(found: api.GetQuarantinedWorkResponse) -> None:
    _WORK.show_one(found.work)
    if found.HasField("on_duty"):
        click.echo(translated("To call: {duty}", duty=told_duty(found.on_duty)))
    if found.held_up:
        click.echo(translated("Envelopes that wait behind it: {count}", count=found.held_up))
    if found.work.answered:
        click.echo(translated("The other region has acted on it: it can be replayed, and not given up."))
