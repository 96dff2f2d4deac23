"""`coordinator issues`."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click

from coordinator.cli.acts import key_option, signed
from coordinator.cli.asking import Asking, asks
from coordinator.cli.completing import complete_regions
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.output import tell_unanswered, titled, told_due
from coordinator.wording.issues import told_level, told_owner
from gateway.api.coordinator.v1 import issue_service_pb2 as contract
from gateway.api.coordinator.v1.issue_service_pb2 import CountIssuesResponse
from gateway.api.coordinator.v1.issue_service_pb2_grpc import IssueServiceStub
from gateway.api.federation.v1.body_pb2 import OnDuty
from gateway.api.region.v1 import issue_oversight_service_pb2 as at_node
from gateway.api.region.v1.issue_oversight_service_pb2 import IssueHeader
from gateway.api.region.v1.issue_pb2 import IssueState
from gateway.cli.asking import limit_option, request_option
from gateway.cli.issue_options import issue_options, issue_request
from gateway.cli.table import Table, TableColumn
from gateway.wording.body import told_duty
from gateway.wording.languages import translated
from gateway.wording.terms import region_name
from gateway.wording.words import value_word

_AT_NODE = at_node.DESCRIPTOR.services_by_name["IssueOversightService"]

_COUNTS = Table[CountIssuesResponse.RegionIssues](
    TableColumn("region", lambda each: region_name(each.region)),
    TableColumn("open", lambda each: str(each.counts.open)),
    TableColumn("overdue", lambda each: str(each.counts.overdue)),
    TableColumn("escalated", lambda each: str(each.counts.escalated)),
    TableColumn("closed", lambda each: str(each.counts.closed)),
)


@click.group(epilog=EPILOG)
def issues() -> None:
    """Issues between regions: open them, see which are overdue, and how many each region has."""


@issues.command("open", epilog=EPILOG)
@asks(*issue_options(), request_option, key_option)
@click.argument("subject")
def open_command(
    asking: Asking,
    subject: str,
    description: str,
    owner: str,
    helpers: tuple[str, ...],
    due: str,
    links: tuple[str, ...],
    key: Path | None,
) -> None:
    """Open an issue with SUBJECT, which the owner region is to decide. Your name stands in its audit chain.

    \b
    Examples:
      coordinator issues open "bills differ" --description "the cut-off of November" --owner sichuan \\
        --helper henan --due 2026-12-20T18:00+08:00
    """
    issue = issue_request(subject, description, owner, helpers, due, links)
    asked = asking.filled(at_node.OpenIssueForAdministratorRequest(issue=issue))
    act = signed(asking, key, _AT_NODE, "OpenIssueForAdministrator", owner, asked)
    request = contract.OpenIssueRequest(issue=issue, signed=act)
    response = asking.ask(lambda channel: IssueServiceStub(channel).OpenIssue, request)
    asking.show(response, _headers(datetime.now(UTC), {}), [response.issue], titled(translated("Issues")))


@issues.command("list", epilog=EPILOG)
@asks(limit_option("At most so many, those that are due first."))
def list_issues(asking: Asking) -> None:
    """List the open issues of all regions by due time, so that overdue ones come first.

    Of an issue whose owner is silent or has left, the list names the person to call.

    \b
    Examples:
      coordinator issues list
    """
    response = asking.ask(
        lambda channel: IssueServiceStub(channel).ListIssueHeaders, contract.ListIssueHeadersRequest()
    )
    duties = {each.issue_id: each.on_duty for each in response.duties}
    asking.show(response, _headers(datetime.now(UTC), duties), response.issues, titled(translated("Issues")))
    tell_unanswered(response.unanswered)


@issues.command(epilog=EPILOG)
@asks()
@click.argument("issue", metavar="ID")
@click.argument("region", shell_complete=complete_regions)
@click.option("--reason", required=True, metavar="TEXT", help="For all regions of the issue, and its new owner.")
@key_option
def appoint(asking: Asking, issue: str, region: str, reason: str, key: Path | None) -> None:
    """Make REGION the owner of an issue whose owner takes no part in the federation any more.

    REGION has opened the issue or helps with it. Repeat the command until every region of the issue has heard of it.

    \b
    Examples:
      coordinator issues appoint guangdong/I20261210-17 henan --reason "Sichuan is suspended"
    """
    asked = at_node.AppointIssueOwnerRequest(issue_id=issue, owner_region=region, reason=reason)
    act = signed(asking, key, _AT_NODE, "AppointIssueOwner", "", asked)
    request = contract.AppointIssueOwnerRequest(issue_id=issue, owner_region=region, reason=reason, signed=act)
    response = asking.ask(lambda channel: IssueServiceStub(channel).AppointIssueOwner, request)
    asking.show(response, _headers(datetime.now(UTC), {}), [response.issue], titled(translated("Issues")))
    if response.HasField("on_duty") and not asking.as_json:
        click.echo(translated("To call: {person}", person=told_duty(response.on_duty)))
    tell_unanswered(response.unanswered)


@issues.command(epilog=EPILOG)
@asks()
def count(asking: Asking) -> None:
    """Count the issues of each region: open, overdue, escalated, closed.

    \b
    Examples:
      coordinator issues count
    """
    response = asking.ask(lambda channel: IssueServiceStub(channel).CountIssues, contract.CountIssuesRequest())
    asking.show(response, _COUNTS, response.regions)
    tell_unanswered(response.unanswered)


def _headers(now: datetime, duties: Mapping[str, OnDuty]) -> Table[IssueHeader]:
    return Table(
        TableColumn("issue", lambda each: each.id),
        TableColumn("state", lambda each: value_word(IssueState.DESCRIPTOR, each.state)),
        TableColumn("owner region", told_owner),
        TableColumn("due", lambda each: told_due(each.due_time, now)),
        TableColumn("open actions", lambda each: str(each.open_actions)),
        TableColumn("escalations", lambda each: str(each.escalations)),
        TableColumn("level", told_level),
        TableColumn("to call", lambda each: told_duty(duties[each.id]) if each.id in duties else ""),
    )
