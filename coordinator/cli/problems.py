"""`coordinator problems`."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import click
from rich.text import Text
from rich.tree import Tree

from coordinator.cli.asking import Asking, asks
from coordinator.cli.completing import complete_regions
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.output import titled
from coordinator.wording.ages import told_age
from gateway.api.coordinator.v1 import problem_service_pb2 as contract
from gateway.api.coordinator.v1.problem_service_pb2 import (
    AccidentGrade,
    AccidentReport,
    NetworkEvent,
    NetworkEventKind,
    Problem,
    ReportKind,
)
from gateway.api.coordinator.v1.problem_service_pb2_grpc import ProblemServiceStub
from gateway.api.federation.v1.problem_pb2 import NetworkCondition, ProblemHeader
from gateway.cli.asking import limit_option
from gateway.cli.option_words import option_words
from gateway.cli.problems import told_cause, told_state
from gateway.cli.table import Table, TableColumn
from gateway.cli.terminal import output
from gateway.federation.problems import is_cause_known, was_down
from gateway.time.clock import from_timestamp
from gateway.wording.languages import translated
from gateway.wording.terms import region_name
from gateway.wording.times import show_times_of, told_if_set, told_time
from gateway.wording.words import told_severity, word

_KINDS = option_words(ReportKind.items())
_PROBLEM = click.argument("problem", metavar="ID")


@click.group(epilog=EPILOG)
def problems() -> None:
    """Problems of the network that several regions see: causes, customers, grades of accidents, reports due."""


@problems.command("list", epilog=EPILOG)
@asks(limit_option("At most so many, newest first."))
@click.option("--region", default="", shell_complete=complete_regions, help="Only problems that concern this region.")
@click.option("--all", "include_ended", is_flag=True, help="Also those that have ended, for 92 days.")
@click.option("--reports", "with_reports", is_flag=True, help="Only those with a report that is still to be made.")
def list_problems(asking: Asking, region: str, include_ended: bool, with_reports: bool) -> None:
    """List problems of the network: probable cause, services, customers, grade, and the next report.

    A terminal of less than 140 columns is not shown the severity, services, regions and complaints, and told so.

    \b
    Examples:
      coordinator problems list
      coordinator problems list --reports --json
    """
    show_times_of(region)
    request = contract.ListProblemsRequest(region=region, include_ended=include_ended, with_open_reports=with_reports)
    response = asking.ask(lambda channel: ProblemServiceStub(channel).ListProblems, request)
    title = titled(translated("Problems of the network")) if response.problems else ""
    asking.show(response, problems_table(datetime.now(UTC)), response.problems, title)


@problems.command(epilog=EPILOG)
@asks()
@_PROBLEM
def show(asking: Asking, problem: str) -> None:
    """Show one problem: its cause, what belongs to it, whom it affects, its grade and reports, and how it went.

    \b
    Examples:
      coordinator problems show problem-20261210-1f0c3a5b
    """
    request = contract.GetProblemRequest(problem_id=problem)
    response = asking.ask(lambda channel: ProblemServiceStub(channel).GetProblem, request)
    asking.tell(response, _print_problem)


@problems.command("report-made", epilog=EPILOG)
@asks()
@_PROBLEM
@click.option("--kind", type=click.Choice(list(_KINDS)), required=True, help="Which report was made.")
def report_made(asking: Asking, problem: str, kind: str) -> None:
    """Note that a report of an accident was made to the authority, now and by you.

    \b
    Examples:
      coordinator problems report-made problem-20261210-1f0c3a5b --kind oral
    """
    request = contract.RecordReportRequest(problem_id=problem, kind=_KINDS[kind])
    response = asking.ask(lambda channel: ProblemServiceStub(channel).RecordReport, request)
    asking.tell(response, lambda _: _print_reports(response.problem))


def problems_table(now: datetime) -> Table[Problem]:
    """The table of network problems."""
    return Table(
        TableColumn("problem", lambda each: each.header.id),
        TableColumn("state", lambda each: told_state(each.header)),
        TableColumn("severity", lambda each: told_severity(each.header.severity), only_wide=True),
        TableColumn("cause", lambda each: _cause(each.header)),
        TableColumn("services", lambda each: ", ".join(each.header.services), only_wide=True),
        TableColumn("regions", lambda each: ", ".join(each.header.regions), only_wide=True),
        TableColumn("since", lambda each: told_age(each.header.start_time, now)),
        TableColumn("customers", lambda each: str(_customers(each))),
        TableColumn("complaints", lambda each: str(_complaints(each)), only_wide=True),
        TableColumn("grade", _grade),
        TableColumn("report due", lambda each: _due(each, now)),
    )


def _due(problem: Problem, now: datetime) -> Text:
    """The due time of the next report, red once it is overdue."""
    waiting = [each for each in problem.reports if not each.HasField("make_time")]
    due = min(waiting, key=lambda each: from_timestamp(each.due_time), default=None)
    if due is None:
        return Text("")
    return Text(f"{_kind(due)} {told_if_set(due.due_time)}", style="red" if from_timestamp(due.due_time) < now else "")


def _print_problem(response: contract.GetProblemResponse) -> None:
    problem, events, header = response.problem, response.events, response.problem.header
    if len(header.regions) == 1:
        show_times_of(header.regions[0])
    tree = Tree(Text(f"{header.id}: {_cause(header)} ({told_state(header)})"))
    parent = next((each for each in events if each.id == header.parent_id), None)
    branch = tree.add(Text(_event(parent) if parent is not None else header.parent_id))
    for each in events:
        if each.id != header.parent_id:
            branch.add(Text(_event(each)))
    output().print(tree)
    affected = [each for each in problem.affected if each.customers or each.complaints]
    _AFFECTED.show(affected, titled(_affected(problem)))
    _print_reports(problem)
    _STEPS.show(sorted(_steps(problem, events)), titled(translated("How it went")))


def _print_reports(problem: Problem) -> None:
    if not problem.grades and not was_down(problem.header):
        click.echo(translated("It is no accident: nothing was down."))
        return
    if not problem.grades:
        click.echo(translated("It is no accident: no customer is known to be affected."))
        return
    _REPORTS.show(problem.reports, titled(translated("Grade: {grade}", grade=_grade(problem))))


def _steps(problem: Problem, events: Sequence[NetworkEvent]) -> Iterator[tuple[datetime, str]]:
    """Time and text of each step."""
    for each in events:
        yield from_timestamp(each.raise_time), translated("{event} began", event=each.id)
        if each.HasField("clear_time"):
            yield from_timestamp(each.clear_time), _over(each)
    for reached in problem.grades:
        grade = _grade_word(reached.grade)
        what = translated("accident is {grade}; customers: {count}", grade=grade, count=reached.customers)
        yield from_timestamp(reached.reach_time), what
    for report in problem.reports:
        if report.HasField("make_time"):
            what = translated("{kind} report was made by {name}", kind=_kind(report), name=report.administrator)
            yield from_timestamp(report.make_time), what


def _over(event: NetworkEvent) -> str:
    if event.retracted:
        return translated("{event} turned out to be no trouble of the network", event=event.id)
    return translated("{event} was over", event=event.id)


def _event(event: NetworkEvent) -> str:
    kind = word(NetworkEventKind.Name(event.kind), "NETWORK_EVENT_KIND_")
    severity = told_severity(event.severity)
    if event.condition:
        severity = f"{severity}, {word(NetworkCondition.Name(event.condition), 'NETWORK_CONDITION_')}"
    where = ", ".join([*event.links, *event.sites, *event.services])
    until = f" – {told_if_set(event.clear_time)}" if event.HasField("clear_time") else ""
    return f"{event.id}: {kind}, {severity}, {where}, {told_if_set(event.raise_time)}{until}"


def _cause(header: ProblemHeader) -> str:
    """The root cause with its confidence. Without a claimed one, the property that the events share."""
    is_sure = is_cause_known(header) and header.HasField("confidence")
    return f"{told_cause(header)} ({header.confidence} %)" if is_sure else told_cause(header)


def _kind(report: AccidentReport) -> str:
    return word(ReportKind.Name(report.kind), "REPORT_KIND_")


def _grade(problem: Problem) -> str:
    return _grade_word(problem.grades[-1].grade) if problem.grades else ""


def _grade_word(grade: AccidentGrade.ValueType) -> str:
    return word(AccidentGrade.Name(grade), "ACCIDENT_GRADE_")


def _affected(problem: Problem) -> str:
    """The numbers of customers and complaints, and the regions without a report."""
    if not problem.affected:
        return translated("Customers affected: no region has counted yet")
    count, complaints = _customers(problem), _complaints(problem)
    return translated("Customers affected: {count}; complaints: {complaints}", count=count, complaints=complaints)


def _complaints(problem: Problem) -> int:
    return sum(each.complaints for each in problem.affected)


def _customers(problem: Problem) -> int:
    return sum(each.customers for each in problem.affected)


_AFFECTED = Table[contract.AffectedCount](
    TableColumn("region", lambda each: region_name(each.region)),
    TableColumn("customers", lambda each: str(each.customers)),
    TableColumn("complaints", lambda each: str(each.complaints)),
    TableColumn("counted", lambda each: told_if_set(each.count_time)),
)
_REPORTS = Table[AccidentReport](
    TableColumn("report", _kind),
    TableColumn("grade", lambda each: _grade_word(each.grade)),
    TableColumn("due", lambda each: told_if_set(each.due_time)),
    TableColumn("made", lambda each: told_if_set(each.make_time)),
    TableColumn("administrator", lambda each: each.administrator),
)
_STEPS = Table[tuple[datetime, str]](
    TableColumn("time", lambda each: told_time(each[0], timespec="seconds")), TableColumn("what", lambda each: each[1])
)
