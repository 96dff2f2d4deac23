"""`region-node orders`: many orders from a file, reviews, proofs, and the event feed."""

import json
import sys
from pathlib import Path

import click
import grpc
from google.protobuf import json_format

from gateway.api.region.v1.order_event_service_pb2 import StreamOrderEventsRequest, StreamOrderEventsResponse
from gateway.api.region.v1.order_event_service_pb2_grpc import OrderEventServiceStub
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.types.v1.types_pb2 import Requester
from gateway.cli.exits import REFUSED
from gateway.process.files import replace_file
from gateway.wording.languages import translated
from region_node.cli.asking import NODE, Asking
from region_node.cli.connection import CHANNELS, Target, connection_options, patience_option
from region_node.cli.imports.reconnecting import ended
from region_node.cli.options import staff_id_option, summary_json_option
from region_node.cli.orders.order_file import Format, OrderFile, OrderFileUnusable, Reading
from region_node.cli.orders.order_proof import proof
from region_node.cli.orders.order_report import OrderReport
from region_node.cli.orders.order_reviews import approve, reject, send_back, waiting
from region_node.cli.orders.order_submission import Submission
from region_node.cli.outcome import told_by


@click.group()
def orders() -> None:
    """Submit many orders from a file, review those that wait for staff, write proofs of one, and follow all orders."""


for _command in (waiting, approve, send_back, reject, proof):
    orders.add_command(_command)


_channel_option = click.option(
    "--channel",
    type=click.Choice(CHANNELS),
    default="counter",
    show_default=True,
    help="How the customer came, where a line does not say who asks.",
)
_report_option = click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what became of every line here, one JSON object each, as it is known.",
)


@orders.command("submit-file")
@NODE.asking(
    staff_id_option("Who asks; required where a line does not say so."),
    _channel_option,
    _report_option,
    summary_json_option,
    patience_option,
    with_json=False,
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--format",
    "form",
    type=click.Choice([each.value for each in Format]),
    help="How FILE is written; by its name unless given: csv for *.csv, else jsonl.",
)
@click.option("--encoding", default="utf-8-sig", show_default=True, help="Of FILE; gb18030 for many spreadsheets.")
def submit_file(
    asking: Asking, file: Path, form: str | None, encoding: str, report: Path | None, patience: float
) -> None:
    """Submit the orders of FILE, each once, in bulk.

    FILE holds an OrderRequest as JSON on each line, with the names of the contract, or is CSV with a header of the
    columns business, number, applicant, request_id, requester.staff_id, requester.channel, characteristics.<name> and,
    for each document, documents.<CODE>.verifier, documents.<CODE>.verify_time and documents.<CODE>.keyed_hash (base64
    or 64 hexadecimal digits). Empty cells are not told.

    The request id of a line is its request_id, where it has one, else it comes from the SHA-256 of FILE and the number
    of the line. So nothing is done twice when the command is run again with the same file, whatever ended it; to do
    the same orders once more, give them other request ids.

    \b
    Examples:
      region-node orders submit-file payments.csv --staff-id 4711 --report outcomes.jsonl
      region-node orders submit-file orders.jsonl --json --patience 300

    \b
    Exit codes:
      0  every order was taken in
      1  some were refused or rejected, or cannot be read; all others were taken in
      2  the command line, the file or the credentials cannot be used; nothing was sent
      3  of some it is not known: run the same command again
    """
    chosen = Format(form) if form else (Format.CSV if file.suffix.lower() == ".csv" else Format.JSONL)
    try:
        opened = OrderFile(file, Reading(chosen, encoding, asking.requester or Requester()))
        told = OrderReport(opened, report)
    except OrderFileUnusable as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise click.UsageError(f"{report}: {error.strerror}") from error
    with told:
        failure = _run_submission(asking.link, opened, told, patience)
    click.echo(json.dumps(told.plain(), ensure_ascii=False) if asking.as_json else told.summary())
    if failure:
        click.echo(failure, err=True)
    if told.exit_code:
        sys.exit(told.exit_code)


def _run_submission(target: Target, file: OrderFile, told: OrderReport, patience: float) -> str:
    """Submits the file; returns the reason of an early end, or an empty text."""
    again = translated("Run the same command again: what is done already is not done twice.")
    submissions: list[Submission] = []

    async def run(channel: grpc.aio.Channel) -> None:
        submissions.append(Submission(file, OrderServiceStub(channel), told.add))
        await submissions[0].run(patience, lambda error: told.progress.interrupted(told_by(error, target.server)))

    problem, exit_code = ended(target, run, again)
    told.is_denied = exit_code == REFUSED
    for submission in submissions:
        submission.leave()
    return problem


@orders.command()
@connection_options
@click.option(
    "--token",
    "token_file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to keep how far was read; the command goes on from there. Not there yet: from the oldest event.",
)
@click.option("--only-past", is_flag=True, help="End after the last event there is.")
@patience_option
def events(target: Target, token_file: Path, only_past: bool, patience: float) -> None:
    """Print every change of every order, one JSON object a line, in the order in which they were committed.

    Events hold no personal data. Those that were printed and not yet noted in the file of --token are printed again
    after a crash: `sequence` counts them without a gap.

    \b
    Examples:
      region-node orders events --token warehouse.token >> events.jsonl
      region-node orders events --token warehouse.token --only-past | load-into-warehouse

    \b
    Exit codes:
      0  the end was reached, or it was ended by Ctrl-C
      1  refused; the text says why
      2  the command line or the credentials cannot be used
      3  the node is away; run the same command again
    """

    def tell(message: StreamOrderEventsResponse) -> None:
        for event in message.events:
            told = json_format.MessageToJson(event, preserving_proto_field_name=True, ensure_ascii=False, indent=None)
            click.echo(told)
        sys.stdout.flush()
        replace_file(token_file, f"{message.token}\n".encode("ascii"))

    try:
        request = StreamOrderEventsRequest(token=_kept(token_file), only_past=only_past)
        target.follow(lambda channel: OrderEventServiceStub(channel).StreamOrderEvents, request, tell, patience)
    except BrokenPipeError:
        raise  # the reader of the output has stopped: the file is not the cause
    except (OSError, UnicodeError) as error:
        raise click.UsageError(f"{token_file}: {error}") from error
    except KeyboardInterrupt:
        return


def _kept(token_file: Path) -> str:
    return token_file.read_text("ascii").strip() if token_file.exists() else ""
