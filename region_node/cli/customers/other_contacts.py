"""`region-node customers other-contacts` and `set-other-contacts`: the numbers that get a code instead of the line."""

from collections.abc import Sequence

import click
from google.protobuf.field_mask_pb2 import FieldMask

from gateway.api.region.v1 import customer_service_pb2 as api
from gateway.api.region.v1.customer_service_pb2_grpc import CustomerServiceStub
from gateway.cli.table import Table, TableColumn
from gateway.wording.times import told_time
from region_node.cli.asking import Asking, reads, writes
from region_node.cli.options import channel_option, required_staff_option

_CONTACTS = Table[api.OtherContact](
    TableColumn("number", lambda each: each.number),
    TableColumn("gets codes from", lambda each: told_time(each.effective_time)),
)


@click.command("other-contacts")
@reads(required_staff_option, channel_option)
@click.argument("number")
def other_contacts(asking: Asking, number: str) -> None:
    """List the other contacts of the customer of NUMBER.

    \b
    Example:
      region-node customers other-contacts +8619851000001 --staff-id 4711
    """
    answer = asking.ask(lambda channel: CustomerServiceStub(channel).GetCustomer, api.GetCustomerRequest(number=number))
    asking.show(answer, _CONTACTS, answer.customer.other_contacts)


@click.command("set-other-contacts")
@writes(required_staff_option, channel_option)
@click.argument("number")
@click.argument("contacts", nargs=-1)
def set_other_contacts(asking: Asking, number: str, contacts: Sequence[str]) -> None:
    """Give the customer of NUMBER these other CONTACTS in place of those before; none removes all.

    A number that was not there gets codes after the hours of the policy other-contact-settles. The customer's lines,
    and the contacts of before, get a notice.

    \b
    Example:
      region-node customers set-other-contacts +8619851000001 +8613912345678 --staff-id 4711
    """
    request = api.UpdateCustomerRequest(
        customer=api.Customer(
            product=api.Product(number=number), other_contacts=[api.OtherContact(number=each) for each in contacts]
        ),
        update_mask=FieldMask(paths=["other_contacts"]),
    )
    answer = asking.ask(lambda channel: CustomerServiceStub(channel).UpdateCustomer, request)
    asking.show(answer, _CONTACTS, answer.customer.other_contacts)
