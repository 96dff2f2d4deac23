"""`coordinator quality`: the scorecards of all regions."""

from datetime import UTC, datetime
from pathlib import Path

import click

from coordinator.cli.asking import Asking, asks
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.output import tell_unanswered
from coordinator.cli.quality.report_page import page
from gateway.api.coordinator.v1 import quality_oversight_service_pb2 as contract
from gateway.api.coordinator.v1.quality_oversight_service_pb2_grpc import QualityOversightServiceStub
from gateway.cli.exits import NotDone
from gateway.cli.scorecard import FIGURES_OF_REGIONS, rows
from gateway.cli.times import MonthType
from gateway.process.files import replace_file
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
    """Show the scorecard of each region for a month; the nodes are asked at each call.

    A region that does not answer has no row, and is named below the table. A value with "!" misses its target.

    \b
    Example:
      coordinator quality show --month 2026-10
    """
    response = _asked(asking, month)
    asking.show(response, FIGURES_OF_REGIONS, rows(response.definitions, response.scorecards))
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
    try:
        replace_file(out, written.encode())
    except OSError as error:
        raise NotDone([f"{out}: {error.strerror}"]) from error
    asking.say(response, lambda: translated("{path} was written", path=out))
    tell_unanswered(response.unanswered)


def _asked(asking: Asking, month: str) -> contract.ReportQualityResponse:
    request = contract.ReportQualityRequest(month=month)
    return asking.ask(lambda channel: QualityOversightServiceStub(channel).ReportQuality, request)
