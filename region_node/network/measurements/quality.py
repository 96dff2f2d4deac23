"""The totals of measurements in messages: for network staff, and for coordinators."""

from collections.abc import Sequence
from datetime import UTC, datetime

from gateway.api.region.v1 import measurement_service_pb2 as api
from gateway.api.region.v1.measurement_service_pb2 import QualityPeriod
from gateway.errors import invalid
from gateway.federation.network import NetworkRegistry
from gateway.store.port import Transaction
from gateway.time.clock import from_microseconds, from_timestamp, to_microseconds, to_timestamp
from region_node.network.measurements.alarm_rows import objects_down
from region_node.network.measurements.measurement_rows import DAY, HOUR, totals_between, totals_since
from region_node.network.measurements.objects import LINK, SITE
from region_node.network.measurements.thresholds import DELAY, LOSS, VARIATION
from region_node.network.measurements.totals import Figures, added

MOST_PERIODS = 1_000
_LENGTH = {QualityPeriod.QUALITY_PERIOD_HOUR: HOUR, QualityPeriod.QUALITY_PERIOD_DAY: DAY}


def span_of(request: api.ListQualityRequest) -> tuple[int, int]:
    """The first and the last instant of a query, in microseconds, both inclusive.

    Raises Refused with REQUEST_INVALID.
    """
    period = request.period
    if not period or period not in QualityPeriod.values():
        raise invalid("period", "not set", "未填写")
    try:
        start, end = from_timestamp(request.start_time), from_timestamp(request.end_time)
    except OverflowError:
        raise invalid("start_time", "out of range", "超出范围") from None
    if not (request.HasField("start_time") and request.HasField("end_time") and start <= end):
        raise invalid("end_time", "not set, or before the start", "未填写，或早于开始时间")
    first, last = start_of(period, to_microseconds(start)), to_microseconds(end)
    if (last - first) // _LENGTH.get(period, 28 * DAY) >= MOST_PERIODS:
        raise invalid("end_time", f"more than {MOST_PERIODS} of them", f"超过{MOST_PERIODS}个周期")
    return first, last


def start_of(period: QualityPeriod.ValueType, time: int) -> int:
    """The start of the hour, day or month of UTC around a time; both in microseconds."""
    if period == QualityPeriod.QUALITY_PERIOD_MONTH:
        return to_microseconds(datetime(*from_microseconds(time).timetuple()[:2], 1, tzinfo=UTC))
    return time - time % _LENGTH[period]


def summaries(
    tx: Transaction, about: str, period: QualityPeriod.ValueType, first: int, last: int
) -> list[api.QualitySummary]:
    """The totals of an object's measurements. After the purge of the hours, only those of days and months."""
    found = totals_between(tx, "measurement_hours", about, first, last)
    if period != QualityPeriod.QUALITY_PERIOD_HOUR:
        found += totals_between(tx, "measurement_days", about, first, last)
    parts: dict[int, list[Figures]] = {}
    for start, figures in found:
        parts.setdefault(start_of(period, start), []).append(figures)
    return [
        api.QualitySummary(start_time=to_timestamp(from_microseconds(start)), figures=_figures(added(each)))
        for start, each in sorted(parts.items())
    ]


def link_reports(tx: Transaction, network: NetworkRegistry, region: str, now: datetime) -> list[api.LinkReport]:
    """The reports on links with an end in the region and with measurements or alarms."""
    hour = to_microseconds(now) - to_microseconds(now) % HOUR
    measured, down = totals_since(tx, hour - HOUR), objects_down(tx)
    found = []
    for link in network.links.values():
        if region not in network.regions_of(link):
            continue
        figures = measured.get(f"{LINK}/{link.id}", {})
        is_down = not down.isdisjoint({f"{LINK}/{link.id}", f"{SITE}/{link.site_a}", f"{SITE}/{link.site_b}"})
        report = api.LinkReport(
            link=link.id,
            down=is_down,
            delay_us=round(figures[DELAY].mean) if DELAY in figures else None,
            delay_variation_us=round(figures[VARIATION].mean) if VARIATION in figures else None,
            loss_ppb=round(figures[LOSS].mean) if LOSS in figures else None,
        )
        if report != api.LinkReport(link=link.id):
            found.append(report)
    return found


def _figures(figures: Figures) -> Sequence[api.FigureSummary]:
    return [
        api.FigureSummary(
            figure=figure,
            count=each.count,
            mean=each.mean,
            minimum=each.minimum,
            maximum=each.maximum,
            percentile_95=each.percentile(95),
        )
        for figure, each in figures.items()
    ]
