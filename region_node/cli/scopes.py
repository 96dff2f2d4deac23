"""`region-node scopes`: what operator systems, and staff who order without one, may do."""

from pathlib import Path

import click

from gateway.api.region.v1 import approval_service_pb2 as api
from gateway.api.region.v1.approval_service_pb2 import OperatorScope
from gateway.api.region.v1.approval_service_pb2_grpc import ApprovalServiceStub
from gateway.cli.table import Table, TableColumn
from gateway.wording.languages import enumerated, translated
from region_node.cli.asking import Asking, reads, repeats
from region_node.node.operator_scopes import NAMED, PROVEN, UNLIMITED, ScopeFile, ScopesUnusable, scope_name
from region_node.node.stored_scopes import message_of

_SCOPES = Table[OperatorScope](
    TableColumn("operator", lambda each: each.operator),
    TableColumn("RPC services", lambda each: enumerated(each.services)),
    TableColumn("businesses", lambda each: enumerated(each.businesses)),
    TableColumn("purposes", lambda each: enumerated(each.purposes)),
    TableColumn(
        "amount a day, minor units", lambda each: UNLIMITED if each.amount_unlimited else str(each.amount_a_day)
    ),
    TableColumn("staff", lambda each: NAMED if each.staff_named else PROVEN, only_wide=True),
    TableColumn("client", lambda each: each.client_id, only_wide=True),
)


@click.group()
def scopes() -> None:
    """Show and set what operator systems, and staff who order without one, may do."""


@scopes.command()
@reads()
def show(asking: Asking) -> None:
    """Show the scopes in force.

    \b
    Example:
      region-node scopes show
    """
    found = asking.ask(lambda channel: ApprovalServiceStub(channel).ListOperatorScopes, api.ListOperatorScopesRequest())
    asking.show(found, _SCOPES, found.scopes)


@scopes.command("set")
@repeats(done="in force")
@click.argument("operator")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def set_(asking: Asking, operator: str, file: Path) -> None:
    """Set the scope of OPERATOR to its table in FILE, which has the form of the file of scopes.

    A narrower scope is in force at once. A second member of staff confirms a wider one (`region-node approvals list`,
    `confirm`), which names each difference; then give the command again.

    \b
    Examples:
      region-node scopes set counter operators.toml
      region-node scopes set 'staff/*' operators.toml
    """
    try:
        found = ScopeFile.load(file).scopes.get(scope_name(operator))
    except ScopesUnusable as error:
        raise click.UsageError(str(error)) from None
    if found is None:
        raise click.UsageError(translated("{path} has no table {name}", path=file, name=operator))
    _set(asking, api.SetOperatorScopeRequest(operator=operator, scope=message_of(operator, found)))


@scopes.command()
@repeats(done="removed")
@click.argument("operator")
def remove(asking: Asking, operator: str) -> None:
    """Remove the scope of OPERATOR: it may do nothing any more, at once.

    Where the scope of any staff is wider than that of a person, its removal waits for a second member of staff.

    \b
    Example:
      region-node scopes remove counter
    """
    _set(asking, api.SetOperatorScopeRequest(operator=operator))


def _set(asking: Asking, request: api.SetOperatorScopeRequest) -> None:
    answer = asking.ask(lambda channel: ApprovalServiceStub(channel).SetOperatorScope, request)
    asking.tell(answer, _print)


def _print(answer: api.SetOperatorScopeResponse) -> None:
    if answer.HasField("scope"):
        _SCOPES.show_one(answer.scope)
