"""`region-node customers`: the import of customers, their erasure, and its obstacles."""

from collections.abc import Sequence
from pathlib import Path

import click

from gateway.api.region.v1.customer_service_pb2 import Customer, ImportCustomersResponse
from gateway.wording.languages import translated
from region_node.cli.asking import NODE, Asking
from region_node.cli.connection import patience_option
from region_node.cli.customers.contact import contact, set_contact
from region_node.cli.customers.customer_file import CustomerFile
from region_node.cli.customers.customer_import import customers_to_import
from region_node.cli.customers.holds import hold, list_holds, release_hold
from region_node.cli.customers.moves import cancel_move, confirm_move, list_moves, move
from region_node.cli.customers.other_contacts import other_contacts, set_other_contacts
from region_node.cli.customers.status import erase, release, restrict
from region_node.cli.imports.column_map import ColumnMap
from region_node.cli.imports.import_command import dry_run_option, map_option, opening, rejects_option, run_import
from region_node.cli.imports.import_report import ImportReport
from region_node.cli.imports.number_ranges import parse_range
from region_node.cli.options import channel_option, required_staff_option, summary_json_option


@click.group()
def customers() -> None:
    """Take over customers from a file, restrict them and erase them, or keep everything of one for an authority."""


_HOLDS = (hold, release_hold, list_holds)
_MOVES = (move, confirm_move, cancel_move, list_moves)
for _command in (contact, set_contact, other_contacts, set_other_contacts, erase, restrict, release, *_HOLDS, *_MOVES):
    customers.add_command(_command)


@customers.command("import")
@NODE.asking(
    required_staff_option,
    channel_option,
    rejects_option,
    dry_run_option,
    summary_json_option,
    patience_option,
    with_json=False,
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@map_option("How the columns of FILE become customers: YAML, see above.")
@click.option(
    "--numbers",
    multiple=True,
    metavar="[NAME=]FIRST-LAST",
    help="Numbers for the lines whose map asks for the range NAME; without a name: line. May be given several times.",
)
def import_file(
    asking: Asking,
    file: Path,
    map_file: Path,
    numbers: Sequence[str],
    rejects: Path | None,
    dry_run: bool,
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
    running one ends then. A plan_id as nearest_rent is an amount: the plan with the nearest rent. other_contacts is a
    list of fields, each a telephone number that gets codes instead of the line; empty ones are left out. An example is
    in deploy/import/.

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
    run_import(
        asking,
        opened,
        lambda channel: customers_to_import(channel, opened, asking.requester, validate_only=dry_run),
        ImportReport[Customer, ImportCustomersResponse](opened, rejects),
        patience,
        is_dry=dry_run,
    )


def _opened(file: Path, map_file: Path, numbers: Sequence[str]) -> CustomerFile:
    try:
        parsed = [parse_range(each) for each in numbers]
    except ValueError as error:
        raise click.UsageError(f"--numbers: {error}") from error
    ranges = {name: (first, last) for name, first, last in parsed}
    if len(ranges) < len(parsed):
        raise click.UsageError(translated("--numbers: a range is given twice"))
    with opening(map_file):
        return CustomerFile(file, ColumnMap(map_file), ranges)
