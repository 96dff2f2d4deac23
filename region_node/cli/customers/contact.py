"""`region-node customers contact` and `set-contact`: the contacts that a customer permits."""

import click

from gateway.api.region.v1 import customer_service_pb2 as api
from gateway.api.region.v1.customer_service_pb2_grpc import CustomerServiceStub
from gateway.cli.table import Table, TableColumn
from gateway.wording.languages import translated
from region_node.cli.asking import Asking, reads, repeats
from region_node.cli.options import channel_option, required_staff_option

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
@repeats(required_staff_option, channel_option)
@click.argument("number")
@click.option("--marketing", is_flag=True, help="The customer consents to marketing.")
@click.option("--quiet", is_flag=True, help="On the quiet list: only notices that law or contract demands.")
@click.option("--no-surveys", is_flag=True, help="The customer refuses surveys.")
def set_contact(asking: Asking, number: str, marketing: bool, quiet: bool, no_surveys: bool) -> None:
    """Replace the contacts that the customer of NUMBER permits, for all lines.

    Notices that law or contract demands go out all the same.

    \b
    Example:
      region-node customers set-contact +8619851000001 --quiet --staff-id 4711
    """
    preferences = api.ContactPreferences(marketing=marketing, quiet=quiet, no_surveys=no_surveys)
    request = api.SetContactPreferencesRequest(number=number, preferences=preferences)
    answer = asking.ask(lambda channel: CustomerServiceStub(channel).SetContactPreferences, request)
    asking.tell(answer.preferences, _PREFERENCES.show_one)


def _said(yes: bool) -> str:
    return translated("yes") if yes else translated("no")
