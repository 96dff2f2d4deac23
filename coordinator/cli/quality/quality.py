"""`coordinator quality`: the scorecards of all regions."""

from datetime import UTC, datetime
from pathlib import Path

import click

from coordinator.cli.asking import Asking, asks
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.output import tell_unanswered
from coordinator.cli.quality.matrix import show_matrix
from coordinator.cli.quality.report_page import page
from gateway.api.coordinator.v1 import quality_oversight_service_pb2 as contract
from gateway.api.coordinator.v1.quality_oversight_service_pb2_grpc import QualityOversightServiceStub
from gateway.cli.times import MonthType
from gateway.cli.written_files import write_out
from gateway.wording.languages import current_language, translated

_month_option = click.option(
    "--month", metavar="YYYY-MM", type=MonthType(), required=True, help="The month, by the clock of each region."
)


@click.group(epilog=EPILOG)
def quality() -> None:
    """See the quality of each region's service."""


@quality.command(epilog=EPILOG)
@asks()
@_month_option
def show(asking: Asking, month: str) -> None:
    """Show the figures of each region for a month; the nodes are asked at each call.

    A region that does not answer has no column, and is named below the table.

    \b
    Example:
      coordinator quality show --month 2026-10
    """
    response = _asked(asking, month)
    asking.tell(response, show_matrix)
    tell_unanswered(response.unanswered)


@quality.command(epilog=EPILOG)
@asks()
@_month_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file of the page.")
def report(asking: Asking, month: str, out: Path) -> None:
    """Write the scorecards of a month as a page with charts: one file that needs no network.

    \b
    Example:
      coordinator quality report --month 2026-10 --out quality.html --lang zh
    """
    response = _asked(asking, month)
    written = page(response, month, datetime.now(UTC), current_language())
    write_out(out, written)
    asking.say(response, lambda: translated("{path} was written", path=out))
    tell_unanswered(response.unanswered)


def _asked(asking: Asking, month: str) -> contract.ReportQualityResponse:
    request = contract.ReportQualityRequest(month=month)
    return asking.ask(lambda channel: QualityOversightServiceStub(channel).ReportQuality, request)
