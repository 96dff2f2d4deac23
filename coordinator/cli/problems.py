"""`coordinator problems`."""

from datetime import UTC, datetime

import click
from rich.text import Text
from rich.tree import Tree

from coordinator.cli.asking import Asking, asks
from coordinator.cli.completing import complete_regions
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.federation.in_force import network_in_force
from coordinator.cli.output import titled
from coordinator.problems.rules import complaints, customers
from coordinator.wording.ages import told_age
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
from gateway.api.coordinator.v1 import problem_service_pb2 as contract
from gateway.api.coordinator.v1.problem_service_pb2 import AccidentReport, NetworkEvent, Problem, ReportKind
from gateway.api.coordinator.v1.problem_service_pb2_grpc import ProblemServiceStub
from gateway.cli.asking import limit_option
from gateway.cli.option_words import option_words
from gateway.cli.problems import UNNAMED, Names, told_state
from gateway.cli.table import Table, TableColumn
from gateway.cli.terminal import output
from gateway.time.clock import from_timestamp
from gateway.wording.languages import enumerated, translated
from gateway.wording.terms import region_name
from gateway.wording.times import show_times_of, told_if_set, told_time
from gateway.wording.words import told_severity

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
    names = UNNAMED if asking.as_json else names_in(network_in_force(asking.link))
    asking.show(response, problems_table(datetime.now(UTC), names), response.problems, title)


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
    asking.tell(response, lambda found: _print_problem(found, names_in(network_in_force(asking.link))))


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


def problems_table(now: datetime, names: Names) -> Table[Problem]:
    """The table of network problems, with the names of their elements."""
    return Table(
        TableColumn("problem", lambda each: each.header.id),
        TableColumn("state", lambda each: told_state(each.header)),
        TableColumn("severity", lambda each: told_severity(each.header.severity), only_wide=True),
        TableColumn("cause", lambda each: told_evidence(each.header, names)),
        TableColumn("services", lambda each: told_elements(SERVICE, each.header.services, names), only_wide=True),
        TableColumn("regions", lambda each: enumerated(each.header.regions), only_wide=True),
        TableColumn("since", lambda each: told_age(each.header.start_time, now)),
        TableColumn("customers", lambda each: str(customers(each))),
        TableColumn("complaints", lambda each: str(complaints(each)), only_wide=True),
        TableColumn("grade", grade_of),
        TableColumn("report due", lambda each: _due(each, now)),
    )


def _due(problem: Problem, now: datetime) -> Text:
    """The due time of the next report, red once it is overdue."""
    due = next_report(problem)
    if due is None:
        return Text("")
    is_late = from_timestamp(due.due_time) < now
    return Text(f"{told_report(due)} {told_if_set(due.due_time)}", style="red" if is_late else "")


def _print_problem(response: contract.GetProblemResponse, names: Names) -> None:
    problem, events, header = response.problem, response.events, response.problem.header
    if len(header.regions) == 1:
        show_times_of(header.regions[0])
    tree = Tree(Text(f"{header.id}: {told_evidence(header, names)} ({told_state(header)})"))
    parent = next((each for each in events if each.id == header.parent_id), None)
    branch = tree.add(Text(_event(parent, names) if parent is not None else header.parent_id))
    for each in events:
        if each.id != header.parent_id:
            branch.add(Text(_event(each, names)))
    output().print(tree)
    affected = [each for each in problem.affected if each.customers or each.complaints]
    _AFFECTED.show(
        affected, titled(told_affected(customers(problem) if problem.affected else None, complaints(problem)))
    )
    _print_reports(problem)
    _STEPS.show(sorted(steps(problem, events)), titled(translated("How it went")))


def _print_reports(problem: Problem) -> None:
    if reason := why_no_accident(problem):
        click.echo(reason)
        return
    _REPORTS.show(problem.reports, titled(translated("Grade: {grade}", grade=grade_of(problem))))


def _event(event: NetworkEvent, names: Names) -> str:
    until = f" – {told_if_set(event.clear_time)}" if event.HasField("clear_time") else ""
    told = (told_kind(event), told_gravity(event), told_places(event, names), told_if_set(event.raise_time))
    return f"{event.id}: {enumerated(told)}{until}"


_AFFECTED = Table[contract.AffectedCount](
    TableColumn("region", lambda each: region_name(each.region)),
    TableColumn("customers", lambda each: str(each.customers)),
    TableColumn("complaints", lambda each: str(each.complaints)),
    TableColumn("counted", lambda each: told_if_set(each.count_time)),
)
_REPORTS = Table[AccidentReport](
    TableColumn("report", told_report),
    TableColumn("grade", lambda each: told_grade(each.grade)),
    TableColumn("due", lambda each: told_if_set(each.due_time)),
    TableColumn("made at", lambda each: told_if_set(each.make_time)),
    TableColumn("administrator", lambda each: each.administrator),
)
_STEPS = Table[tuple[datetime, str]](
    TableColumn("time", lambda each: told_time(each[0], timespec="seconds")), TableColumn("what", lambda each: each[1])
)
