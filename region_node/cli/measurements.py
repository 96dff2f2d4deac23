"""`region-node measurements`: the measurements on the network, and their totals."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from gateway.api.region.v1 import measurement_service_pb2 as api
from gateway.api.region.v1.alarm_pb2 import NetworkObject, QualityFigure
from gateway.api.region.v1.measurement_service_pb2 import (
    Measurement,
    QualityPeriod,
    SendMeasurementsRequest,
    SendMeasurementsResponse,
)
from gateway.api.region.v1.measurement_service_pb2_grpc import MeasurementServiceStub
from gateway.cli.option_words import option_words
from gateway.cli.table import Table, TableColumn
from gateway.time.clock import to_timestamp
from gateway.wording.languages import translated
from gateway.wording.times import told_time
from region_node.cli.asking import Asking, reads
from region_node.cli.imports.network_file import NetworkFile
from region_node.cli.imports.network_import import Kind, import_options, run_import
from region_node.network.measurements.prospect import prospect, used

_PERIODS = option_words(QualityPeriod.items())
_LENGTHS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "month": timedelta(days=31)}
_BARS = "▁▂▃▄▅▆▇█"
_DELAY = QualityFigure.QUALITY_FIGURE_DELAY
_VARIATION = QualityFigure.QUALITY_FIGURE_DELAY_VARIATION
_LOSS = QualityFigure.QUALITY_FIGURE_LOSS
_THROUGHPUT = QualityFigure.QUALITY_FIGURE_THROUGHPUT
_service_option = click.option("--service", "is_service", is_flag=True, help="It is a service and not a link.")
_KIND: Kind[Measurement, SendMeasurementsRequest, SendMeasurementsResponse] = Kind(
    piece=1000,
    opening=lambda source: SendMeasurementsRequest(source=source),
    request=lambda first, found: SendMeasurementsRequest(first_sequence=first, measurements=found),
    nothing=Measurement,
    call=lambda channel, requests: aiter(MeasurementServiceStub(channel).SendMeasurements(requests)),
)


@click.group()
def measurements() -> None:
    """See what was measured on links and services, and take over measurements from a file."""


@measurements.command("import")
@import_options
def import_file(asking: Asking, file: Path, rejects: Path | None, source: str, patience: float) -> None:
    """Send the measurements of FILE to the running node: CSV with a header, or a JSON object in each line.

    Columns, or names, are link or service, start_time (2026-11-01T09:00:00+08:00), window_seconds, and of delay_us,
    delay_variation_us, loss_ppb, throughput_kbps and availability_ppm those that were measured. The node remembers how
    far it got, by the content of FILE: run the same command again after whatever ended it, and it goes on there. Lines
    that were not taken are told by the run that sent them.

    \b
    Examples:
      region-node measurements import probes.csv --rejects rejected.csv
      region-node measurements import growing.csv --source probe-chengdu
    """
    run_import(asking, NetworkFile(file, Measurement, source), _KIND, rejects, patience)


@measurements.command()
@reads()
@click.argument("name", metavar="LINK")
@_service_option
@click.option("--by", type=click.Choice(list(_PERIODS)), default="hour", show_default=True, help="In what steps.")
@click.option("--last", type=click.IntRange(1, 900), default=24, show_default=True, help="So many of them.")
def show(asking: Asking, name: str, is_service: bool, by: str, last: int) -> None:
    """Show what the measurements of LINK come to, hour by hour, day by day or month by month, in UTC.

    \b
    Examples:
      region-node measurements show chengdu-guangzhou-1
      region-node measurements show broadband-chengdu --service --by day --last 30
    """
    asking.tell(_quality(asking, name, is_service=is_service, by=by, last=last), _print_summaries)


@measurements.command()
@reads()
@click.argument("link")
@click.option("--months", type=click.IntRange(2, 60), default=12, show_default=True, help="Of so many months.")
def capacity(asking: Asking, link: str, months: int) -> None:
    """Show how much of LINK is used, month by month, and when it will be full if that goes on as it did.

    Of each month what 95 of 100 windows did not pass is held against the capacity. The month that it is now counts as
    far as it has gone.

    \b
    Examples:
      region-node measurements capacity chengdu-guangzhou-1 --months 24
    """
    asking.tell(_quality(asking, link, is_service=False, by="month", last=months), _print_capacity)


def _print_summaries(found: api.ListQualityResponse) -> None:
    _SUMMARIES.show(found.summaries)
    means = [figure.mean for each in found.summaries for figure in each.figures if figure.figure == _DELAY]
    if means:
        click.echo(translated("delay: {line}", line=sparkline(means)))


def _print_capacity(found: api.ListQualityResponse) -> None:
    full = found.capacity_mbps * 1000
    months = used(found)
    table = Table[tuple[datetime, int]](
        TableColumn("month", lambda each: f"{each[0]:%Y-%m}"),
        TableColumn("throughput, Mbit/s (95 %)", lambda each: f"{each[1] / 1000:.1f}"),
        TableColumn("of the capacity", lambda each: f"{each[1] * 100 / full:.1f} %"),
    )
    table.show(months)
    click.echo(prospect(months, full))


def sparkline(values: Sequence[float]) -> str:
    """Values as bars of a line, from the least to the greatest."""
    least, most = min(values), max(values)
    step = (most - least) / (len(_BARS) - 1) or 1.0
    return "".join(_BARS[round((value - least) / step)] for value in values)


def _quality(asking: Asking, name: str, *, is_service: bool, by: str, last: int) -> api.ListQualityResponse:
    now = datetime.now(UTC)
    request = api.ListQualityRequest(
        object=NetworkObject(service=name) if is_service else NetworkObject(link=name),
        period=_PERIODS[by],
        start_time=to_timestamp(now - _LENGTHS[by] * (last - 1)),
        end_time=to_timestamp(now),
    )
    return asking.ask(lambda channel: MeasurementServiceStub(channel).ListQuality, request)


def _both(summary: api.QualitySummary, figure: QualityFigure.ValueType, unit: float, digits: int) -> str:
    """The mean of a figure, and its 95th percentile of windows."""
    told = next((each for each in summary.figures if each.figure == figure), None)
    return f"{told.mean / unit:.{digits}f} ({told.percentile_95 / unit:.{digits}f})" if told is not None else ""


def _availability(summary: api.QualitySummary) -> str:
    told = [each for each in summary.figures if each.figure == QualityFigure.QUALITY_FIGURE_AVAILABILITY]
    return f"{told[0].mean / 10_000:.3f}" if told else ""


_SUMMARIES = Table[api.QualitySummary](
    TableColumn("begins", lambda each: told_time(each.start_time)),
    TableColumn("windows", lambda each: str(max(figure.count for figure in each.figures))),
    TableColumn("delay, ms (95 %)", lambda each: _both(each, _DELAY, 1_000, 3)),
    TableColumn("variation, ms (95 %)", lambda each: _both(each, _VARIATION, 1_000, 3)),
    TableColumn("loss, % (95 %)", lambda each: _both(each, _LOSS, 10_000_000, 5)),
    TableColumn("throughput, Mbit/s (95 %)", lambda each: _both(each, _THROUGHPUT, 1_000, 1)),
    TableColumn("availability, %", _availability),
)
