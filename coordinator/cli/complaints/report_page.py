"""The report of complaints as one HTML file."""

from collections.abc import Sequence
from datetime import datetime
from xml.etree.ElementTree import Element, SubElement

from coordinator.cli.complaints import report_figures as told_as
from coordinator.cli.complaints.report_charts import Bar, Caption, Line, bars, lines
from coordinator.cli.output import unanswered_line
from coordinator.cli.page_frame import add, frame, written
from gateway.api.coordinator.v1.complaint_oversight_service_pb2 import (
    ComplaintDimension,
    ComplaintFigures,
    ComplaintGrouping,
    ComplaintTable,
    ReportComplaintsResponse,
)
from gateway.languages import in_language, translated
from gateway.times import told_time

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
"""What the charts need, besides the table that was asked for."""

_MOST_LINES = 6  # more in one chart cannot be told apart
_MOST_CATEGORIES = 12


def page(report: ReportComplaintsResponse, months: Sequence[str], now: datetime, language: str) -> str:
    """The page of a report whose tables are the one that was asked for and those of GROUPINGS, in that order."""
    asked, everything, by_region, by_month, by_both, by_category = report.tables
    html, body = frame(translated("Complaints {first} to {last}", first=months[0], last=months[-1]), language)
    when = translated("As of {time}. Regions that answered: {regions}.", time=told_time(now), regions=_regions(report))
    add(body, "p", when, {"class": "soft"})
    if report.unanswered:
        _missing(body, report)
    _tiles(body, everything.rows[0])
    add(body, "h2", translated("Resolved in time"))
    _figure(
        body, _in_time(by_region, report), translated("The share of those of which it is known, by responsible region.")
    )
    add(body, "h2", translated("Complaints by month"))
    drawn = _lines(by_both, by_month, months, report)
    chart = _by_month(months, drawn)
    _figure(body, chart, translated("By the month in which they were filed."), [line.name for line in drawn])
    add(body, "h2", translated("Time to the resolution"))
    within = [translated("80 % within"), translated("95 % within")]
    _figure(
        body,
        _percentiles(by_region, report),
        translated("From filing to the resolution, by responsible region."),
        within,
    )
    add(body, "h2", translated("What complaints are about"))
    _figure(body, _categories(by_category, report), translated("The categories with the most complaints."))
    add(body, "h2", translated("Raised to a level"))
    _figure(
        body, _levels(everything.rows[0]), translated("How many reached each level; L0 is the desk, L5 the regulator.")
    )
    add(body, "h2", translated("Figures"))
    _table(body, asked, report)
    if list(asked.by) != [_REGION]:
        _table(body, by_region, report)
    _explain(body)
    return written(html)


def _missing(body: Element, report: ReportComplaintsResponse) -> None:
    """Regions that are in no figure are told before all figures."""
    box = SubElement(body, "section", {"class": "missing", "role": "note"})
    add(box, "p", translated("These regions could not be asked, and are in no figure:"))
    told = SubElement(box, "ul")
    for each in report.unanswered:
        add(told, "li", unanswered_line(each))


def _tiles(body: Element, row: ComplaintFigures) -> None:
    shown = {"complaints", "per_10000_customers", "share_in_time", "share_first_contact", "satisfaction"}
    shown |= {"resolution_80_minutes", "resolution_95_minutes", "reopened"}
    tiles = SubElement(body, "ul", {"class": "tiles"})
    for column in told_as.figures():
        if column.key in shown:
            tile = SubElement(tiles, "li")
            add(tile, "b", column.read(column.of(row)))
            add(tile, "span", column.title(), {"class": "soft"})


def _in_time(table: ComplaintTable, report: ReportComplaintsResponse) -> Element:
    groups = []
    for row in table.rows:
        share = told_as.share_in_time(row)
        groups.append((_region(row.region, report), [Bar(share, told_as.percent(share))]))
    return bars(_caption("in-time", translated("Resolved in time"), groups), groups, 1.0)


def _percentiles(table: ComplaintTable, report: ReportComplaintsResponse) -> Element:
    groups, most = [], 0.0
    for row in table.rows:
        values = (told_as.percentile_80(row), told_as.percentile_95(row))
        most = max(most, *(value or 0 for value in values))
        found = [Bar(value, told_as.duration(value), series) for series, value in enumerate(values)]
        groups.append((_region(row.region, report), found))
    return bars(_caption("percentiles", translated("Time to the resolution"), groups), groups, most)


