"""The page of an issue between regions: request, decision, actions, course, and the steps of staff."""

from collections.abc import Iterator
from datetime import timedelta

from gateway.api.region.v1.issue_pb2 import Issue, IssueLinkKind
from gateway.api.region.v1.issue_service_pb2 import (
    GetIssueRequest,
    GetIssueResponse,
    WorkOnIssueRequest,
    WorkOnIssueResponse,
)
from gateway.web.console.entries import Entry, Field, Group, entry, time_of
from gateway.web.console.pages import Calling, Form, Shown, View, Visit
from gateway.web.console.parts import Fact, Option, due_cell
from gateway.web.console.ticket import TicketPage, course, filled, known
from gateway.web.tables import Cell, Table
from gateway.wording.languages import enumerated, headed, translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set
from gateway.wording.words import value_word
from region_node.care.issues import rules
from region_node.care.issues.course import happened, issue_state, level_of
from region_node.care.silences.wording import told_silence
from region_node.console import rpcs
from region_node.console.steps import Steps, with_sent
from region_node.console.words import due_time, issue_state_cell

_TAB = "/issues"
_ID = "id"
_ADD_ACTIONS = "add_actions"
_REGION, _STAFF, _TEXT, _DUE = "region", "staff_id", "text", "due_time"
_WAIT = timedelta(seconds=15)
_NAME = 64  # characters of a staff id, or of a region
_STEPS = Steps(
    fields=[each for each in WorkOnIssueRequest.DESCRIPTOR.oneofs_by_name["step"].fields if each.name != _ADD_ACTIONS],
    titles={
        "note": lambda: translated("Add a note"),
        "take_up": lambda: translated("Begin the work"),
        "decide": lambda: translated("Decide"),
        "add_helper": lambda: translated("Add a helper"),
        "report": lambda: translated("Report on an action"),
        "escalate": lambda: translated("Escalate to the coordination body"),
        "withdraw": lambda: translated("Withdraw"),
        "close": lambda: translated("Close"),
    },
    labels={
        "note": lambda: translated("Text for all regions of the issue"),
        "decide.text": lambda: translated("Decision"),
        "add_helper": lambda: translated("Id of the region"),
        "action": lambda: translated("Number of the action"),
        "text": lambda: translated("Text"),
        "finished": lambda: translated("The action is finished"),
        "escalate": lambda: translated("Reason"),
        "withdraw": lambda: translated("Reason"),
    },
    lines={"add_helper": _NAME},
    longest=rules.TEXT_LIMIT,
)


def path_of(issue_id: str) -> str:
    """The path of the page of an issue."""
    return f"{_TAB}/{issue_id}"


async def _read(visit: Visit, calling: Calling) -> GetIssueResponse:
    return await calling.ask(rpcs.GET_ISSUE, GetIssueRequest(issue_id=visit.names[_ID]))


def _show(visit: Visit, found: GetIssueResponse) -> Shown:
    issue = found.issue
    offered = with_sent(visit, rules.steps_of(issue, visit.person.region), rules.STATES_OF_STEPS)
    steps = [_action_form(visit, issue) if each == _ADD_ACTIONS else _STEPS.entry(visit, each) for each in offered]
    page = TicketPage(
        state=issue_state_cell(issue),
        due=due_cell(due_time(rules.next_due(issue)), visit.now),
        about=f"{issue.request.subject} · {region_name(issue.owner_region)}",
        texts=known(
            [Fact(translated("Text"), issue.request.description), Fact(translated("Decision"), issue.decision)]
        ),
        facts_heading=translated("Issue"),
        facts=known(_facts(issue)),
        tables=filled([_actions(visit, issue)]),
        course_heading=translated("Course"),
        course=course(happened(issue)),
        groups=[Group(translated("Work on the issue"), steps)] if steps else (),
        warnings=[told_silence(issue.silence)] if issue.HasField("silence") else (),
    )
    return page.shown(issue.id, _TAB)


def _facts(issue: Issue) -> Iterator[Fact]:
    request = issue.request
    yield Fact(translated("To be decided by"), told_if_set(request.due_time))
    yield Fact(translated("Owner region"), region_name(issue.owner_region))
    yield Fact(translated("Opened in"), region_name(issue.origin_region))
    yield Fact(translated("Submitted by"), issue.operator)
    yield Fact(translated("Opened"), told_if_set(issue.create_time))
    yield Fact(translated("Helpers"), enumerated(map(region_name, issue.helper_regions)))
    yield Fact(translated("Level"), level_of(issue))
    links = [f"{value_word(IssueLinkKind.DESCRIPTOR, each.kind)} {each.id}" for each in request.links]
    yield Fact(translated("About"), enumerated(links))


def _actions(visit: Visit, issue: Issue) -> Table:
    head = [
        Cell(translated("Action"), "col"),
        Cell(translated("Due"), "col"),
        Cell(translated("Region"), "col"),
        Cell(translated("In charge"), "col"),
        Cell(translated("Report"), "col"),
    ]
    rows = [
        [
            Cell(headed(str(each.number), each.text), "row"),
            Cell(translated("finished"), badge="done", note=told_if_set(each.finish_time))
            if each.HasField("finish_time")
            else due_cell(each.due_time, visit.now),
            Cell(region_name(each.region)),
            Cell(each.staff_id),
            Cell(each.report, note=each.reporter),
        ]
        for each in issue.actions
    ]
    return Table(label=translated("Actions"), head=head, rows=rows)


def _action_form(visit: Visit, issue: Issue) -> Entry:
    """One action more; the command takes several."""
    regions = [Option(each, region_name(each)) for each in rules.parties(issue)]
    fields = [
        Field(_REGION, "choice", translated("Region"), options=regions),
        Field(_STAFF, "line", translated("Staff id in charge"), longest=_NAME),
        Field(_DUE, "time", translated("Due")),
        Field(_TEXT, "text", translated("Text"), longest=rules.TEXT_LIMIT),
    ]
    return entry(visit, _ADD_ACTIONS, translated("Add an action"), translated("Send"), fields)


def _adding(visit: Visit) -> WorkOnIssueRequest:
    request, form = _working(visit), visit.form
    request.add_actions.actions.add(
        region=form.text(_REGION),
        staff_id=form.text(_STAFF),
        text=form.text(_TEXT),
        due_time=time_of(visit, _DUE),
    )
    return request


def _working(visit: Visit) -> WorkOnIssueRequest:
    request = WorkOnIssueRequest(request_id=visit.request_id, issue_id=visit.names[_ID])
    request.wait.FromTimedelta(_WAIT)  # only where another region owns the issue
    return request


def _done(visit: Visit, answer: WorkOnIssueResponse) -> str:
    owner, state = answer.issue.owner_region, issue_state(answer.issue.state)
    if owner != visit.person.region:  # which may not have answered yet
        return translated("Passed on to {region}. The issue is now: {state}.", region=region_name(owner), state=state)
    return translated("Done. The issue is now: {state}.", state=state)


VIEW = View.of(
    "/issues/{id:.+}",
    (rpcs.GET_ISSUE,),
    _read,
    _show,
    forms=(
        *_STEPS.forms(rpcs.WORK_ON_ISSUE, _working, _done),
        Form.of(_ADD_ACTIONS, rpcs.WORK_ON_ISSUE, _adding, _done, (_REGION, _STAFF, _DUE, _TEXT)),
    ),
)
