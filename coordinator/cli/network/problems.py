"""`coordinator problems` and `coordinator outages`."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import click
from rich.text import Text
from rich.tree import Tree

from coordinator.cli.completing import complete_regions
from coordinator.cli.connection import EPILOG, TIMEOUT, Connection, connected
from coordinator.cli.output import console, json_option, print_json, print_table, told, told_age
from gateway.api.coordinator.v1 import problem_service_pb2 as contract
from gateway.api.coordinator.v1.problem_service_pb2 import (
    AccidentGrade,
    AccidentReport,
    NetworkEvent,
    NetworkEventKind,
    Outage,
    Problem,
    ReportKind,
)
from gateway.api.coordinator.v1.problem_service_pb2_grpc import ProblemServiceStub
from gateway.api.federation.v1.problem_pb2 import (
    NetworkCondition,
    NetworkElement,
    NetworkElementKind,
    PerceivedSeverity,
    ProblemHeader,
    ProblemState,
)
from gateway.channels import invoke
from gateway.clock import from_timestamp
from gateway.federation.problems import is_cause_known, was_down
from gateway.languages import translated
from gateway.terminal import tell_more
from gateway.terms import region_name
from gateway.times import show_times_of, told_if_set, told_time

_LARGEST_PAGE = 500
_KINDS = {each.removeprefix("REPORT_KIND_").lower(): ReportKind.Value(each) for each in ReportKind.keys()[1:]}
_PROBLEM = click.argument("problem", metavar="ID")


@click.group(epilog=EPILOG)
def problems() -> None:
    """Problems of the network that several regions see: causes, customers, grades of accidents, reports due."""


@problems.command("list", epilog=EPILOG)
@click.option("--region", default="", shell_complete=complete_regions, help="Only problems that concern this region.")
@click.option("--all", "with_ended", is_flag=True, help="Also those that have ended, for 92 days.")
@click.option("--reports", "with_reports", is_flag=True, help="Only those with a report that is still to be made.")
@click.option(
    "--limit",
    type=click.IntRange(1, _LARGEST_PAGE),
    default=50,
    show_default=True,
    help="At most so many, newest first.",
)
@connected
@json_option
def list_problems(
    connection: Connection, region: str, with_ended: bool, with_reports: bool, limit: int, as_json: bool
) -> None:
    """List problems of the network: probable cause, services, customers, grade, and the next report.

    A terminal of less than 140 columns is not shown the severity, services, regions and complaints, and told so.

    \b
    Examples:
      coordinator problems list
      coordinator problems list --reports --json
    """
    show_times_of(region)
    request = contract.ListProblemsRequest(
        region=region, with_ended=with_ended, with_open_reports=with_reports, page_size=limit
    )
    response = connection.ask(lambda channel: invoke(ProblemServiceStub(channel).ListProblems, request, TIMEOUT))
    if as_json:
        print_json(response)
        return
    now = datetime.now(UTC)
    if not response.problems:
        click.echo(translated("There is none."))
        return
    columns = list_columns(response.problems, now)
    rows = list(zip(*columns.values(), strict=True))
    print_table(translated("Problems of the network"), list(columns), rows, only_wide=only_wide())
    tell_more(response.next_page_token)


@problems.command(epilog=EPILOG)
@_PROBLEM
@connected
@json_option
def show(connection: Connection, problem: str, as_json: bool) -> None:
    """Show one problem: its cause, what belongs to it, whom it affects, its grade and reports, and how it went.

    \b
    Examples:
      coordinator problems show problem-20261210-1f0c3a5b
    """
    request = contract.ShowProblemRequest(problem=problem)
    response = connection.ask(lambda channel: invoke(ProblemServiceStub(channel).ShowProblem, request, TIMEOUT))
    if as_json:
        print_json(response)
    else:
        _print_problem(response.problem, response.events)


@problems.command("report-made", epilog=EPILOG)
@_PROBLEM
@click.option("--kind", type=click.Choice(list(_KINDS)), required=True, help="Which report was made.")
@connected
@json_option
def report_made(connection: Connection, problem: str, kind: str, as_json: bool) -> None:
    """Note that a report of an accident was made to the authority, now and by you.

    \b
    Examples:
      coordinator problems report-made problem-20261210-1f0c3a5b --kind oral
    """
    request = contract.NoteReportRequest(problem=problem, kind=_KINDS[kind])
    response = connection.ask(lambda channel: invoke(ProblemServiceStub(channel).NoteReport, request, TIMEOUT))
    if as_json:
        print_json(response)
    else:
        _print_reports(response.problem)


@click.command(epilog=EPILOG)
@connected
@json_option
def outages(connection: Connection, as_json: bool) -> None:
    """List what is down now, for a problem or as planned, and what is degraded: causes, and network services that have
    no way left, or no good one, the longest first.

    \b
    Examples:
      coordinator outages
    """
    request = contract.ListOutagesRequest()
    response = connection.ask(lambda channel: invoke(ProblemServiceStub(channel).ListOutages, request, TIMEOUT))
    if as_json:
        print_json(response)
        return
    down = [each for each in response.outages if each.condition != NetworkCondition.NETWORK_CONDITION_DEGRADED]
    degraded = [each for each in response.outages if each not in down]
    if down:
        _print_outages(translated("Down now"), down)
    else:
        click.echo(translated("Nothing is down."))
    if degraded:
        _print_outages(translated("Degraded now"), degraded)


def _print_outages(title: str, found: Sequence[Outage]) -> None:
    now = datetime.now(UTC)
    columns = (
        translated("what"),
        translated("region"),
        translated("since"),
        translated("problem or planned outage"),
        translated("cause"),
        translated("customers"),
        translated("planned until"),
    )
    rows = [
        [
            _element(each.element),
            region_name(each.region),
            told_age(each.start_time, now),
            each.problem or each.planned_outage,
            translated("yes") if each.is_root_cause else "",
            str(each.customers) if each.problem else "",
            told_if_set(each.planned_end_time),
        ]
        for each in found
    ]
    print_table(title, columns, rows)


def list_columns(found: Sequence[Problem], now: datetime) -> dict[str, list[str | Text]]:
    """What a list shows of problems, by title."""
    headers = [each.header for each in found]
    severities = [PerceivedSeverity.Name(each.severity) for each in headers]
    return {
        translated("problem"): [each.id for each in headers],
        translated("state"): [_state(each) for each in found],
        translated("severity"): [told(each, "PERCEIVED_SEVERITY_") for each in severities],
        translated("cause"): [_cause(each) for each in headers],
        translated("services"): [", ".join(each.services) for each in headers],
        translated("regions"): [", ".join(each.regions) for each in headers],
        translated("since"): [told_age(each.start_time, now) for each in headers],
        translated("customers"): [str(_customers(each)) for each in found],
        translated("complaints"): [str(_complaints(each)) for each in found],
        translated("grade"): [_grade(each) for each in found],
        translated("report due"): [_due(each, now) for each in found],
    }


def only_wide() -> list[str]:
    """The columns that one problem is shown with, and a list on a narrow terminal is not."""
    return [translated("severity"), translated("services"), translated("regions"), translated("complaints")]


def _due(problem: Problem, now: datetime) -> Text:
    """The next report, red once it is overdue."""
    waiting = [each for each in problem.reports if not each.HasField("make_time")]
    due = min(waiting, key=lambda each: from_timestamp(each.due), default=None)
    if due is None:
        return Text("")
    return Text(f"{_kind(due)} {told_if_set(due.due)}", style="red" if from_timestamp(due.due) < now else "")


def _print_problem(problem: Problem, events: Sequence[NetworkEvent]) -> None:
    header = problem.header
    if len(header.regions) == 1:
        show_times_of(header.regions[0])
    tree = Tree(Text(f"{header.id}: {_cause(header)} ({_state(problem)})"))
    parent = next((each for each in events if each.id == header.parent), None)
    branch = tree.add(Text(_event(parent) if parent is not None else header.parent))
    for each in events:
        if each.id != header.parent:
            branch.add(Text(_event(each)))
    console().print(tree)
    affected = [
        [region_name(each.region), str(each.customers), str(each.complaints), told_if_set(each.count_time)]
        for each in problem.affected
        if each.customers or each.complaints
    ]
    counted = (translated("region"), translated("customers"), translated("complaints"), translated("counted"))
    print_table(_affected(problem), counted, affected)
    _print_reports(problem)
    steps = sorted(_steps(problem, events))
    columns = (translated("time"), translated("what"))
    rows = [[told_time(when, timespec="seconds"), what] for when, what in steps]
    print_table(translated("How it went"), columns, rows)


def _print_reports(problem: Problem) -> None:
    columns = (
        translated("report"),
        translated("grade"),
        translated("due"),
        translated("made"),
        translated("administrator"),
    )
    rows = [
        [_kind(each), _grade_word(each.grade), told_if_set(each.due), told_if_set(each.make_time), each.administrator]
        for each in problem.reports
    ]
    if not problem.grades and not was_down(problem.header):
        click.echo(translated("It is no accident: nothing was down."))
        return
    if not problem.grades:
        click.echo(translated("It is no accident: no customer is known to be affected."))
        return
    print_table(translated("Grade: {grade}", grade=_grade(problem)), columns, rows)


def _steps(problem: Problem, events: Sequence[NetworkEvent]) -> Iterator[tuple[datetime, str]]:
    """When something happened, and what."""
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
    kind = told(NetworkEventKind.Name(event.kind), "NETWORK_EVENT_KIND_")
    severity = told(PerceivedSeverity.Name(event.severity), "PERCEIVED_SEVERITY_")
    if event.condition:
        severity = f"{severity}, {told(NetworkCondition.Name(event.condition), 'NETWORK_CONDITION_')}"
    where = ", ".join([*event.links, *event.sites, *event.services])
    until = f" – {told_if_set(event.clear_time)}" if event.HasField("clear_time") else ""
    return f"{event.id}: {kind}, {severity}, {where}, {told_if_set(event.raise_time)}{until}"


def _state(problem: Problem) -> str:
    state = told(ProblemState.Name(problem.header.state), "PROBLEM_STATE_")
    if problem.header.state == ProblemState.PROBLEM_STATE_IN_PROGRESS and problem.header.condition:
        state = f"{state}, {told(NetworkCondition.Name(problem.header.condition), 'NETWORK_CONDITION_')}"
    return f"{state} → {problem.header.merged_into}" if problem.header.merged_into else state


def _cause(header: ProblemHeader) -> str:
    """The root cause and how sure it is; where none is claimed, what the events have in common."""
    element = _element(header.root_cause)
    if not is_cause_known(header):
        return translated("unknown, near {element}", element=element)
    return f"{element} ({header.confidence} %)" if header.HasField("confidence") else element


def _element(element: NetworkElement) -> str:
    return f"{told(NetworkElementKind.Name(element.kind), 'NETWORK_ELEMENT_KIND_')} {element.id}"


def _kind(report: AccidentReport) -> str:
    return told(ReportKind.Name(report.kind), "REPORT_KIND_")


def _grade(problem: Problem) -> str:
    return _grade_word(problem.grades[-1].grade) if problem.grades else ""


def _grade_word(grade: AccidentGrade.ValueType) -> str:
    return told(AccidentGrade.Name(grade), "ACCIDENT_GRADE_")


def _affected(problem: Problem) -> str:
    """How many customers and complaints there are, and who has not said so yet."""
    if not problem.affected:
        return translated("Customers affected: no region has counted yet")
    count, complaints = _customers(problem), _complaints(problem)
    return translated("Customers affected: {count}; complaints: {complaints}", count=count, complaints=complaints)


def _complaints(problem: Problem) -> int:
    return sum(each.complaints for each in problem.affected)


def _customers(problem: Problem) -> int:
    return sum(each.customers for each in problem.affected)
