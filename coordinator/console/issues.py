"""The list of open issues between regions, the first due first, and the number of each region's issues."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coordinator.console import rpcs
from coordinator.console.tables_page import heads
from coordinator.wording.answers import unanswered_line
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
from gateway.web.console.lists import PAGE, list_page
from gateway.web.console.pages import Calling, Shown, View, Visit
from gateway.web.console.parts import due_cell
from gateway.web.tables import Cell, Table
from gateway.wording.body import told_duty
from gateway.wording.languages import translated
from gateway.wording.terms import region_name
from gateway.wording.words import word

PATH = "/issues"
_MOST = 50  # issues of a page


@dataclass(frozen=True)
class _Found:
    """The answers of which the page is made."""

    issues: ListIssueHeadersResponse
    counts: CountIssuesResponse


async def _read(visit: Visit, calling: Calling) -> _Found:
    request = ListIssueHeadersRequest(page_size=_MOST, page_token=visit.query.text(PAGE))
    return _Found(
        await calling.ask(rpcs.LIST_ISSUE_HEADERS, request),
        await calling.ask(rpcs.COUNT_ISSUES, CountIssuesRequest()),
    )


def _show(visit: Visit, found: _Found) -> Shown:
    answer = found.issues
    duties = {each.issue_id: each.on_duty for each in answer.duties}
    unanswered = {each.region: each for each in (*answer.unanswered, *found.counts.unanswered)}
    page = list_page(
        visit,
        PATH,
        (),
        _table(visit, answer.issues, duties),
        answer.next_page_token,
        notes=list(map(unanswered_line, unanswered.values())),
        above=[_counts(found.counts)],
    )
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
                Cell(each.id, "row"),
                Cell(word(IssueState.Name(each.state), "ISSUE_STATE_"), badge="moving"),
                Cell(told_owner(each)),
                due_cell(each.due_time, visit.now),
                Cell(str(each.open_actions), style="figure"),
                Cell(str(each.escalations), style="figure"),
                Cell(told_level(each), badge="late" if told_level(each) else ""),
                Cell(told_duty(duties[each.id]) if each.id in duties else ""),
            ]
            for each in issues
        ],
        caption=translated("The first due first."),
    )


VIEW = View.of(PATH, (rpcs.LIST_ISSUE_HEADERS, rpcs.COUNT_ISSUES), _read, _show, (PAGE,))
