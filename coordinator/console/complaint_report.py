"""The report of complaints: how many, in time or late, how fast and how high, as charts and as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from coordinator.console import rpcs
from coordinator.console.filters import month_choice, month_in, present_month, rows_before
from coordinator.wording.answers import unanswered_line
from coordinator.wording.complaint_charts import GROUPINGS, charts, figures_table, told_grouping, told_regions
from coordinator.wording.complaint_figures import meanings
from gateway.api.coordinator.v1.complaint_oversight_service_pb2 import (
    ComplaintDimension,
    ComplaintGrouping,
    ComplaintTable,
    ReportComplaintsRequest,
    ReportComplaintsResponse,
)
from gateway.time.months import month_before, months_between
from gateway.web.console.lists import PAGE, chosen_word, list_page
from gateway.web.console.pages import Calling, Shown, View, Visit
from gateway.web.console.parts import Choice, Option
from gateway.web.enum_words import numbers_of
from gateway.wording.languages import translated

PATH = "/complaints/report"
_FROM, _TO, _BY = "from", "to", "by"
_YEAR = 12  # months, unless the address says others
_MOST = 100  # rows of a page
_DIMENSIONS = ComplaintDimension.DESCRIPTOR
_Grouping = Sequence[ComplaintDimension.ValueType]


def _groupings() -> Mapping[str, _Grouping]:
    """The groupings of the table: one or two dimensions, by their words with a comma between, as in commands."""
    known = [(word, ComplaintDimension.ValueType(each)) for word, each in numbers_of(_DIMENSIONS).items()]
    found = [chosen for count in (1, 2) for chosen in combinations(known, count)]
    return {",".join(word for word, _ in chosen): [each for _, each in chosen] for chosen in found}


async def _read(visit: Visit, calling: Calling) -> ReportComplaintsResponse:
    rows_before(visit)
    first, last = _months(visit)
    asked = ComplaintGrouping(by=_groupings()[_by(visit)])
    request = ReportComplaintsRequest(from_month=first, to_month=last, groupings=[asked, *GROUPINGS])
    return await calling.ask(rpcs.REPORT_COMPLAINTS, request)


def _months(visit: Visit) -> tuple[str, str]:
    """The first and the last month, whichever was named as which. Raises Refused for a text that is no month."""
    last = month_in(visit, _TO, present_month(visit))
    first = month_in(visit, _FROM, month_before(last, _YEAR - 1))
    return min(first, last), max(first, last)


def _by(visit: Visit) -> str:
    known = list(_groupings())
    return chosen_word(visit, _BY, known) or known[0]


def _show(visit: Visit, report: ReportComplaintsResponse) -> Shown:
    asked, everything, *_ = report.tables
    (first, last), before = _months(visit), rows_before(visit)
    table = figures_table(asked, report)
    if report.unanswered and not report.regions:  # else it would tell of no complaints
        page = list_page(visit, PATH, _choices(visit, report), replace(table, rows=[]), "", notes=_notes(report))
        return page.shown(_title(first, last), PATH)
    whole = replace(figures_table(everything, report), caption=told_regions(report, visit.now))
    page = list_page(
        visit,
        PATH,
        _choices(visit, report),
        replace(table, rows=table.rows[before : before + _MOST]),
        f"{before + _MOST}" if before + _MOST < len(table.rows) else "",
        notes=_notes(report),
        above=[whole],
        figures=charts(report, months_between(first, last)) if _counts(everything) else (),
    )
    page = replace(page, meanings_heading=translated("What the figures mean"), meanings=meanings())
    return page.shown(_title(first, last), PATH)


def _counts(everything: ComplaintTable) -> bool:
    """Whether there are complaints at all: charts of none are empty."""
    return any(row.complaints for row in everything.rows)


def _title(first: str, last: str) -> str:
    return translated("Complaints {first} to {last}", first=first, last=last)


def _notes(report: ReportComplaintsResponse) -> Sequence[str]:
    return list(map(unanswered_line, report.unanswered))


def _choices(visit: Visit, report: ReportComplaintsResponse) -> Sequence[Choice]:
    first, last = _months(visit)
    groupings = [Option(word, told_grouping(by, report)) for word, by in _groupings().items()]
    return [
        month_choice(visit, _FROM, translated("From month"), first),
        month_choice(visit, _TO, translated("To month"), last),
        Choice(_BY, translated("Table"), groupings, _by(visit)),
    ]


VIEW = View.of(PATH, (rpcs.REPORT_COMPLAINTS,), _read, _show, (_FROM, _TO, _BY, PAGE))
