"""`region-node complaints import`: complaints of another system from a file, or the clock replayed over them."""

import json
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import click
import grpc

from gateway.api.region.v1.complaint_import_service_pb2 import (
    ComplaintLine,
    ImportComplaintsRequest,
    ImportComplaintsResponse,
    ImportedComplaint,
)
from gateway.api.region.v1.complaint_import_service_pb2_grpc import ComplaintImportServiceStub
from gateway.api.region.v1.customer_service_pb2 import ImportFile
from gateway.api.types.v1.types_pb2 import Channel, Requester
from gateway.cli.exits import REFUSED
from gateway.clock import to_timestamp
from region_node.cli.complaints.complaint_file import ComplaintFile
from region_node.cli.complaints.complaint_map import ComplaintMap
from region_node.cli.complaints.replay_report import ReplayReport
from region_node.cli.connection import Target, connection_options, patience_option
from region_node.cli.imports.column_map import MapUnusable
from region_node.cli.imports.import_command import run_import
from region_node.cli.imports.import_report import ImportReport
from region_node.cli.imports.import_stream import LinesToImport
from region_node.cli.imports.line_file import Line, LineFileUnusable
from region_node.cli.options import channel_option, required_staff_option, summary_json_option
from region_node.cli.times import InstantType


class ComplaintsToImport(LinesToImport[ImportedComplaint, ImportComplaintsRequest, ImportComplaintsResponse]):
    """The complaints of one file, for one node."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        file: ComplaintFile,
        requester: Requester,
        *,
        validate_only: bool,
        as_of: datetime | None,
    ) -> None:
        self._service = ComplaintImportServiceStub(channel)
        self._file = file
        self._first = ImportComplaintsRequest(
            file=ImportFile(sha256=file.sha256, lines=file.count, requester=requester, validate_only=validate_only),
            as_of=to_timestamp(as_of) if as_of is not None else None,
        )

    @property
    def first(self) -> ImportComplaintsRequest:
        """See LinesToImport."""
        return self._first

    async def lines(self) -> Iterator[Line[ImportedComplaint]]:
        """See LinesToImport."""
        return self._file.lines()

    def request(self, lines: Sequence[Line[ImportedComplaint]]) -> ImportComplaintsRequest:
        """See LinesToImport."""
        return ImportComplaintsRequest(
            lines=[ComplaintLine(number=each.number, complaint=each.content) for each in lines]
        )

    def call(self, requests: AsyncIterator[ImportComplaintsRequest]) -> AsyncIterator[ImportComplaintsResponse]:
        """See LinesToImport."""
        return aiter(self._service.ImportComplaints(requests))


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@connection_options
@click.option(
    "--map",
    "map_file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="How the columns of FILE become complaints: YAML, see above.",
)
@required_staff_option
@channel_option
@click.option(
    "--rejects",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the lines that were not taken here, as CSV: line, reason, its text, and the columns of FILE.",
)
@click.option("--dry-run", is_flag=True, help="Change nothing, and say what would become of each line.")
@click.option(
    "--as-of",
    metavar="INSTANT",
    type=InstantType(),
    help="Change nothing, and replay the clock over FILE up to this instant, for example 2026-11-01T09:00:00+08:00.",
)
@click.option("--rows", type=click.IntRange(min=0), default=50, show_default=True, help="Of the table of --as-of.")
@summary_json_option
@patience_option
def import_file(
    target: Target,
    file: Path,
    map_file: Path,
    staff_id: str,
    channel: str,
    rejects: Path | None,
    dry_run: bool,
    as_of: datetime | None,
    rows: int,
    as_json: bool,
    patience: float,
) -> None:
    """Take over the complaints of FILE, a CSV or TSV file with a header, into the running node, with their own times.

    Deadlines are those of today's rules from the time of filing. Levels that were due before now are noted as reached
    when they were due, and nobody is told of them; what is open is raised from now on like everything else. Customers
    are told nothing. What is open and another region's work is rejected: import it there.

    The node remembers how far it got, by the content of FILE and map, and knows each complaint by its docket in the old
    system: run the same command again after whatever ended it, and it goes on there; no complaint comes in twice.

    The map is YAML: time_zone for times without one, encoding, delimiter, and below `complaint` the fields
    external_reference (the old docket), number, description, channel, remedy_sought and filed_time, and where they
    are known category (else the words of the description have to speak for one clearly), category_otherwise (for what
    names none and is not clear, for example OTHER; without it such a line is rejected), contact_number,
    location_region, area (urban or rural: the countryside has limits of its own), first_response_time, resolved_time,
    closed_time, ended_as (closed, withdrawn or rejected; closed where nothing is said), estimated_closed_time (of what
    has ended_as and no closed_time, also `as: days_after_filing`, at the latest now; the complaint says that it is an
    estimate), cause_code, resolution and rating. A field is a text for all lines, or says where it comes from:

    \b
      {column: Name}                  the cell of that column
      {template: "old-{Id}"}          a text with cells in it
      {column: A, table: {x: y}}      a value, or another source, for each content of the cell
        empty, otherwise              beside it: for an empty cell, and for one that is not in the table
        as                            beside a time: a strptime pattern; without it 2026-11-01T09:00:00+08:00

    With --as-of nothing is stored: which levels would have been reached when, and why, by the rules that are in force.
    An example is in deploy/import/.

    \b
    Examples:
      region-node complaints import old.csv --map map.yaml --staff-id 4711 --rejects rejected.csv
      region-node complaints import old.csv --map map.yaml --staff-id 4711 --as-of 2026-11-01T09:00:00+08:00

    \b
    Exit codes:
      0  every complaint was taken over, or was before from the same content
      1  some lines were rejected, or the node refused; the text says why
      2  the command line, the file, the map or the credentials cannot be used; nothing was sent
      3  not known how far the node got, or it is away: run the same command again
    """
    opened = _opened(file, map_file)
    requester = Requester(staff_id=staff_id, channel=Channel.Value(f"CHANNEL_{channel.upper()}"))
    is_checked = dry_run or as_of is not None
    report = _report(opened, rejects, rows, is_replay=as_of is not None)
    with report:
        failure, exit_code = run_import(
            target,
            opened,
            lambda channel: ComplaintsToImport(channel, opened, requester, validate_only=is_checked, as_of=as_of),
            report,
            patience,
        )
    _print(report, as_json=as_json, is_checked=is_checked)
    if failure:
        click.echo(failure, err=True)
    if exit_code or report.rejected:
        sys.exit(exit_code or REFUSED)


def _print(
    report: ImportReport[ImportedComplaint, ImportComplaintsResponse], *, as_json: bool, is_checked: bool
) -> None:
    if as_json:
        click.echo(json.dumps({**report.plain(), "dry_run": is_checked}, ensure_ascii=False))
        return
    if isinstance(report, ReplayReport):
        report.show()
    click.echo(report.summary())


def _report(
    file: ComplaintFile, rejects: Path | None, rows: int, *, is_replay: bool
) -> ImportReport[ImportedComplaint, ImportComplaintsResponse]:
    try:
        return ReplayReport(file, rejects, rows) if is_replay else ImportReport(file, rejects)
    except OSError as error:
        raise click.UsageError(f"{rejects}: {error.strerror}") from error


def _opened(file: Path, map_file: Path) -> ComplaintFile:
    try:
        return ComplaintFile(file, ComplaintMap(map_file))
    except MapUnusable as error:
        raise click.UsageError(f"{map_file}: {error}") from error
    except LineFileUnusable as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise click.UsageError(f"{map_file}: {error.strerror}") from error
