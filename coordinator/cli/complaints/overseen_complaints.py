"""`coordinator complaints list`, `show`, `raise` and `reclassify`."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from coordinator.cli.acts import key_option, signed
from coordinator.cli.asking import Asking, asks
from coordinator.cli.complaints.complaint_view import complaint_headers, print_groups, print_history
from coordinator.cli.completing import complete_categories, complete_regions
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.output import tell_unanswered, titled
from gateway.api.coordinator.v1 import complaint_oversight_service_pb2 as contract
from gateway.api.coordinator.v1.complaint_oversight_service_pb2_grpc import ComplaintOversightServiceStub
from gateway.api.region.v1 import complaint_oversight_service_pb2 as at_node
from gateway.cli.asking import limit_option, request_option
from gateway.cli.exits import CannotReach
from gateway.wording.languages import translated
from gateway.wording.terms import region_name
from gateway.wording.times import show_times_of

_AT_NODE = at_node.DESCRIPTOR.services_by_name["ComplaintOversightService"]
_LONGEST_HOURS = 10_000


@click.command("list", epilog=EPILOG)
@asks(limit_option())
@click.option("--overdue", is_flag=True, help="Only those whose time has passed without a resolution.")
@click.option("--due-soon", is_flag=True, help="Only those that are due soon, and not yet overdue.")
@click.option(
    "--within",
    metavar="HOURS",
    type=click.IntRange(1, _LONGEST_HOURS),
    default=24,
    show_default=True,
    help="What soon means.",
)
@click.option("--unclassified", is_flag=True, help="Only those of which nobody has said what they are about.")
@click.option("--level", type=click.IntRange(0, 5), default=0, help="Only those raised at least so high.")
@click.option(
    "--region",
    default="",
    shell_complete=complete_regions,
    help="Only those that this region took in or is responsible for.",
)
@click.option(
    "--category", default="", shell_complete=complete_categories, help="Only those of this category, by its code."
)
@click.option("--group", default="", help="Only those of this group, by its id as `show` tells it.")
@click.option("--all", "include_ended", is_flag=True, help="Also those that have ended.")
def list_complaints(
    asking: Asking,
    overdue: bool,
    due_soon: bool,
    within: int,
    unclassified: bool,
    level: int,
    region: str,
    category: str,
    group: str,
    include_ended: bool,
) -> None:
    """List the complaints of all regions that are open: how high they are, with whom, until when.

    Those that are due first come first where --overdue or --due-soon is given, else the newest. Nothing here says who
    complains, or what was said.

    \b
    Examples:
      coordinator complaints list --overdue
      coordinator complaints list --due-soon --within 8 --region sichuan
    """
    if overdue and due_soon:
        raise click.UsageError(translated("a complaint is not overdue and due soon at once: give one of them"))
    show_times_of(region)
    request = contract.ListComplaintHeadersRequest(
        overdue=overdue,
        unclassified=unclassified,
        level=level,
        region=region,
        category=category,
        group_id=group,
        include_ended=include_ended,
    )
    if due_soon:
        request.due_within.FromTimedelta(timedelta(hours=within))
    response = asking.ask(lambda channel: ComplaintOversightServiceStub(channel).ListComplaintHeaders, request)
    now, title = datetime.now(UTC), titled(translated("Complaints"))
    asking.show(response, complaint_headers(now), response.complaints, title)
    if not asking.as_json:
        print_groups(response.complaints)
    tell_unanswered(response.unanswered)


@click.command(epilog=EPILOG)
@asks()
@click.argument("ticket_id")
def show(asking: Asking, ticket_id: str) -> None:
    """Show how the complaint TICKET_ID went: deadlines, timeline, who had it how long, and why it is late.

    The times of the last table sum to the whole: what it was allowed to take, and how late it is. Nothing here says
    who complains, or what was said.

    \b
    Example:
      coordinator complaints show guangdong/20261124-17
    """
    show_times_of(ticket_id)
    request = contract.GetComplaintHistoryRequest(ticket_id=ticket_id)
    response = asking.ask(lambda channel: ComplaintOversightServiceStub(channel).GetComplaintHistory, request)
    if asking.as_json or response.HasField("complaint"):
        asking.tell(response, lambda _: print_history(response.complaint, response.region))
    tell_unanswered(response.unanswered)
    if not response.HasField("complaint"):
        raise CannotReach(translated("no region that may know {ticket_id} could be asked", ticket_id=ticket_id))


@click.command("raise", epilog=EPILOG)
@asks()
@click.argument("ticket_id")
@click.option("--level", type=click.IntRange(1, 5), required=True, help="To what level, higher than it is.")
@click.option("--reason", required=True, help="Why; the regions concerned keep it as a note of yours.")
@key_option
def raise_complaint(asking: Asking, ticket_id: str, level: int, reason: str, key: Path | None) -> None:
    """Raise the complaint TICKET_ID to a level: it goes through those between, and never down again.

    What is resolved is not raised. Your name stands in the audit chain of the region. The same command again changes
    nothing more: repeat it where no answer came.

    \b
    Example:
      coordinator complaints raise guangdong/20261124-17 --level 4 --reason 'in the newspapers'
    """
    content = "\0".join((ticket_id, str(level), reason))
    request_id = hashlib.sha256(content.encode()).hexdigest()[:32]
    asked = at_node.RaiseComplaintRequest(request_id=request_id, ticket_id=ticket_id, level=level, reason=reason)
    request = contract.RaiseComplaintRequest(
        request_id=request_id,
        ticket_id=ticket_id,
        level=level,
        reason=reason,
        signed=signed(asking, key, _AT_NODE, "RaiseComplaint", "", asked),
    )
    response = asking.ask(lambda channel: ComplaintOversightServiceStub(channel).RaiseComplaint, request)
    raised = response.complaint
    line = translated(
        "{ticket_id} is at level {level}; {region} is responsible",
        ticket_id=raised.ticket_id,
        level=raised.level,
        region=region_name(raised.owner_region),
    )
    asking.say(response, lambda: line)


@click.command(epilog=EPILOG)
@asks(request_option)
@click.argument("ticket_id")
@click.option(
    "--category", required=True, shell_complete=complete_categories, help="What it is about, by the category's code."
)
@click.option("--reason", required=True, help="Why; the regions concerned keep it as a note of yours.")
@key_option
def reclassify(asking: Asking, ticket_id: str, category: str, reason: str, key: Path | None) -> None:
    """Say what the complaint TICKET_ID is about: it goes where that makes it go, and the customer is told.

    Its time runs from filing on. What a region other than that of first contact has, is returned by that region first,
    as wrongly classified. Your name stands in the audit chain of the region. Where no answer came,
    run it again: it is refused if it was done, so nothing is done twice.

    \b
    Examples:
      coordinator complaints list --unclassified
      coordinator complaints reclassify guangdong/20261124-17 --category NET_SPEED --reason 'it is not about the bill'
    """
    asked = asking.filled(at_node.ReclassifyComplaintRequest(ticket_id=ticket_id, category=category, reason=reason))
    request = contract.ReclassifyComplaintRequest(
        ticket_id=ticket_id,
        category=category,
        reason=reason,
        signed=signed(asking, key, _AT_NODE, "ReclassifyComplaint", ticket_id.partition("/")[0], asked),
    )
    response = asking.ask(lambda channel: ComplaintOversightServiceStub(channel).ReclassifyComplaint, request)
    line = translated(
        "{ticket_id} is of the category {category}; {region} is responsible",
        ticket_id=response.complaint.ticket_id,
        category=response.complaint.category,
        region=region_name(response.complaint.owner_region),
    )
    asking.say(response, lambda: line)
