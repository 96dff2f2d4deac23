"""`region-node issues`: open issues between regions, decide them, and follow what is decided to its end."""

from collections.abc import Sequence

import click
from google.protobuf.duration_pb2 import Duration

from gateway.api.region.v1 import issue_service_pb2 as api
from gateway.api.region.v1.issue_envelopes_pb2 import IssueCommand
from gateway.api.region.v1.issue_pb2 import IssueState
from gateway.api.region.v1.issue_service_pb2 import WorkOnIssueRequest
from gateway.api.region.v1.issue_service_pb2_grpc import IssueServiceStub
from gateway.cli.asking import limit_option
from gateway.cli.issue_options import due_time, issue_options, issue_request
from gateway.wording.languages import translated
from region_node.care.issues.rules import state_name
from region_node.cli.asking import Asking, reads, writes
from region_node.cli.issues.issue_view import ISSUES, print_issue, print_told

_WAIT = Duration(seconds=10)  # for the owner region
_STATES = {state_name(state): state for state in IssueState.values()[1:]}
_PARTS = 4  # of an action on the command line
_ISSUE = click.argument("issue", metavar="ID")
_ACTION = "REGION,STAFF,DUE,TEXT"
_ACTION_HELP = "A follow-up action: the region, the member of staff, the due time with zone, the text."


@click.group()
def issues() -> None:
    """Settle issues with other regions: open and decide them, and follow every action to its end."""


@issues.command("open")
@writes(*issue_options())
@click.argument("subject")
def open_command(
    asking: Asking,
    subject: str,
    description: str,
    owner: str,
    helpers: tuple[str, ...],
    due: str,
    links: tuple[str, ...],
) -> None:
    """Open an issue with SUBJECT, which the owner region is to decide.

    \b
    Examples:
      region-node issues open "bills differ" --description "the cut-off of November" --owner sichuan \\
        --helper henan --due 2026-12-20T18:00+08:00 --link complaint:guangdong/20261210-17
    """
    request = api.OpenIssueRequest(issue=issue_request(subject, description, owner, helpers, due, links))
    answer = asking.ask(lambda channel: IssueServiceStub(channel).OpenIssue, request)
    asking.tell(answer.issue, print_told)


@issues.command("list")
@reads(limit_option())
@click.option("--state", "states", multiple=True, type=click.Choice(tuple(_STATES)), help="Only those in these states.")
@click.option("--overdue", is_flag=True, help="Only those whose decision, or an action of which, is overdue.")
def list_command(asking: Asking, states: Sequence[str], overdue: bool) -> None:
    """List the issues that this region opened, decides or helps with, newest first.

    \b
    Examples:
      region-node issues list --overdue
    """
    request = api.ListIssuesRequest(states=[_STATES[each] for each in states], overdue=overdue)
    found = asking.ask(lambda channel: IssueServiceStub(channel).ListIssues, request)
    asking.show(found, ISSUES, found.issues)


@issues.command()
@reads()
@_ISSUE
def show(asking: Asking, issue: str) -> None:
    """Show an issue: what is to be settled, the decision, its actions, and how it went.

    \b
    Examples:
      region-node issues show guangdong/I20261210-17
    """
    request = api.GetIssueRequest(issue_id=issue)
    told = asking.ask(lambda channel: IssueServiceStub(channel).GetIssue, request).issue
    asking.tell(told, print_issue)


@issues.command()
@writes()
@_ISSUE
@click.argument("text")
def note(asking: Asking, issue: str, text: str) -> None:
    """Write something down for the staff of all regions with a part in it.

    \b
    Examples:
      region-node issues note guangdong/I20261210-17 "the file of the 30th came twice"
    """
    _work(asking, issue, WorkOnIssueRequest(note=text))


@issues.command("take-up")
@writes()
@_ISSUE
def take_up(asking: Asking, issue: str) -> None:
    """Work on an issue from now on, as staff of the owner region.

    \b
    Examples:
      region-node issues take-up guangdong/I20261210-17
    """
    _work(asking, issue, WorkOnIssueRequest(take_up=WorkOnIssueRequest.TakeUp()))


