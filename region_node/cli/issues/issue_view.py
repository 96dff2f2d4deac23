"""How issues between regions are shown to people."""

import click

from gateway.api.region.v1.issue_pb2 import Issue, IssueAction, IssueLinkKind
from gateway.cli.table import Table, TableColumn, show_timeline
from gateway.wording.languages import enumerated, translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set, told_time
from gateway.wording.words import value_word
from region_node.care.issues.course import happened, issue_state, level_of
from region_node.care.issues.rules import open_actions
from region_node.care.silences.wording import told_owner, told_silence

ISSUES = Table[Issue](
    TableColumn("issue", lambda each: each.id),
    TableColumn("state", lambda each: issue_state(each.state)),
    TableColumn("owner region", lambda each: told_owner(each.owner_region, is_silent=each.HasField("silence"))),
    TableColumn("opened", lambda each: told_time(each.create_time), only_wide=True),
    TableColumn("to be decided by", lambda each: told_if_set(each.request.due_time)),
    TableColumn("open actions", lambda each: str(len(open_actions(each)))),
    TableColumn("level", level_of, only_wide=True),
    TableColumn("subject", lambda each: each.request.subject),
)
"""The table of issues."""
_ACTIONS = Table[IssueAction](
    TableColumn("action", lambda each: str(each.number)),
    TableColumn("region", lambda each: region_name(each.region)),
    TableColumn("staff id", lambda each: each.staff_id),
    TableColumn("due", lambda each: told_if_set(each.due_time)),
    TableColumn("finished at", lambda each: told_if_set(each.finish_time)),
    TableColumn("text", lambda each: each.text),
    TableColumn("report", lambda each: each.report),
)


def print_told(issue: Issue) -> None:
    """Prints the state of an issue in a line."""
    told = translated(
        "{issue}: {state}; the owner region is {region}",
        issue=issue.id,
        state=issue_state(issue.state),
        region=region_name(issue.owner_region),
    )
    click.echo(told)


def print_issue(issue: Issue) -> None:
    """Prints an issue in full: the request, the decision, the actions, and the timeline of all regions."""
    request = issue.request
    print_told(issue)
    click.echo(request.subject)
    click.echo(request.description)
    if request.HasField("due_time"):
        click.echo(translated("To be decided by {time}", time=told_time(request.due_time)))
    if issue.escalations:
        click.echo(translated("Escalated to level {level} of the coordination body", level=level_of(issue)))
    if issue.HasField("silence"):
        click.echo(told_silence(issue.silence))
    if issue.helper_regions:
        click.echo(translated("Helpers: {regions}", regions=enumerated(map(region_name, issue.helper_regions))))
    for link in request.links:
        click.echo(f"{value_word(IssueLinkKind.DESCRIPTOR, link.kind)} {link.id}")
    if issue.decision:
        click.echo(translated("Decision: {text}", text=issue.decision))
    if issue.actions:
        _ACTIONS.show(issue.actions)
    click.echo()
    show_timeline(happened(issue))
