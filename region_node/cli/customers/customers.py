"""`region-node customers`: customers from a file, their end, and what keeps it."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from gateway.api.region.v1.customer_service_pb2 import Customer, ImportCustomersResponse
from gateway.api.types.v1.types_pb2 import Channel, Requester
from gateway.cli.exits import REFUSED
from gateway.languages import translated
from region_node.cli.connection import Target, connection_options, patience_option
from region_node.cli.customers.customer_file import CustomerFile
from region_node.cli.customers.customer_import import CustomersToImport
from region_node.cli.customers.holds import hold, list_holds, release_hold
from region_node.cli.customers.standing import erase, release, restrict
from region_node.cli.imports.column_map import ColumnMap, MapUnusable
from region_node.cli.imports.import_command import run_import
from region_node.cli.imports.import_report import ImportReport
from region_node.cli.imports.line_file import LineFileUnusable
from region_node.cli.imports.number_ranges import parse_range
from region_node.cli.options import channel_option, required_staff_option, summary_json_option


@click.group()
def customers() -> None:
    """Take over customers from a file, restrict them and erase them, or keep everything of one for an authority."""


for _command in (erase, restrict, release, hold, release_hold, list_holds):
    customers.add_command(_command)


@customers.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@connection_options
@click.option(
    "--map",
    "map_file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="How the columns of FILE become customers: YAML, see above.",
)
@click.option(
    "--numbers",
    multiple=True,
    metavar="[NAME=]FIRST-LAST",
    help="Numbers for the lines whose map asks for the range NAME; without a name: line. May be given several times.",
)
@required_staff_option
@channel_option
@click.option(
    "--rejects",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the lines that were not taken here, as CSV: line, reason, its text, and the columns of FILE.",
)
@click.option("--dry-run", is_flag=True, help="Change nothing, and say what would become of each line.")
@summary_json_option
@patience_option
def import_file(
    target: Target,
    file: Path,
    map_file: Path,
    numbers: Sequence[str],
    staff_id: str,
    channel: str,
    rejects: Path | None,
    dry_run: bool,
    as_json: bool,
    patience: float,
) -> None:
    """Take over the customers of FILE, a CSV file with a header, into the running node.

    The node remembers how far it got, by the content of FILE, map and numbers: run the same command again after
    whatever ended it, and it goes on there. A line becomes a customer with line, account and opening balance, or is
    rejected with a reason; no customer is stored by half. Mend the file of rejects and import it as a file of its own,
    with numbers that are free.

    The map is YAML: currency, time_zone, as_of (a date), encoding, delimiter, and below `customer` the fields of the
    contract's Customer. A field is a text for all lines, or says where it comes from:

    \b
      {column: Name}                  the cell of that column
      {template: "customer {Id}"}     a text with cells in it
      {range: line}                   the next number of --numbers line=FIRST-LAST
      {column: A, table: {x: y}}      a value, or another source, for each content of the cell
        empty, otherwise              beside it: for an empty cell, and for one that is not in the table
        as                            beside it: how to read it

    Amounts are decimal fractions in major units. Dates are 2026-11-01, or as a strptime pattern says; months_before and
    months_after count months from as_of, term_months is the length of a term that begins with the line and whose
    running one ends then. A plan_id as nearest_rent is an amount: the plan with the nearest rent. An example is in
    deploy/import/.

    \b
    Examples:
      region-node customers import customers.csv --map map.yaml --staff-id 4711 --dry-run
      region-node customers import customers.csv --map map.yaml --staff-id 4711 --rejects rejected.csv \\
        --numbers +8619851000000-+8619851099999 --numbers broadband=+862880000000-+862880099999

    \b
    Exit codes:
      0  every customer was taken over, or is there with the same content
      1  some lines were rejected, or the node refused; the text says why
      2  the command line, the file, the map or the credentials cannot be used; nothing was sent
      3  not known how far the node got, or it is away: run the same command again
    """
    opened = _opened(file, map_file, numbers)
    try:
        report = ImportReport[Customer, ImportCustomersResponse](opened, rejects)
    except OSError as error:
        raise click.UsageError(f"{rejects}: {error.strerror}") from error
    requester = Requester(staff_id=staff_id, channel=Channel.Value(f"CHANNEL_{channel.upper()}"))
    with report:
        failure, exit_code = run_import(
            target,
            opened,
            lambda channel: CustomersToImport(channel, opened, requester, validate_only=dry_run),
            report,
            patience,
        )
    click.echo(json.dumps({**report.plain(), "dry_run": dry_run}, ensure_ascii=False) if as_json else report.summary())
    if failure:
        click.echo(failure, err=True)
    if exit_code or report.rejected:
        sys.exit(exit_code or REFUSED)


def _opened(file: Path, map_file: Path, numbers: Sequence[str]) -> CustomerFile:
    try:
        parsed = [parse_range(each) for each in numbers]
    except ValueError as error:
        raise click.UsageError(f"--numbers: {error}") from error
    ranges = {name: (first, last) for name, first, last in parsed}
    if len(ranges) < len(parsed):
        raise click.UsageError(translated("--numbers: a range is given twice"))
    try:
        return CustomerFile(file, ColumnMap(map_file), ranges)
    except MapUnusable as error:
        raise click.UsageError(f"{map_file}: {error}") from error
    except LineFileUnusable as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise click.UsageError(f"{map_file}: {error.strerror}") from error
