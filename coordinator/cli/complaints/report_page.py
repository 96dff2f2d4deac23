"""The report of complaints as one HTML file."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from coordinator.wording import complaint_figures as told_as
from coordinator.wording.answers import unanswered_line
from coordinator.wording.complaint_charts import charts, figures_table, told_regions
from gateway.api.coordinator.v1.complaint_oversight_service_pb2 import (
    ComplaintDimension,
    ComplaintFigures,
    ReportComplaintsResponse,
)
from gateway.web.charts import Figure
from gateway.web.html_pages import HtmlPages
from gateway.web.tables import Table
from gateway.wording.languages import translated

_REGION = ComplaintDimension.COMPLAINT_DIMENSION_REGION


@dataclass(frozen=True)
class _Report:
    """The texts and figures of `report_page.html.j2`, in its order."""

    when: str
    missing: str
    unanswered: Sequence[str]
    """The regions missing from all figures, listed before the figures."""
    tiles: Sequence[tuple[str, str]]
    charts: Sequence[Figure]
    tables_heading: str
    tables: Sequence[Table]
    meanings_heading: str
    meanings: Sequence[tuple[str, str]]


def page(report: ReportComplaintsResponse, months: Sequence[str], now: datetime, language: str) -> str:
    """The page of a report. Its tables are the requested one and those of GROUPINGS, in that order."""
    asked, everything, by_region, *_ = report.tables
    told = _Report(
        when=told_regions(report, now),
        missing=translated("These regions could not be asked, and are in no figure:"),
        unanswered=[unanswered_line(each) for each in report.unanswered],
        tiles=_tiles(everything.rows[0]),
        charts=charts(report, months),
        tables_heading=translated("Figures"),
        tables=[
            figures_table(each, report) for each in ([asked] if list(asked.by) == [_REGION] else [asked, by_region])
        ],
        meanings_heading=translated("What the figures mean"),
        meanings=told_as.meanings(),
    )
    title = translated("Complaints {first} to {last}", first=months[0], last=months[-1])
    return HtmlPages(Path(__file__).parent).written("report_page.html.j2", title, language, told)


def _tiles(row: ComplaintFigures) -> Sequence[tuple[str, str]]:
    shown = {"complaints", "per_10000_customers", "share_in_time", "share_first_contact", "satisfaction"}
    shown |= {"resolution_80_minutes", "resolution_95_minutes", "reopened"}
    columns = [column for column in told_as.figures() if column.key in shown]
    return [(column.read(column.of(row)), column.title()) for column in columns]
