"""The options by which both commands open an issue between regions."""

from collections.abc import Sequence

import click
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.region.v1.issue_pb2 import IssueLink, IssueLinkKind, IssueRequest
from gateway.cli.asking import Option
from gateway.cli.option_words import option_words
from gateway.time.clock import to_timestamp
from gateway.wording.languages import translated
from gateway.wording.times import instant_of

_LINKS = option_words(IssueLinkKind.items())


def issue_options() -> Sequence[Option]:
    """The options of a new issue, whose values `issue_request` takes."""
    return (
        click.option("--description", required=True, help="What is to be settled; it names no customer."),
        click.option("--owner", required=True, metavar="REGION", help="The region that is to decide."),
        click.option("--helper", "helpers", multiple=True, metavar="REGION", help="A region that is to help."),
        click.option("--due", required=True, metavar="TIME", help="Until when it is to be decided, with zone."),
        click.option(
            "--link",
            "links",
            multiple=True,
            metavar="KIND:ID",
            help="A record that it is about: order, complaint, problem or fault, and its id.",
        ),
    )


def issue_request(
    subject: str, description: str, owner: str, helpers: Sequence[str], due: str, links: Sequence[str]
) -> IssueRequest:
    """The request of a new issue. Raises UsageError."""
    return IssueRequest(
        subject=subject,
        description=description,
        owner_region=owner,
        helper_regions=helpers,
        due_time=due_time(due),
        links=[_link(each) for each in links],
    )


def due_time(told: str) -> Timestamp:
    """A due time on the command line. Raises UsageError."""
    try:
        return to_timestamp(instant_of(told))
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _link(told: str) -> IssueLink:
    kind, _, name = told.partition(":")
    if kind not in _LINKS or not name:
        raise click.UsageError(translated("--link: {told} is not KIND:ID", told=told))
    return IssueLink(kind=_LINKS[kind], id=name)