def _categories(table: ComplaintTable, report: ReportComplaintsResponse) -> Element:
    name = told_as.category_name(report)
    rows = sorted(table.rows, key=lambda row: (-row.complaints, row.category))[:_MOST_CATEGORIES]
    groups = [(name(row.category), [Bar(row.complaints, told_as.plain(row.complaints))]) for row in rows]
    most = max((row.complaints for row in rows), default=0)
    return bars(_caption("categories", translated("What complaints are about"), groups), groups, most)


def _levels(row: ComplaintFigures) -> Element:
    groups = [(f"L{level}", [Bar(number, told_as.plain(number))]) for level, number in enumerate(row.reached)]
    return bars(_caption("levels", translated("Raised to a level"), groups), groups, max(row.reached, default=0))


def _lines(
    by_both: ComplaintTable, by_month: ComplaintTable, months: Sequence[str], report: ReportComplaintsResponse
) -> list[Line]:
    """One line for each region; where there are more than can be told apart, one for all."""
    found: dict[str, dict[str, int]] = {}
    for row in by_both.rows:
        found.setdefault(row.region, {})[row.month] = row.complaints
    if not 0 < len(found) <= _MOST_LINES:
        total = {row.month: row.complaints for row in by_month.rows}
        return [Line(translated("all regions"), [total.get(month, 0) for month in months])]
    return [
        Line(_region(region, report), [counts.get(month, 0) for month in months]) for region, counts in found.items()
    ]


def _by_month(months: Sequence[str], drawn: Sequence[Line]) -> Element:
    said = [
        f"{line.name}: " + ", ".join(f"{month} {value}" for month, value in zip(months, line.values, strict=True))
        for line in drawn
    ]
    return lines(Caption("by-month", translated("Complaints by month"), "; ".join(said)), months, drawn)


def _caption(key: str, title: str, groups: Sequence[tuple[str, Sequence[Bar]]]) -> Caption:
    """What bars show, in words."""
    said = "; ".join(f"{name}: {', '.join(bar.told for bar in group)}" for name, group in groups)
    return Caption(key, title, said or translated("no complaints"))


def _figure(body: Element, chart: Element, caption: str, names: Sequence[str] = ()) -> None:
    """A chart with its caption, and with the colours of its lines or bars where there are several."""
    figure = SubElement(body, "figure")
    figure.append(chart)
    if names:
        key = SubElement(figure, "ul", {"class": "key"})
        for series, name in enumerate(names):
            entry = SubElement(key, "li")
            patch = SubElement(entry, "svg", {"viewBox": "0 0 12 12", "aria-hidden": "true"})
            SubElement(patch, "rect", {"width": "12", "height": "12", "rx": "2", "class": f"series-{series}"})
            patch.tail = name
    add(figure, "figcaption", caption)


def _table(body: Element, table: ComplaintTable, report: ReportComplaintsResponse) -> None:
    titles, rows = told_as.as_rows(table, report)
    names = len(table.by)
    title = translated("By {dimensions}", dimensions=", ".join(titles[:names])) if names else translated("All together")
    holder = SubElement(body, "div", {"class": "scroll", "tabindex": "0", "role": "region", "aria-label": title})
    # Beside several columns of names there is no room for titles that lie flat, where words are long.
    told = SubElement(holder, "table", {"class": "dense"} if names > 1 else {})
    add(told, "caption", title)
    head = SubElement(SubElement(told, "thead"), "tr")
    for number, each in enumerate(titles):
        add(head, "th", each, {"scope": "col", **({"class": "name"} if number < names else {})})
    rest = SubElement(told, "tbody")
    for row in rows:
        line = SubElement(rest, "tr")
        for dimension, cell in zip(table.by, row, strict=False):
            add(line, "th", cell, {"scope": "row", **({"class": "whole"} if dimension == _MONTH else {})})
        for cell in row[names:]:
            add(line, "td", cell)


def _explain(body: Element) -> None:
    """What each figure means."""
    add(body, "h2", translated("What the figures mean"))
    told = SubElement(body, "dl")
    for name, meaning in told_as.meanings():
        add(told, "dt", name)
        add(told, "dd", meaning)


def _regions(report: ReportComplaintsResponse) -> str:
    return ", ".join(in_language(each.name) or each.region for each in report.regions) or "–"


def _region(region: str, report: ReportComplaintsResponse) -> str:
    return next((in_language(each.name) for each in report.regions if each.region == region), "") or region
