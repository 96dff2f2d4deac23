"""The page of a link: its alarms, and a chart of its traffic by month."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.api.region.v1.alarm_pb2 import NetworkObject, QualityFigure
from gateway.api.region.v1.alarm_service_pb2 import ListAlarmsRequest, ListAlarmsResponse
from gateway.api.region.v1.fault_service_pb2 import FoundPlace
from gateway.api.region.v1.measurement_service_pb2 import (
    FigureSummary,
    ListQualityRequest,
    ListQualityResponse,
    QualityPeriod,
    QualitySummary,
)
from gateway.errors import Refused
from gateway.time.clock import from_timestamp, to_timestamp
from gateway.web.charts import Caption, Figure, Line, lines
from gateway.web.console.pages import Calling, Shown, View, Visit, unless_refused
from gateway.web.console.parts import severity_cell
from gateway.web.tables import Cell, Table
from gateway.wording.languages import clauses, enumerated, translated
from gateway.wording.times import told_if_set, told_time
from region_node.console import rpcs
from region_node.console.places import names_of, read_places, told_object
from region_node.console.sections import Content, SectionsPage, section
from region_node.console.words import NETWORK, alarm_path, cut_caption
from region_node.network.measurements.causes import cause_of_alarm
from region_node.network.measurements.prospect import prospect, used

_ID = "id"
_YEAR = timedelta(days=365)
_MOST = 50  # alarms
_KBIT = 1000  # in a Mbit


def path_of(link_id: str) -> str:
    """The path of the page of a link."""
    return f"{NETWORK}/links/{link_id}"


@dataclass(frozen=True)
class _Found:
    places: Sequence[FoundPlace] = field(repr=False)
    """The link, with others whose words have its id."""
    alarms: ListAlarmsResponse | Refused = field(repr=False)
    quality: ListQualityResponse = field(repr=False)


async def _read(visit: Visit, calling: Calling) -> _Found:
    link = NetworkObject(link=visit.names[_ID])
    alarms = ListAlarmsRequest(alarmed_object=link, include_cleared=True, page_size=_MOST)
    quality = ListQualityRequest(
        object=link,
        period=QualityPeriod.QUALITY_PERIOD_MONTH,
        start_time=to_timestamp(visit.now - _YEAR),
        end_time=to_timestamp(visit.now),
    )
    # This refuses an unknown link.
    measured = await calling.ask(rpcs.LIST_QUALITY, quality)
    places = await read_places(calling, link.link)
    return _Found(places, await unless_refused(calling.ask(rpcs.LIST_ALARMS, alarms)), measured)


def _show(visit: Visit, found: _Found) -> Shown:
    quality = found.quality
    sections = [
        section(translated("Traffic"), quality, _traffic),
        section(translated("Measurements by month"), quality, lambda each: Content(table=_months(each.summaries))),
        section(translated("Alarms"), found.alarms, lambda each: Content(table=_alarms(visit, each))),
    ]
    title = told_object(NetworkObject(link=visit.names[_ID]), names_of(found.places))
    return SectionsPage(sections).shown(title, NETWORK)


def _traffic(quality: ListQualityResponse) -> Content:
    """The chart of the months against the capacity, with the prospect."""
    months = used(quality)
    if not months:
        return Content()
    carried = [round(kbps / _KBIT) for _, kbps in months]
    places, capacity = [f"{month:%Y-%m}" for month, _ in months], quality.capacity_mbps
    told = clauses(f"{place}: {mbps:,}" for place, mbps in zip(places, carried, strict=True))
    title = translated("Throughput in Mbit/s, which 95 % of the time did not pass")
    names = [translated("throughput"), translated("capacity of the link")]
    drawn = [Line(names[0], carried), Line(names[1], [capacity] * len(carried))]
    chart = lines(Caption("traffic", title, told), places, drawn)
    return Content(figure=Figure(chart, f"{title} · {prospect(months, capacity * _KBIT)}", names))


def _months(summaries: Sequence[QualitySummary]) -> Table:
    return Table(
        label=translated("Measurements by month"),
        head=[
            Cell(translated("Month"), "col"),
            Cell(translated("Delay (ms)"), "col"),
            Cell(translated("Variation (ms)"), "col"),
            Cell(translated("Loss (%)"), "col"),
            Cell(translated("Throughput (Mbit/s)"), "col"),
            Cell(translated("Availability (%)"), "col"),
        ],
        rows=[_month(from_timestamp(each.start_time), each.figures) for each in reversed(summaries)],
        caption=translated("Means. The newest first."),
        is_compared=True,
    )


def _month(start: datetime, figures: Sequence[FigureSummary]) -> Sequence[Cell]:
    known = {each.figure: each.mean for each in figures}

    def told(figure: QualityFigure.ValueType, unit: float, digits: int) -> Cell:
        return Cell(f"{known[figure] / unit:,.{digits}f}" if figure in known else "")

    return [
        Cell(f"{start:%Y-%m}", "row"),
        told(QualityFigure.QUALITY_FIGURE_DELAY, 1_000, 3),
        told(QualityFigure.QUALITY_FIGURE_DELAY_VARIATION, 1_000, 3),
        told(QualityFigure.QUALITY_FIGURE_LOSS, 10_000_000, 5),
        told(QualityFigure.QUALITY_FIGURE_THROUGHPUT, _KBIT, 1),
        told(QualityFigure.QUALITY_FIGURE_AVAILABILITY, 10_000, 3),
    ]


def _alarms(visit: Visit, found: ListAlarmsResponse) -> Table:
    return Table(
        label=translated("Alarms"),
        head=[
            Cell(translated("Alarm"), "col"),
            Cell(translated("Severity"), "col"),
            Cell(translated("Cause"), "col"),
            Cell(translated("Since"), "col"),
            Cell(translated("Until"), "col"),
        ],
        rows=[
            [
                Cell(each.id, "row", href=visit.address(alarm_path(each.id))),
                severity_cell(each.perceived_severity),
                Cell(cause_of_alarm(each.probable_cause), note=enumerated(each.affected_services)),
                Cell(told_time(each.raise_time), style="time"),
                Cell(told_if_set(each.clear_time), style="time"),
            ]
            for each in found.alarms
        ],
        caption=cut_caption(
            translated("The last changed first."), len(found.alarms), has_more=bool(found.next_page_token)
        ),
    )


VIEW = View.of(f"{NETWORK}/links/{{id}}", (rpcs.LIST_QUALITY, rpcs.LIST_ALARMS, rpcs.FIND_PLACES), _read, _show)
