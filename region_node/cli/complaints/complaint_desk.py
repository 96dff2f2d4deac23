"""`region-node complaints classify`: the category of a complaint whose text was not clear."""

from collections.abc import Sequence

import click

from gateway.api.region.v1.complaint_service_pb2 import ClassifyComplaintRequest
from gateway.api.region.v1.complaint_service_pb2_grpc import ComplaintServiceStub
from gateway.wording.languages import translated
from region_node.cli.asking import Asking, writes
from region_node.cli.complaints.complaint_view import print_told
from region_node.cli.completing import complete_categories


@click.command()
@writes(done="it is of that category, and the customer is told who answers by when")
@click.argument("ticket_id")
@click.option(
    "--category", required=True, shell_complete=complete_categories, help="What it is about, by the category's code."
)
@click.option("--reason", default="", help="Why; needed where it has a category already.")
def classify(asking: Asking, ticket_id: str, category: str, reason: str) -> None:
    """Say what a complaint is about, as staff of the origin region: it goes where that makes it go.

    What another region has is returned by that region first, as wrongly classified.

    \b
    Examples:
      region-node complaints list --unclassified
      region-node complaints classify guangdong/20261210-17 --category BILL_WRONG
      region-node complaints classify guangdong/20261210-17 --category NET_SPEED --reason "it is not about the bill"
    """
    request = ClassifyComplaintRequest(ticket_id=ticket_id, category=category, reason=reason)
    complaint = asking.ask(lambda channel: ComplaintServiceStub(channel).ClassifyComplaint, request).complaint
    asking.tell(complaint, print_told)


def category_and_description(words: Sequence[str]) -> tuple[str, str]:
    """The description, and the category before it, if any. Raises UsageError."""
    if len(words) not in (1, 2):
        raise click.UsageError(translated("Say what happened in one argument, after the category if you name one."))
    return ("", words[0]) if len(words) == 1 else (words[0], words[1])
