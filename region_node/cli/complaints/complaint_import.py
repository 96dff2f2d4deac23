"""`region-node complaints import`: complaints of another system from a file, or the clock replayed over them."""

from collections.abc import Iterator, Sequence
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
from gateway.cli.times import InstantType
from gateway.time.clock import to_timestamp
from region_node.cli.asking import NODE, Asking
from region_node.cli.complaints.complaint_file import ComplaintFile
from region_node.cli.complaints.complaint_map import ComplaintMap
from region_node.cli.complaints.replay_report import ReplayReport
from region_node.cli.connection import patience_option
from region_node.cli.imports.import_command import dry_run_option, map_option, opening, rejects_option, run_import
from region_node.cli.imports.import_report import ImportReport
from region_node.cli.imports.import_stream import LinesToImport
from region_node.cli.imports.line_file import Line
from region_node.cli.options import channel_option, required_staff_option, summary_json_option

_Work = LinesToImport[ImportedComplaint, ImportComplaintsRequest, ImportComplaintsResponse]
_as_of_option = click.option(
    "--as-of",
    metavar="INSTANT",
    type=InstantType(),
    help="Change nothing, and replay the clock over FILE up to this instant, for example 2026-11-01T09:00:00+08:00.",
)
_rows_option = click.option(
    "--rows", type=click.IntRange(min=0), default=50, show_default=True, help="Of the table of --as-of."
)


@click.command("import")
@NODE.asking(
    required_staff_option,
    channel_option,
    rejects_option,
    dry_run_option,
    _as_of_option,
    _rows_option,
    summary_json_option,
    patience_option,
    with_json=False,
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@map_option("How the columns of FILE become complaints: YAML, see above.")
def import_file(
    asking: Asking,
    file: Path,
    map_file: Path,
    rejects: Path | None,
    dry_run: bool,
    as_of: datetime | None,
    rows: int,
    patience: float,
) -> None:
    """Take over the complaints of FILE, a CSV or TSV file with a header, into the running node, with their own times.

    Deadlines are those of today's rules from the time of filing. Levels that were due before now are noted as reached
    when they were due, and nobody is told of them; what is open is raised from now on like everything else. Customers
    are told nothing. What is open and another region's work is rejected: import it there.

    The node remembers how far it got, by the content of FILE and map, and knows each complaint by its ticket id in
    the old system: run the same command again after whatever ended it, and it goes on; no complaint comes in twice.

    The map is YAML: time_zone for times without one, encoding, delimiter, and below `complaint` the fields
    external_id (the old ticket id), number, description, channel, remedy_sought and filed_time, and where they
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
    with opening(map_file):
        opened = ComplaintFile(file, ComplaintMap(map_file))
    is_replay = as_of is not None
    report = ReplayReport(opened, rejects, rows) if is_replay else ImportReport(opened, rejects)
    is_dry = dry_run or is_replay
    named = ImportFile(sha256=opened.sha256, lines=opened.count, requester=asking.requester, validate_only=is_dry)
    first = ImportComplaintsRequest(file=named, as_of_time=to_timestamp(as_of) if as_of is not None else None)

    async def lines() -> Iterator[Line[ImportedComplaint]]:
        return opened.lines()

    def work(channel: grpc.aio.Channel) -> _Work:
        return LinesToImport(
            first,
            lines,
            _request,
            lambda requests: aiter(ComplaintImportServiceStub(channel).ImportComplaints(requests)),
        )

    run_import(asking, opened, work, report, patience, is_dry=is_dry)


def _request(lines: Sequence[Line[ImportedComplaint]]) -> ImportComplaintsRequest:
    return ImportComplaintsRequest(lines=[ComplaintLine(number=each.number, complaint=each.content) for each in lines])
