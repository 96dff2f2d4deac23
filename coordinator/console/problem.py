"""The page of a problem of the network: its cause, its evidence, whom it affects, and the reports of an accident."""

import asyncio
from collections.abc import Iterator, Sequence

from coordinator.console import rpcs
from coordinator.console.registry import network_of
from coordinator.console.tables_page import heads
from coordinator.console.words import problem_state_cell
from coordinator.problems.rules import complaints, customers
from coordinator.wording.elements import SERVICE, names_in, told_elements
from coordinator.wording.problems import (
    grade_of,
    next_report,
    steps,
    told_affected,
    told_evidence,
    told_grade,
    told_gravity,
    told_kind,
    told_places,
    told_report,
    why_no_accident,
)
from gateway.api.coordinator.v1.problem_service_pb2 import (
    AccidentReport,
    AffectedCount,
    GetProblemRequest,
    GetProblemResponse,
    NetworkEvent,
    RecordReportRequest,
    RecordReportResponse,
    ReportKind,
)
from gateway.api.federation.v1.network_pb2 import Network
from gateway.cli.problems import Names
from gateway.web.console.entries import Entry, Field, entry
from gateway.web.console.pages import Calling, Form, Shown, View, Visit
from gateway.web.console.parts import Event, Fact, Option, due_cell
from gateway.web.console.ticket import TicketPage, filled, known
from gateway.web.enum_words import number_of, told_word
from gateway.web.tables import Cell, Table
from gateway.wording.languages import enumerated, translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set, told_time
from gateway.wording.words import told_severity

_TAB = "/problems"
_ID, _KIND, _REPORT = "id", "kind", "report-made"


def path_of(problem_id: str) -> str:
    """The path of the page of a problem."""
    return f"{_TAB}/{problem_id}"


async def _read(visit: Visit, calling: Calling) -> tuple[GetProblemResponse, Network]:
    asked = calling.ask(rpcs.GET_PROBLEM, GetProblemRequest(problem_id=visit.names[_ID]))
    return await asyncio.gather(asked, network_of(calling))


def _show(visit: Visit, read: tuple[GetProblemResponse, Network]) -> Shown:
    found, network = read
    problem, names = found.problem, names_in(network)
    report = next_report(problem)
    page = TicketPage(
        state=problem_state_cell(problem.header),
        due=Cell("") if report is None else due_cell(report.due_time, visit.now),
        about=why_no_accident(problem) or translated("Grade: {grade}", grade=grade_of(problem)),
        texts=(),
        facts_heading=translated("Problem"),
        facts=known(_facts(visit, found, names)),
        tables=filled([_evidence(found, names), _affected(problem.affected), _reports(visit, problem.reports)]),
        course_heading=translated("Course"),
        course=[Event(told_time(time), what, "") for time, what in sorted(steps(problem, found.events))],
        entries=list(_entries(visit, problem.reports)),
    )
    return page.shown(problem.header.id, _TAB)


def _facts(visit: Visit, found: GetProblemResponse, names: Names) -> Iterator[Fact]:
    header = found.problem.header
    yield Fact(translated("Cause"), told_evidence(header, names))
    yield Fact(translated("Severity"), told_severity(header.severity))
    yield Fact(translated("Regions"), enumerated(map(region_name, header.regions)))
    yield Fact(translated("Services"), told_elements(SERVICE, header.services, names))
    counted = customers(found.problem) if found.problem.affected else None
    yield Fact(translated("Affected"), told_affected(counted, complaints(found.problem)))
    yield Fact(translated("Began"), told_if_set(header.start_time))
    yield Fact(translated("Ended"), told_if_set(header.end_time))
    if header.merged_into_id:
        merged = header.merged_into_id
        yield Fact(translated("Part of"), merged, visit.address(path_of(merged)))


def _evidence(found: GetProblemResponse, names: Names) -> Table:
    """The alarms and faults, the one that reports the root cause first."""
    parent = found.problem.header.parent_id
    return Table(
        label=translated("Alarms and faults"),
        head=heads(translated("Event"), translated("Severity"), translated("Places"), translated("Began and ended")),
        rows=[_event(each, parent, names) for each in sorted(found.events, key=lambda each: each.id != parent)],
    )


def _event(event: NetworkEvent, parent: str, names: Names) -> Sequence[Cell]:
    ended = translated("withdrawn") if event.retracted else told_if_set(event.clear_time)
    return [
        Cell(event.id, "row", note=translated("reports the cause") if event.id == parent else told_kind(event)),
        Cell(told_gravity(event)),
        Cell(told_places(event, names)),
        Cell(told_if_set(event.raise_time), style="time", note=ended),
    ]


def _affected(counts: Sequence[AffectedCount]) -> Table:
    return Table(
        label=translated("Affected"),
        head=heads(translated("Region"), translated("Customers"), translated("Complaints"), translated("Counted")),
        rows=[
            [
                Cell(region_name(each.region), "row"),
                Cell(f"{each.customers:,}", style="figure"),
                Cell(f"{each.complaints:,}", style="figure"),
                Cell(told_if_set(each.count_time), style="time"),
            ]
            for each in counts
        ],
    )


def _reports(visit: Visit, reports: Sequence[AccidentReport]) -> Table:
    return Table(
        label=translated("Reports to the authority"),
        head=heads(
            translated("Report"),
            translated("Grade"),
            translated("Due"),
            translated("Made"),
            translated("Administrator"),
        ),
        rows=[
            [
                Cell(told_report(each), "row"),
                Cell(told_grade(each.grade)),
                Cell(told_if_set(each.due_time)) if each.HasField("make_time") else due_cell(each.due_time, visit.now),
                Cell(told_if_set(each.make_time), style="time"),
                Cell(each.administrator),
            ]
            for each in reports
        ],
    )


def _entries(visit: Visit, reports: Sequence[AccidentReport]) -> Iterator[Entry]:
    """The form of a report that was made, while one is left."""
    kinds = ReportKind.DESCRIPTOR
    left = [
        Option(told_word(kinds, each.kind), told_report(each)) for each in reports if not each.HasField("make_time")
    ]
    if left:
        title = translated("A report was made")
        fields = [Field(_KIND, "choice", translated("Report"), options=left)]
        yield entry(visit, _REPORT, title, translated("Note it, now and in my name"), fields)


def _made(visit: Visit) -> RecordReportRequest:
    kind = number_of(ReportKind.DESCRIPTOR, visit.form.text(_KIND)) or 0
    return RecordReportRequest(problem_id=visit.names[_ID], kind=ReportKind.ValueType(kind))


def _told(_: Visit, answer: RecordReportResponse) -> str:
    left = sum(not each.HasField("make_time") for each in answer.problem.reports)
    return translated("The report is noted. Left: {count}.", count=left)


VIEW = View.of(
    f"{_TAB}/{{{_ID}}}",
    (rpcs.GET_PROBLEM, rpcs.GET_CONFIGURATION),
    _read,
    _show,
    forms=(Form.of(_REPORT, rpcs.RECORD_REPORT, _made, _told, (_KIND,)),),
)
