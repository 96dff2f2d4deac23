"""`coordinator federation history`: what changed between two revisions, and who signed them."""

from functools import partial

import click
import grpc

from coordinator.cli.asking import Asking, asks
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.federation.differences import print_changes
from coordinator.cli.federation.in_force import content_in_force
from coordinator.cli.output import titled
from coordinator.configuration.comparing import changes_of
from coordinator.wording.signers import told_signers
from gateway.api.coordinator.v1 import administration_pb2 as contract
from gateway.api.coordinator.v1.administration_pb2_grpc import ConfigurationServiceStub
from gateway.cli.exits import NotDone
from gateway.cli.table import Table, TableColumn
from gateway.cli.terminal import error_output
from gateway.federation.rules import Change
from gateway.rpc.channels import invoke
from gateway.wording.languages import translated
from gateway.wording.times import told_if_set

_SECONDS = 60.0  # for a large number plan on a busy machine
_revision = click.IntRange(min=1)


@click.command(epilog=EPILOG)
@asks()
@click.option("--from", "first", type=_revision, help="The revision before them; by default the one before --to.")
@click.option("--to", "last", type=_revision, help="The revision after the changes; by default the one in force.")
def history(asking: Asking, first: int | None, last: int | None) -> None:
    """Show what changed between two revisions, who signed them and those between, and when: at most 50.

    The digest is that of the statement before: it has to be the same at each coordinator.

    \b
    Examples:
      coordinator federation history
      coordinator federation history --from 3 --to 7
    """
    after = last or content_in_force(asking.link).federation_revision
    if not after:
        raise NotDone([translated("no configuration is in force")])
    before, found = asking.link.ask(lambda channel: _compared(channel, first, after))
    begins_with = after if first is None and before == after else None
    asking.tell(found, partial(_print, begins_with=begins_with))


async def _compared(
    channel: grpc.aio.Channel, first: int | None, after: int
) -> tuple[int, contract.CompareRevisionsResponse]:
    """The revision before the changes, and these, as `changes_of`."""

    async def compare(request: contract.CompareRevisionsRequest) -> contract.CompareRevisionsResponse:
        return await invoke(ConfigurationServiceStub(channel).CompareRevisions, request, _SECONDS)

    if first is not None:
        return first, await compare(contract.CompareRevisionsRequest(from_revision=first, to_revision=after))
    return await changes_of(compare, after)


def _print(answer: contract.CompareRevisionsResponse, *, begins_with: int | None) -> None:
    """Prints the revisions and the changes; `begins_with` is a revision before which the coordinator has none."""
    if answer.revisions:
        _REVISIONS.show(answer.revisions, titled(translated("Revisions")))
    print_changes([_change(each) for each in answer.changes])
    if begins_with is not None:
        error_output().print(
            translated("This coordinator has no revision before {revision} to compare it with.", revision=begins_with)
        )
    if answer.left_off:
        error_output().print(translated("{count} more changes are not shown.", count=f"{answer.left_off:,}"))


def _change(told: contract.ConfigurationChange) -> Change:
    old = told.old_value if told.HasField("old_value") else None
    return Change(told.changed_path, old, told.new_value if told.HasField("new_value") else None)


_REVISIONS = Table[contract.ConfigurationRevision](
    TableColumn("revision", lambda each: str(each.federation_revision)),
    TableColumn("proposed", lambda each: told_if_set(each.issue_time) or "–"),
    TableColumn("came into force", lambda each: told_if_set(each.apply_time) or "–"),
    TableColumn("valid until", lambda each: told_if_set(each.end_time) or "–"),
    TableColumn("signers", lambda each: told_signers(each.signers, each.threshold) if each.threshold else "–"),
    TableColumn("follows", lambda each: each.previous_digest.hex() or "–", only_wide=True),
)
