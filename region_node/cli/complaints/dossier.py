"""`region-node complaints dossier`: the regulator's dossier, as JSON and as a document in both languages."""

import uuid
from datetime import timedelta
from pathlib import Path

import click
import grpc
from google.protobuf import json_format

from gateway.api.region.v1 import dossier_service_pb2 as api
from gateway.api.region.v1.dossier_service_pb2_grpc import DossierServiceStub
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import from_rpc_error
from gateway.process.files import replace_file
from gateway.values.plain_text import visible
from gateway.wording.languages import LANGUAGES, in_each_language, translated
from region_node.cli.complaints.dossier_view import document, open_points, verdict_of
from region_node.cli.connection import Target, connection_options
from region_node.node.texts import TEXTS

_CALL_SECONDS = 30.0
_WAIT = timedelta(seconds=10)  # for the owner region
_STATEMENTS = {"yes": api.Statement.STATEMENT_YES, "no": api.Statement.STATEMENT_NO}
_yes_or_no = click.Choice(tuple(_STATEMENTS))


@click.command()
@click.argument("ticket_id")
@connection_options
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="A directory, or the path of both files without their endings .json and .md.",
)
@click.option("--name", default="", help="Who appeals, where the node's records do not say.")
@click.option("--address", default="", help="The appellant's address.")
@click.option("--telephone", default="", help="The appellant's telephone; the number of the complaint unless given.")
@click.option("--postal-code", default="", help="The appellant's postal code.")
@click.option("--occurred-on", default="", metavar="DAY", help="When it happened, YYYY-MM-DD.")
@click.option("--direct-interest", type=_yes_or_no, help="Whether whoever appeals is concerned directly.")
@click.option("--settled", type=_yes_or_no, help="Whether a settlement was agreed on and carried out.")
@click.option("--appealed", type=_yes_or_no, help="Whether an appeal body has taken it.")
@click.option("--elsewhere", type=_yes_or_no, help="Whether a court or another authority has taken it.")
@click.option("--customer-asks", is_flag=True, help="The customer wants the regulator, which raises it to level 5.")
def dossier(
    target: Target,
    ticket_id: str,
    out: Path,
    name: str,
    address: str,
    telephone: str,
    postal_code: str,
    occurred_on: str,
    direct_interest: str | None,
    settled: str | None,
    appealed: str | None,
    elsewhere: str | None,
    customer_asks: bool,
) -> None:
    """Export what goes to the regulator, as staff of the origin region, and say whether it would be accepted.

    \b
    Examples:
      region-node complaints dossier guangdong/20261210-17 --out appeals --occurred-on 2026-11-28 --direct-interest yes

    \b
    Exit codes:
      0  both files are written
      1  refused; the text says why
      2  the command line or the credentials cannot be used
      3  not known: run it again
    """
    request = api.ExportDossierRequest(
        ticket_id=ticket_id,
        appellant=api.Appellant(name=name, address=address, telephone=telephone, postal_code=postal_code),
        statements=api.DossierStatements(
            direct_interest=_statement(direct_interest),
            settled=_statement(settled),
            appealed=_statement(appealed),
            elsewhere=_statement(elsewhere),
            occurred_date=occurred_on,
        ),
        customer_asks=customer_asks,
    )
    found = _exported(target, request)
    for path in _written(out, found):
        click.echo(str(path))
    click.echo(verdict_of(found))
    for point in open_points(found):
        click.echo(point)


def _statement(told: str | None) -> api.Statement.ValueType:
    return api.Statement.STATEMENT_UNSPECIFIED if told is None else _STATEMENTS[told]


def _written(out: Path, found: api.Dossier) -> tuple[Path, Path]:
    """Writes both files, for their owner's eyes alone; returns where they are."""
    stem = out / found.ticket_id.replace("/", "-") if out.is_dir() else out
    said = in_each_language(TEXTS, lambda: document(found))
    content = json_format.MessageToJson(found, preserving_proto_field_name=True, ensure_ascii=False)
    texts = {
        ".json": content + "\n",
        ".md": "\n\n---\n\n".join(said[language] for language in reversed(LANGUAGES)) + "\n",
    }
    paths = {ending: stem.with_name(stem.name + ending) for ending in texts}
    try:
        for ending, path in paths.items():
            replace_file(path, visible(texts[ending]).encode())
    except OSError as error:
        raise click.UsageError(translated("{path}: cannot be written", path=stem)) from error
    return paths[".json"], paths[".md"]


def _exported(target: Target, request: api.ExportDossierRequest) -> api.Dossier:
    """The dossier. Ends the command without one."""

    async def export(channel: grpc.aio.Channel) -> api.Dossier:
        node = DossierServiceStub(channel)
        if request.customer_asks:
            await _ask_for_regulator(node, request.ticket_id)
        return (await node.ExportDossier(request, timeout=_CALL_SECONDS)).dossier

    return target.ask(export)


async def _ask_for_regulator(node: "DossierServiceStub", ticket_id: str) -> None:
    """Raises the complaint to the regulator, unless it is answered or over: the conditions show that then."""
    asked = api.AskForRegulatorRequest(request_id=uuid.uuid4().hex, ticket_id=ticket_id)
    asked.wait.FromTimedelta(_WAIT)
    try:
        await node.AskForRegulator(asked, timeout=_CALL_SECONDS)
    except grpc.aio.AioRpcError as error:
        refused = from_rpc_error(error)
        if refused is None or refused.reason != Reason.REASON_COMPLAINT_STATE_FORBIDS:
            raise
