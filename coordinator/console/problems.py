"""The problems of the network that several regions see: filters, and a table."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from google.protobuf.timestamp_pb2 import Timestamp

from coordinator.console import problem, rpcs
from coordinator.console.filters import REGION, region_of
from coordinator.console.registry import network_of
from coordinator.console.tables_page import heads
from coordinator.console.words import problem_state_cell
from coordinator.problems.rules import complaints, customers
from coordinator.wording.ages import told_age
from coordinator.wording.elements import names_in
from coordinator.wording.problems import grade_of, next_report, told_evidence, told_report
from gateway.api.coordinator.v1.problem_service_pb2 import ListProblemsRequest, ListProblemsResponse, Problem
from gateway.api.federation.v1.network_pb2 import Network
from gateway.cli.problems import Names
from gateway.web.console.lists import PAGE, chosen_of, chosen_word
from gateway.web.console.pages import Calling, Shown, View, Visit
from gateway.web.console.parts import Option, due_cell, severity_cell
from gateway.web.console.sorting import Column, Columns, Found, Part
from gateway.web.selecting import SORT
from gateway.web.tables import Cell, Table
from gateway.wording.languages import enumerated, translated
from gateway.wording.terms import region_name

PATH = "/problems"
_SHOW, _ALL, _REPORTS = "show", "all", "reports"
_MOST = 50  # problems of a page


def _request(visit: Visit, part: Part) -> ListProblemsRequest:
    shown = chosen_word(visit, _SHOW, (_ALL, _REPORTS))
    return ListProblemsRequest(
        region=visit.query.text(REGION),
        include_ended=shown == _ALL,
        with_open_reports=shown == _REPORTS,
        page_size=part.size,
        page_token=part.token,
    )


@dataclass(frozen=True)
class _Read:
    """The problems, and the registry that has the names of their elements."""

    problems: Found[ListProblemsResponse]
    network: Network


async def _read(visit: Visit, calling: Calling) -> _Read:
    problems = _COLUMNS.read(
        visit, _MOST, lambda part: calling.ask(rpcs.LIST_PROBLEMS, _request(visit, part)), lambda each: each.problems
    )
    return _Read(*await asyncio.gather(problems, network_of(calling)))


def _show(visit: Visit, read: _Read) -> Shown:
    found = read.problems
    options = [
        Option(_REPORTS, translated("with a report to make")),
        Option(_ALL, translated("also ended ones")),
    ]
    choices = [chosen_of(visit, _SHOW, translated("Problems"), options), region_of(visit)]
    page = _COLUMNS.page(visit, PATH, choices, _table(visit, found.answer.problems, names_in(read.network)), found)
    return page.shown(translated("Problems of the network"), PATH)


def _table(visit: Visit, problems: Sequence[Problem], names: Names) -> Table:
    return Table(
        label=translated("Problems of the network"),
        head=heads(
            translated("Problem"),
            translated("State"),
            translated("Severity"),
            translated("Cause"),
            translated("Regions"),
            translated("Customers"),
            translated("Complaints"),
            translated("Since"),
            translated("Grade"),
            translated("Report due"),
        ),
        rows=[
            [
                Cell(each.header.id, "row", href=visit.address(problem.path_of(each.header.id))),
                problem_state_cell(each.header),
                severity_cell(each.header.severity),
                Cell(told_evidence(each.header, names)),
                Cell(enumerated(map(region_name, each.header.regions))),
                Cell(f"{customers(each):,}", style="figure"),
                Cell(f"{complaints(each):,}", style="figure"),
                Cell(told_age(each.header.start_time, visit.now), style="kind"),
                Cell(grade_of(each)),
                _due(visit, each),
            ]
            for each in problems
        ],
        order=translated("The newest first."),
    )


def _due(visit: Visit, problem: Problem) -> Cell:
    report = next_report(problem)
    if report is None:
        return Cell("")
    cell = due_cell(report.due_time, visit.now)
    return replace(cell, style="", note=f"{told_report(report)} {cell.note}")


def _due_time(problem: Problem) -> Timestamp:
    report = next_report(problem)
    return Timestamp() if report is None else report.due_time


_COLUMNS = Columns[Problem](
    "-start_time",
    [
        Column("id", lambda each: each.header.id),
        Column("state", lambda each: each.header.state),
        Column("severity", lambda each: each.header.severity or ""),
        None,
        None,
        Column("customers", customers),
        Column("complaints", complaints),
        Column("start_time", lambda each: each.header.start_time),
        None,
        Column("due_time", _due_time),
    ],
)
VIEW = View.of(PATH, (rpcs.LIST_PROBLEMS, rpcs.GET_CONFIGURATION), _read, _show, (_SHOW, REGION, SORT, PAGE))
