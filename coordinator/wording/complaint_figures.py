"""The figures of a report: the name of each, its formula, and its printed form. Pure.

One list of columns serves the table, CSV, JSON and the page.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.api.coordinator.v1.complaint_oversight_service_pb2 import (
    ComplaintDimension,
    ComplaintFigures,
    ComplaintTable,
    ReportComplaintsResponse,
)
from gateway.errors import reason_name
from gateway.values.plain_text import spreadsheet_row
from gateway.wording.languages import in_language, translated

Value = int | float | str | None
"""A figure; None where it cannot be computed."""

_PER = 10_000  # customers
_DIGITS = 4  # of a share, for programs
_HIGHEST = 5
_ESCALATED = 2  # from this level on a complaint has left the department
_MINUTES_OF_HOURS, _MINUTES_OF_DAYS = 120, 3 * 24 * 60  # from these minutes on, people read hours, and days


@dataclass(frozen=True)
class Column:
    """A figure of a group."""

    key: str
    """Its name for programs."""
    title: Callable[[], str]
    """Its name for people, in the language of the command."""
    of: Callable[[ComplaintFigures], Value]
    read: Callable[[Value], str]
    """The figure as people read it."""
    is_told: bool = True
    """Whether the table for people has the column; programs receive all."""


def plain(value: Value) -> str:
    """A number or a text as written; a dash for None."""
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def decimal(value: Value) -> str:
    """A number with two digits behind the point."""
    return "–" if value is None else f"{float(value):,.2f}"


def percent(value: Value) -> str:
    """A share of one as a percentage."""
    return "–" if value is None else f"{float(value):.1%}"


def duration(value: Value) -> str:
    """Minutes, as minutes, hours or days."""
    if value is None:
        return "–"
    minutes = float(value)
    if minutes < _MINUTES_OF_HOURS:
        return translated("{number} min", number=f"{minutes:.0f}")
    if minutes < _MINUTES_OF_DAYS:
        return translated("{number} h", number=f"{minutes / 60:.1f}")
    return translated("{number} d", number=f"{minutes / 60 / 24:.1f}")


def share_in_time(row: ComplaintFigures) -> float | None:
    """The share resolved in time, among complaints with a known outcome."""
    return _share(row.in_time, row.timed)


def satisfaction(row: ComplaintFigures) -> float | None:
    """The mean of the customers' ratings, 1 to 5."""
    return _share(row.rating_sum, row.ratings)


def per_customers(row: ComplaintFigures) -> float | None:
    """The number of complaints per 10,000 customers."""
    return _share(row.complaints * _PER, row.customers)


def percentile_80(row: ComplaintFigures) -> int | None:
    """The 80th percentile of the resolution time, in minutes."""
    return row.resolution_80 if row.resolved else None


def percentile_95(row: ComplaintFigures) -> int | None:
    """The 95th percentile of the resolution time, in minutes."""
    return row.resolution_95 if row.resolved else None


def figures() -> Sequence[Column]:
    """The figures, in the order of columns."""
    return [
        Column("complaints", lambda: translated("complaints"), lambda row: row.complaints, plain),
        Column("customers", str, lambda row: row.customers, plain, is_told=False),
        Column("per_10000_customers", lambda: translated("per 10,000 customers"), per_customers, decimal),
        Column("timed", str, lambda row: row.timed, plain, is_told=False),
        Column("in_time", str, lambda row: row.in_time, plain, is_told=False),
        Column("share_in_time", lambda: translated("in time"), share_in_time, percent),
        Column("resolved", lambda: translated("complaints resolved"), lambda row: row.resolved, plain),
        Column("resolution_80_minutes", lambda: translated("80 % within"), percentile_80, duration),
        Column("resolution_95_minutes", lambda: translated("95 % within"), percentile_95, duration),
        Column("first_contact", str, lambda row: row.first_contact, plain, is_told=False),
        Column(
            "share_first_contact",
            lambda: translated("at first contact"),
            lambda row: _share(row.first_contact, row.resolved),
            percent,
        ),
        Column("repeats", lambda: translated("repeats"), lambda row: row.repeats, plain),
        Column("reopened", lambda: translated("reopened"), lambda row: row.reopened, plain),
        *(_reached(level) for level in range(1, _HIGHEST + 1)),
        Column("satisfaction", lambda: translated("satisfaction"), satisfaction, decimal),
        Column("ratings", lambda: translated("who said so"), lambda row: row.ratings, plain),
    ]