@issues.command("add-helper")
@writes()
@_ISSUE
@click.argument("helper", metavar="REGION")
def add_helper(asking: Asking, issue: str, helper: str) -> None:
    """Have another region help with an issue, as staff of the owner region.

    \b
    Examples:
      region-node issues add-helper guangdong/I20261210-17 henan
    """
    _work(asking, issue, WorkOnIssueRequest(add_helper=helper))


@issues.command()
@writes()
@_ISSUE
@click.argument("text")
@click.option("--action", "actions", multiple=True, metavar=_ACTION, help=_ACTION_HELP)
def decide(asking: Asking, issue: str, text: str, actions: Sequence[str]) -> None:
    """Decide an issue, as staff of the owner region.

    \b
    Examples:
      region-node issues decide guangdong/I20261210-17 "the cut-off is midnight everywhere" \\
        --action "henan,li,2026-12-31T18:00+08:00,move the nightly run"
    """
    decided = WorkOnIssueRequest.Decide(text=text, actions=[_new_action(each) for each in actions])
    _work(asking, issue, WorkOnIssueRequest(decide=decided))


@issues.command("add-action")
@writes()
@_ISSUE
@click.argument("actions", metavar=_ACTION, nargs=-1, required=True)
def add_action(asking: Asking, issue: str, actions: Sequence[str]) -> None:
    """Add follow-up actions to a decision, as staff of the owner region.

    \b
    Examples:
      region-node issues add-action guangdong/I20261210-17 "sichuan,wang,2026-12-31T18:00+08:00,compare both files"
    """
    added = WorkOnIssueRequest.AddActions(actions=[_new_action(each) for each in actions])
    _work(asking, issue, WorkOnIssueRequest(add_actions=added))


@issues.command()
@writes()
@_ISSUE
@click.argument("action", type=click.IntRange(min=1))
@click.argument("text")
@click.option("--finished", is_flag=True, help="It is done.")
def report(asking: Asking, issue: str, action: int, text: str, finished: bool) -> None:
    """Report on the action with the number ACTION, as staff of its region.

    \b
    Examples:
      region-node issues report guangdong/I20261210-17 1 "runs at midnight" --finished
    """
    told = IssueCommand.Report(action=action, text=text, finished=finished)
    _work(asking, issue, WorkOnIssueRequest(report=told))


@issues.command()
@writes()
@_ISSUE
@click.argument("reason")
def escalate(asking: Asking, issue: str, reason: str) -> None:
    """Escalate an issue to the coordination body.

    \b
    Examples:
      region-node issues escalate guangdong/I20261210-17 "the regions disagree about the cut-off"
    """
    _work(asking, issue, WorkOnIssueRequest(escalate=reason))


@issues.command()
@writes()
@_ISSUE
@click.argument("reason")
def withdraw(asking: Asking, issue: str, reason: str) -> None:
    """Withdraw an issue that is not decided, as staff of the region that opened it.

    \b
    Examples:
      region-node issues withdraw guangdong/I20261210-17 "the same as guangdong/I20261209-16"
    """
    _work(asking, issue, WorkOnIssueRequest(withdraw=reason))


@issues.command()
@writes()
@_ISSUE
def close(asking: Asking, issue: str) -> None:
    """Close a decided issue whose actions are all finished, as staff of the owner region.

    \b
    Examples:
      region-node issues close guangdong/I20261210-17
    """
    _work(asking, issue, WorkOnIssueRequest(close=WorkOnIssueRequest.Close()))


def _work(asking: Asking, issue: str, step: WorkOnIssueRequest) -> None:
    step.issue_id = issue
    step.wait.CopyFrom(_WAIT)
    answer = asking.ask(lambda channel: IssueServiceStub(channel).WorkOnIssue, step)
    asking.tell(answer.issue, print_told)


def _new_action(told: str) -> WorkOnIssueRequest.NewAction:
    """Parses an action. Raises UsageError."""
    parts = told.split(",", _PARTS - 1)
    if len(parts) != _PARTS:
        raise click.UsageError(translated("{told} is not REGION,STAFF,DUE,TEXT", told=told))
    region, staff_id, due, text = (each.strip() for each in parts)
    return WorkOnIssueRequest.NewAction(region=region, staff_id=staff_id, due_time=due_time(due), text=text)
