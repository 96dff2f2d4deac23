"""The list of open issues between regions, the first due first, and the number of each region's issues."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coordinator.console import rpcs
from coordinator.console.tables_page import heads
from coordinator.wording.answers import unanswered_lines
from coordinator.wording.issues import told_level, told_owner
from gateway.api.coordinator.v1.issue_service_pb2 import (
    CountIssuesRequest,
    CountIssuesResponse,
    ListIssueHeadersRequest,
    ListIssueHeadersResponse,
)
from gateway.api.federation.v1.body_pb2 import OnDuty
from gateway.api.region.v1.issue_oversight_service_pb2 import IssueHeader
from gateway.api.region.v1.issue_pb2 import IssueState
from gateway.web.console.lists import PAGE
from gateway.web.console.pages import Calling, Shown, View, Visit
from gateway.web.console.parts import due_cell
from gateway.web.console.sorting import Column, Columns, Found, Part
from gateway.web.selecting import SORT
from gateway.web.tables import Cell, Table
from gateway.wording.body import told_duty
from gateway.wording.languages import translated
from gateway.wording.terms import region_name
from gateway.wording.words import value_word

PATH = "/issues"
_MOST = 50  # issues of a page


@dataclass(frozen=True)
class _Found:
    """The answers of which the page is made."""

    issues: Found[ListIssueHeadersResponse]
    counts: CountIssuesResponse


def _request(part: Part) -> ListIssueHeadersRequest:
    return ListIssueHeadersRequest(page_size=part.size, page_token=part.token)


async def _read(visit: Visit, calling: Calling) -> _Found:
    return _Found(
        await _COLUMNS.read(
            visit, _MOST, lambda part: calling.ask(rpcs.LIST_ISSUE_HEADERS, _request(part)), lambda each: each.issues
        ),
        await calling.ask(rpcs.COUNT_ISSUES, CountIssuesRequest()),
    )


def _show(visit: Visit, found: _Found) -> Shown:
    answer = found.issues.answer
    duties = {each.issue_id: each.on_duty for each in answer.duties}
    table, counts = _table(visit, answer.issues, duties), [_counts(found.counts)]
    notes = unanswered_lines([*answer.unanswered, *found.counts.unanswered])
    page = _COLUMNS.page(visit, PATH, (), table, found.issues, notes=notes, above=counts)
    return page.shown(translated("Issues"), PATH)


def _counts(counts: CountIssuesResponse) -> Table:
    return Table(
        label=translated("Issues of the regions"),
        head=heads(
            translated("Region"),
            translated("Open"),
            translated("Overdue"),
            translated("Escalated"),
            translated("Closed"),
        ),
        rows=[
            [
                Cell(region_name(each.region), "row"),
                *(
                    Cell(f"{count:,}", style="figure")
                    for count in (each.counts.open, each.counts.overdue, each.counts.escalated, each.counts.closed)
                ),
            ]
            for each in counts.regions
        ],
    )


def _table(visit: Visit, issues: Sequence[IssueHeader], duties: Mapping[str, OnDuty]) -> Table:
    return Table(
        label=translated("Issues"),
        head=heads(
            translated("Issue"),
            translated("State"),
            translated("Owner region"),
            translated("Due"),
            translated("Open actions"),
            translated("Escalations"),
            translated("Level"),
            translated("To call"),
        ),
        rows=[
            [
                Cell(each.id, "row", "kind"),
                Cell(value_word(IssueState.DESCRIPTOR, each.state), badge="moving"),
                Cell(told_owner(each)),
                due_cell(each.due_time, visit.now),
                Cell(str(each.open_actions), style="figure"),
                Cell(str(each.escalations), style="figure"),
                Cell(told_level(each), badge="late" if told_level(each) else ""),
                Cell(told_duty(duties[each.id]) if each.id in duties else ""),
            ]
            for each in issues
        ],
        order=translated("The first due first."),
    )


_COLUMNS = Columns[IssueHeader](
    "due_time",
    [
        Column("id", lambda each: each.id),
        Column("state", lambda each: each.state),
        Column("owner_region", lambda each: each.owner_region),
        Column("due_time", lambda each: each.due_time),
        Column("open_actions", lambda each: each.open_actions),
        Column("escalations", lambda each: each.escalations),
        None,
        None,
    ],
)
VIEW = View.of(PATH, (rpcs.LIST_ISSUE_HEADERS, rpcs.COUNT_ISSUES), _read, _show, (SORT, PAGE))