def dimensions(by: Sequence[ComplaintDimension.ValueType], report: ReportComplaintsResponse) -> Sequence[Column]:
    """The name columns of a group, by the dimensions of its table: codes for programs, names for people."""
    regions = {each.region: in_language(each.name) for each in report.regions}
    departments = {row.department.en: in_language(row.department) for table in report.tables for row in table.rows}
    known = {
        ComplaintDimension.COMPLAINT_DIMENSION_REGION: [
            Column("region", lambda: translated("region"), lambda row: row.region, _named(regions))
        ],
        ComplaintDimension.COMPLAINT_DIMENSION_DEPARTMENT: [
            Column("department", lambda: translated("department"), lambda row: row.department.en, _named(departments)),
            Column("department_zh", str, lambda row: row.department.zh_cn, plain, is_told=False),
        ],
        ComplaintDimension.COMPLAINT_DIMENSION_CATEGORY: [
            Column("category", lambda: translated("category"), lambda row: row.category, category_name(report))
        ],
        ComplaintDimension.COMPLAINT_DIMENSION_MONTH: [
            Column("month", lambda: translated("month"), lambda row: row.month, _named({}))
        ],
    }
    return [column for each in by for column in known[each]]


def category_name(report: ReportComplaintsResponse) -> Callable[[Value], str]:
    """Maps a category's code to its name; an unclassified one has its own text."""
    names = {each.code: in_language(each.name) for each in report.categories}
    return lambda value: names.get(str(value)) or str(value) or translated("not classified")


def _named(names: Mapping[str, str]) -> Callable[[Value], str]:
    """Reads a code as its name."""
    return lambda value: names.get(str(value)) or str(value) or translated("(none)")


def as_json(report: ReportComplaintsResponse, months: Sequence[str]) -> str:
    """The first table of a report for programs; figures that cannot be computed are null."""
    table = report.tables[0]
    columns = [*dimensions(table.by, report), *figures()]
    told = {
        "from": months[0],
        "to": months[-1],
        "by": [ComplaintDimension.Name(each).removeprefix("COMPLAINT_DIMENSION_").lower() for each in table.by],
        "rows": [{column.key: _rounded(column.of(row)) for column in columns} for row in table.rows],
        "regions": [
            {"region": each.region, "zh_cn": each.name.zh_cn, "en": each.name.en, "customers": each.customers}
            for each in report.regions
        ],
        "unanswered": [{"region": each.region, "reason": reason_name(each.reason)} for each in report.unanswered],
    }
    return json.dumps(told, ensure_ascii=False, indent=2) + "\n"


def as_csv(report: ReportComplaintsResponse) -> str:
    """The first table of a report as CSV, with the names of JSON in its header. Undefined figures are empty."""
    table = report.tables[0]
    columns = [*dimensions(table.by, report), *figures()]
    told = io.StringIO()
    writer = csv.writer(told, lineterminator="\n")
    writer.writerow(spreadsheet_row(column.key for column in columns))
    for row in table.rows:
        values = (_rounded(column.of(row)) for column in columns)
        writer.writerow(spreadsheet_row("" if value is None else value for value in values))
    return told.getvalue()


def as_rows(table: ComplaintTable, report: ReportComplaintsResponse) -> tuple[list[str], list[list[str]]]:
    """A table for people: its titles and its rows."""
    columns = [column for column in (*dimensions(table.by, report), *figures()) if column.is_told]
    return (
        [column.title() for column in columns],
        [[column.read(column.of(row)) for column in columns] for row in table.rows],
    )


def _reached(level: int) -> Column:
    return Column(
        f"reached_level_{level}",
        lambda: f"L{level}",
        lambda row: row.reached[level] if level < len(row.reached) else 0,
        plain,
        is_told=level >= _ESCALATED,
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _rounded(value: Value) -> Value:
    return round(value, _DIGITS) if isinstance(value, float) else value


def meanings() -> Sequence[tuple[str, str]]:
    """The meaning of each figure, for people."""
    return [
        (
            translated("complaints"),
            translated("Counted by the month of filing, at the region and department that are responsible."),
        ),
        (
            translated("per 10,000 customers"),
            translated(
                "All complaints of the time asked about, for the customers that the regions have now. Without a value"
                " where complaints of a region that has left are among them: its customers are unknown."
            ),
        ),
        (
            translated("in time"),
            translated(
                "Resolved by their deadlines, of those that are resolved or past them. What was withdrawn is left out."
            ),
        ),
        (
            translated("80 % within"),
            translated(
                "The nearest-rank percentile of the time from filing to the resolution that stands, nights, weekends"
                " and waiting for the customer included (ETSI EG 202 057-1)."
            ),
        ),
        (
            translated("at first contact"),
            translated("Resolved without the customer being asked, asking for haste or refusing a resolution."),
        ),
        (
            translated("repeats"),
            translated("Of the same number and category as another complaint of the 30 days before."),
        ),
        (
            translated("reopened"),
            translated("The customer refused a resolution at least once."),
        ),
        (
            translated("satisfaction"),
            translated("The mean of what customers said when they accepted, 1 to 5."),
        ),
    ]
