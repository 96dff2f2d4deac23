"""`region-node customers contact` and `set-contact`: the contacts that a customer permits."""

import click
from google.protobuf.field_mask_pb2 import FieldMask

from gateway.api.region.v1 import customer_service_pb2 as api
from gateway.api.region.v1.customer_service_pb2_grpc import CustomerServiceStub
from gateway.api.types.v1.types_pb2 import Applicant
from gateway.cli.table import Table, TableColumn
from gateway.wording.languages import translated
from region_node.cli.asking import Asking, reads, writes
from region_node.cli.options import channel_option, required_staff_option
from region_node.cli.sharing.sharing_proof import WAYS, proven

_PREFERENCES = Table[api.ContactPreferences](
    TableColumn("marketing", lambda each: _said(each.marketing)),
    TableColumn("quiet list", lambda each: _said(each.quiet)),
    TableColumn("surveys", lambda each: _said(not (each.no_surveys or each.quiet))),
)


@click.command("contact")
@reads(required_staff_option, channel_option)
@click.argument("number")
def contact(asking: Asking, number: str) -> None:
    """Show which contacts the customer of NUMBER permits.

    \b
    Example:
      region-node customers contact +8619851000001 --staff-id 4711
    """
    request = api.GetContactPreferencesRequest(number=number)
    answer = asking.ask(lambda channel: CustomerServiceStub(channel).GetContactPreferences, request)
    asking.tell(answer.preferences, _PREFERENCES.show_one)


@click.command("set-contact")
@writes(required_staff_option, channel_option)
@click.argument("number")
@click.option("--marketing/--no-marketing", default=None, help="The customer consents to marketing, or does not.")
@click.option(
    "--quiet/--not-quiet", default=None, help="On the quiet list: only notices that law or contract demands; or off it."
)
@click.option("--no-surveys/--surveys", default=None, help="The customer refuses surveys, or does not.")
@click.option(
    "--verify",
    type=click.Choice(WAYS),
    help="How a customer of another region proves to be the customer, for a change that permits more: a code is sent, "
    "a password is asked for; what the customer says is read from the terminal or from standard input.",
)
def set_contact(
    asking: Asking,
    number: str,
    marketing: bool | None,
    quiet: bool | None,
    no_surveys: bool | None,
    verify: str | None,
) -> None:
    """Change the contacts that the customer of NUMBER permits, for all lines; what no option names stays as it is.

    The customer may be of any region. Notices that law or contract demands go out all the same.

    \b
    Examples:
      region-node customers set-contact +8619851000001 --quiet --staff-id 4711
      region-node customers set-contact +8619844000002 --marketing --verify code --staff-id 4711
    """
    decided = {"marketing": marketing, "quiet": quiet, "no_surveys": no_surveys}
    named = sorted(name for name, value in decided.items() if value is not None)
    if not named:
        raise click.UsageError(translated("Say what the customer has decided."))
    preferences = api.ContactPreferences(marketing=bool(marketing), quiet=bool(quiet), no_surveys=bool(no_surveys))
    request = api.SetContactPreferencesRequest(
        number=number, preferences=preferences, update_mask=FieldMask(paths=named)
    )
    if verify is not None:
        request.applicant = Applicant.APPLICANT_HOLDER
        request.documents.extend(proven(asking, number, verify))
    answer = asking.ask(lambda channel: CustomerServiceStub(channel).SetContactPreferences, request)
    asking.tell(answer.preferences, _PREFERENCES.show_one)


def _said(yes: bool) -> str:
    return translated("yes") if yes else translated("no")
