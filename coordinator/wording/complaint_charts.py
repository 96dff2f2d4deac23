"""The report of complaints on a page: its charts and its tables."""

from collections.abc import Sequence
from datetime import datetime

from coordinator.wording import complaint_figures as told_as
from gateway.api.coordinator.v1.complaint_oversight_service_pb2 import (
    ComplaintDimension,
    ComplaintFigures,
    ComplaintGrouping,
    ComplaintTable,
    ReportComplaintsResponse,
)
from gateway.web.charts import Bar, Caption, Chart, Figure, Line, bars, lines
from gateway.web.tables import Cell, Table
from gateway.wording.languages import clauses, enumerated, in_language, translated
from gateway.wording.times import told_time

_REGION = ComplaintDimension.COMPLAINT_DIMENSION_REGION
_MONTH = ComplaintDimension.COMPLAINT_DIMENSION_MONTH
_CATEGORY = ComplaintDimension.COMPLAINT_DIMENSION_CATEGORY
GROUPINGS = (
    ComplaintGrouping(),
    ComplaintGrouping(by=[_REGION]),
    ComplaintGrouping(by=[_MONTH]),
    ComplaintGrouping(by=[_REGION, _MONTH]),
    ComplaintGrouping(by=[_CATEGORY]),
)
"""The groupings of the charts, besides the requested table."""

_MOST_LINES = 6  # more in one chart cannot be told apart
_MOST_CATEGORIES = 12


def charts(report: ReportComplaintsResponse, months: Sequence[str]) -> Sequence[Figure]:
    """The charts of a report. Its tables are the requested one and those of GROUPINGS, in that order."""
    _, everything, by_region, by_month, by_both, by_category = report.tables
    drawn = _lines(by_both, by_month, months, report)
    within = [translated("80 % within"), translated("95 % within")]
    return [
        _figure(
            _in_time("in-time", translated("Resolved in time"), by_region, report),
            translated("The share of those of which it is known, by owner region."),
        ),
        _figure(
            _in_time("in-time-by-month", translated("Resolved in time by month"), by_month, report),
            translated("The share of those of which it is known, by the month in which they were filed."),
        ),
        _figure(
            _by_month(months, drawn),
            translated("By the month in which they were filed."),
            [line.name for line in drawn],
        ),
        _figure(_percentiles(by_region, report), translated("From filing to the resolution, by owner region."), within),
        _figure(_categories(by_category, report), translated("The categories with the most complaints.")),
        _figure(
            _levels(everything.rows[0]),
            translated("How many reached each level; L0 is the desk, L5 the regulator."),
        ),
    ]


def _figure(chart: Chart, caption: str, series: Sequence[str] = ()) -> Figure:
    return Figure(chart, caption, series, heading=chart.caption.title)


def _in_time(key: str, title: str, table: ComplaintTable, report: ReportComplaintsResponse) -> Chart:
    """A bar for each group of one dimension."""
    [name] = (column for column in told_as.dimensions(table.by, report) if column.is_told)
    groups = []
    for row in table.rows:
        share = told_as.share_in_time(row)
        groups.append((name.read(name.of(row)), [Bar(share, told_as.percent(share))]))
    return bars(_caption(key, title, groups), groups, 1.0)


def _percentiles(table: ComplaintTable, report: ReportComplaintsResponse) -> Chart:
    groups, most = [], 0.0
    for row in table.rows:
        values = (told_as.percentile_80(row), told_as.percentile_95(row))
        most = max(most, *(value or 0 for value in values))
        found = [Bar(value, told_as.duration(value), series) for series, value in enumerate(values)]
        groups.append((_region(row.region, report), found))
    return bars(_caption("percentiles", translated("Time to the resolution"), groups), groups, most)


def _categories(table: ComplaintTable, report: ReportComplaintsResponse) -> Chart:
    name = told_as.category_name(report)
    rows = sorted(table.rows, key=lambda row: (-row.complaints, row.category))[:_MOST_CATEGORIES]
    groups = [(name(row.category), [Bar(row.complaints, told_as.plain(row.complaints))]) for row in rows]
    most = max((row.complaints for row in rows), default=0)
    return bars(_caption("categories", translated("What complaints are about"), groups), groups, most)


def _levels(row: ComplaintFigures) -> Chart:
    groups = [(f"L{level}", [Bar(number, told_as.plain(number))]) for level, number in enumerate(row.reached)]
    return bars(_caption("levels", translated("Raised to a level"), groups), groups, max(row.reached, default=0))


def _lines(
    by_both: ComplaintTable, by_month: ComplaintTable, months: Sequence[str], report: ReportComplaintsResponse
) -> list[Line]:
    """A line for each region; above the limit of distinct lines, one line for all."""
    found: dict[str, dict[str, int]] = {}
    for row in by_both.rows:
        found.setdefault(row.region, {})[row.month] = row.complaints
    if not 0 < len(found) <= _MOST_LINES:
        total = {row.month: row.complaints for row in by_month.rows}
        return [Line(translated("all regions"), [total.get(month, 0) for month in months])]
    return [
        Line(_region(region, report), [counts.get(month, 0) for month in months]) for region, counts in found.items()
    ]


def _by_month(months: Sequence[str], drawn: Sequence[Line]) -> Chart:
    said = [
        f"{line.name}: " + enumerated(f"{month} {value}" for month, value in zip(months, line.values, strict=True))
        for line in drawn
    ]
    return lines(Caption("by-month", translated("Complaints by month"), clauses(said)), months, drawn)


def _caption(key: str, title: str, groups: Sequence[tuple[str, Sequence[Bar]]]) -> Caption:
    """A caption that describes the bars in words."""
    said = clauses(f"{name}: {enumerated(bar.told for bar in group)}" for name, group in groups)
    return Caption(key, title, said or translated("no complaints"))


def figures_table(table: ComplaintTable, report: ReportComplaintsResponse) -> Table:
    """All figures of a grouping."""
    titles, rows = told_as.as_rows(table, report)
    names, title = len(table.by), told_grouping(table.by, report)
    return Table(
        label=title,
        caption=title,
        # Long titles have no horizontal room beside several columns of names.
        style="dense" if names > 1 else "",
        is_compared=True,
        head=[Cell(each, "col", "name" if number < names else "") for number, each in enumerate(titles)],
        rows=[
            [
                *(
                    Cell(cell, "row", "whole" if dimension == _MONTH else "")
                    for dimension, cell in zip(table.by, row, strict=False)
                ),
                *(Cell(cell) for cell in row[names:]),
            ]
            for row in rows
        ],
    )


def told_grouping(by: Sequence[ComplaintDimension.ValueType], report: ReportComplaintsResponse) -> str:
    """The dimensions of a table."""
    names = enumerated(each.title() for each in told_as.dimensions(by, report) if each.is_told)
    return translated("By {dimensions}", dimensions=names) if names else translated("All together")


def told_regions(report: ReportComplaintsResponse, now: datetime) -> str:
    """The time of a report, and the regions that answered."""
    regions = enumerated(in_language(each.name) or each.region for each in report.regions) or "–"
    return translated("As of {time}. Regions that answered: {regions}.", time=told_time(now), regions=regions)


def _region(region: str, report: ReportComplaintsResponse) -> str:
    return next((in_language(each.name) for each in report.regions if each.region == region), "") or region
