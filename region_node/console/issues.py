"""The list of issues between regions, with its filters in the address."""

from collections.abc import Sequence

from gateway.api.region.v1.issue_pb2 import Issue, IssueState
from gateway.api.region.v1.issue_service_pb2 import ListIssuesRequest, ListIssuesResponse
from gateway.web.console.lists import PAGE, chosen_of, chosen_value, chosen_word, values
from gateway.web.console.pages import Calling, Shown, View, Visit
from gateway.web.console.parts import Option, due_cell
from gateway.web.console.sorting import Column, Columns, Found, Part
from gateway.web.selecting import SORT
from gateway.web.tables import Cell, Table
from gateway.wording.languages import translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set
from region_node.care.issues import rules
from region_node.care.issues.course import issue_state
from region_node.care.silences.wording import told_owner
from region_node.console import issue, rpcs
from region_node.console.words import due_time, issue_state_cell

PATH = "/issues"
_STATE, _ONLY, _OVERDUE = "state", "only", "overdue"
_MOST = 50  # issues of a page


def _request(visit: Visit, part: Part) -> ListIssuesRequest:
    request = ListIssuesRequest(
        overdue=bool(chosen_word(visit, _ONLY, (_OVERDUE,))), page_size=part.size, page_token=part.token
    )
    if state := chosen_value(visit, _STATE, IssueState.DESCRIPTOR):
        request.states.append(IssueState.ValueType(state))
    return request


async def _read(visit: Visit, calling: Calling) -> Found[ListIssuesResponse]:
    return await _COLUMNS.read(
        visit, _MOST, lambda part: calling.ask(rpcs.LIST_ISSUES, _request(visit, part)), lambda each: each.issues
    )


def _show(visit: Visit, found: Found[ListIssuesResponse]) -> Shown:
    states = values(IssueState.DESCRIPTOR, lambda each: issue_state(IssueState.ValueType(each)))
    choices = [
        chosen_of(visit, _STATE, translated("State"), states),
        chosen_of(visit, _ONLY, translated("Only"), [Option(_OVERDUE, translated("overdue"))]),
    ]
    page = _COLUMNS.page(visit, PATH, choices, _table(visit, found.answer.issues), found)
    return page.shown(translated("Issues"), PATH)


def _table(visit: Visit, issues: Sequence[Issue]) -> Table:
    return Table(
        label=translated("Issues"),
        head=[
            Cell(translated("Issue"), "col"),
            Cell(translated("State"), "col"),
            Cell(translated("Due"), "col"),
            Cell(translated("Opened in"), "col"),
            Cell(translated("Owner region"), "col"),
            Cell(translated("Open actions"), "col"),
            Cell(translated("Opened"), "col"),
        ],
        rows=[
            [
                Cell(each.id, "row", href=visit.address(issue.path_of(each.id)), note=each.request.subject),
                issue_state_cell(each),
                due_cell(due_time(rules.next_due(each)), visit.now),
                Cell(region_name(each.origin_region)),
                Cell(told_owner(each.owner_region, is_silent=each.HasField("silence"))),
                Cell(str(len(rules.open_actions(each))), style="figure"),
                Cell(told_if_set(each.create_time), style="time"),
            ]
            for each in issues
        ],
        order=translated("The newest first."),
    )


_COLUMNS = Columns[Issue](
    "-create_time",
    [
        Column("id", lambda each: each.id),
        Column("state", lambda each: each.state),
        Column("due_time", lambda each: due_time(rules.next_due(each))),
        Column("origin_region", lambda each: each.origin_region),
        Column("owner_region", lambda each: each.owner_region),
        Column("open_actions", lambda each: len(rules.open_actions(each))),
        Column("create_time", lambda each: each.create_time),
    ],
)
VIEW = View.of(PATH, (rpcs.LIST_ISSUES,), _read, _show, (_STATE, _ONLY, SORT, PAGE))
