"""`coordinator complaints report`: the figures of complaints, for people and programs."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from coordinator.cli.complaints.report_page import page
from coordinator.cli.connection import Connection, connected
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.output import tell_unanswered
from coordinator.oversight.figures import MOST_MONTHS
from coordinator.wording.complaint_charts import GROUPINGS
from coordinator.wording.complaint_figures import as_csv, as_json, as_rows
from gateway.api.coordinator.v1 import complaint_oversight_service_pb2 as contract
from gateway.api.coordinator.v1.complaint_oversight_service_pb2_grpc import ComplaintOversightServiceStub
from gateway.cli.exits import CannotReach
from gateway.cli.terminal import print_table
from gateway.cli.times import MonthType
from gateway.cli.written_files import write_out
from gateway.rpc.channels import invoke
from gateway.time.months import month_before, months_between
from gateway.wording.languages import current_language, enumerated, translated

_PREFIX = "COMPLAINT_DIMENSION_"
_DIMENSIONS = [name.removeprefix(_PREFIX).lower() for name in contract.ComplaintDimension.keys()[1:]]
_SECONDS = 40.0  # regions are given thirty of them to count
_MONTHS = 12  # the default

_By = Sequence[contract.ComplaintDimension.ValueType]


class _Dimensions(click.ParamType[_By]):
    """Names with commas between them."""

    name = "dimensions"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> _By:
        """See click."""
        names = [each.strip() for each in str(value).split(",") if each.strip()]
        if len(set(names)) != len(names) or not set(names) <= set(_DIMENSIONS):
            known = enumerated(_DIMENSIONS)
            self.fail(
                translated("name each of these at most once, with commas between: {known}", known=known), param, ctx
            )
        return [contract.ComplaintDimension.Value(_PREFIX + each.upper()) for each in names]


@click.command(epilog=EPILOG)
@click.option(
    "--from", "first", metavar="YYYY-MM", type=MonthType(), help="The first month; eleven before the last unless given."
)
@click.option(
    "--to", "last", metavar="YYYY-MM", type=MonthType(), help="The last month; the one that it is now unless given."
)
@click.option(
    "--by",
    metavar="NAME[,...]",
    type=_Dimensions(),
    default="region",
    show_default=True,
    help="What rows are put together by: region, department, category, month; empty for one row of all.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv", "html"]),
    default="table",
    show_default=True,
    help="For people, for programs, for a spreadsheet, or a page with charts.",
)
@click.option("--out", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Write it to FILE.")
@connected
def report(connection: Connection, first: str | None, last: str | None, by: _By, form: str, out: Path | None) -> None:
    """Count the complaints of some months at their owner regions: how many, how fast, how high, how content.

    A complaint belongs to the month in which it was filed. The page is one file that needs no network. Regions that
    could not be asked are named, and are in no figure.

    \b
    Examples:
      coordinator complaints report --from 2026-07 --to 2026-09 --by region,month
      coordinator complaints report --format html --out complaints.html --lang zh
    """
    if form == "table" and out is not None:
        raise click.UsageError(translated("a table goes to the terminal: say --format json, csv or html with --out"))
    now = datetime.now(UTC)
    months = _months(first, last, now)
    request = contract.ReportComplaintsRequest(
        from_month=months[0],
        to_month=months[-1],
        groupings=[contract.ComplaintGrouping(by=by), *(GROUPINGS if form == "html" else ())],
    )
    response = connection.ask(
        lambda channel: invoke(ComplaintOversightServiceStub(channel).ReportComplaints, request, _SECONDS)
    )
    tell_unanswered(response.unanswered)
    if response.unanswered and not response.regions:
        raise CannotReach(translated("no region could be asked"))
    if form == "table":
        click.echo(translated("Complaints {first} to {last}", first=months[0], last=months[-1]))
        print_table(*as_rows(response.tables[0], response))
        return
    written = _written(form, response, months, now)
    if out is None:
        click.echo(written, nl=False)
        return
    write_out(out, written)
    click.echo(translated("{path} was written", path=out), err=True)


def _months(first: str | None, last: str | None, now: datetime) -> Sequence[str]:
    """The requested months, from the first to the last inclusive."""
    until = last or f"{now:%Y-%m}"
    months = months_between(first or month_before(until, _MONTHS - 1), until)
    if not 1 <= len(months) <= MOST_MONTHS:
        raise click.UsageError(translated("ask for 1 to {most} months", most=MOST_MONTHS))
    return months


def _written(form: str, response: contract.ReportComplaintsResponse, months: Sequence[str], now: datetime) -> str:
    if form == "json":
        return as_json(response, months)
    return as_csv(response) if form == "csv" else page(response, months, now, current_language())
