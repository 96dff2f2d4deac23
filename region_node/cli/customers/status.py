"""`region-node customers erase`, `restrict` and `release`: the permitted use of a customer's data."""

import hashlib

import click

from gateway.api.region.v1 import erasure_service_pb2 as api
from gateway.api.region.v1.erasure_service_pb2_grpc import ErasureServiceStub
from gateway.cli.option_words import option_words
from gateway.wording.languages import translated
from region_node.cli.asking import Asking, repeats
from region_node.cli.options import channel_option, required_staff_option

_SECONDS = 35.0  # for one answer
_REASONS = option_words(api.ErasureReason.items())

Naming = api.EraseCustomerRequest | api.RestrictCustomerRequest | api.LiftRestrictionRequest

_number = click.option("--number", default="", help="The customer, by the number of a line.")
_customer_id = click.option("--customer-id", default="", help="The customer, by the region's id.")
_reason = click.option("--reason", type=click.Choice(list(_REASONS)), required=True, help="Why the data has to go.")

_request_id = click.option(
    "--request-id", default="", help="The same id is done once; made from customer and reason unless given."
)
_yes = click.option("--yes", is_flag=True, help="Do not ask whether it is meant.")


@click.command()
@repeats(required_staff_option, channel_option, _request_id, _yes)
@_number
@_customer_id
@_reason
def erase(asking: Asking, number: str, customer_id: str, reason: str, yes: bool) -> None:
    """Erase a customer for good: destroy the keys of fields, documents and orders.

    Nothing brings it back, not even a backup. Refused while a line is not terminated, an order is open, the balance is
    not zero, or somebody must keep the data. A second person confirms it first (`approvals confirm`); then run the
    same command again. An operator system proves who asks (--staff-proof).

    \b
    Example:
      region-node customers erase --number +8619851000001 --reason requested --staff-id 4711
    """
    _require_one(number, customer_id)
    if not yes:
        click.confirm(translated("Erase the customer {named} for good?", named=number or customer_id), abort=True)
    fallback = f"erase-{hashlib.sha256(f'{number} {customer_id} {reason}'.encode()).hexdigest()[:24]}"
    request = api.EraseCustomerRequest(request_id=asking.given_request_id or fallback, reason=_REASONS[reason])
    _name(request, number, customer_id)
    answer = asking.ask(lambda channel: ErasureServiceStub(channel).EraseCustomer, request, _SECONDS)
    asking.say(
        answer,
        lambda: translated(
            "Erased {customer}. Keys destroyed: {keys}. Orders that cannot be read any more: {orders}.",
            customer=answer.erasure.customer_id,
            keys=answer.erasure.keys_destroyed,
            orders=answer.erasure.orders_erased,
        ),
    )


@click.command()
@repeats(required_staff_option, channel_option)
@_number
@_customer_id
@_reason
def restrict(asking: Asking, number: str, customer_id: str, reason: str) -> None:
    """Restrict a customer: the data is stored and nothing else.

    For what would be to be erased and must still be kept, or cannot be erased yet. `customers release` ends it. A
    second person confirms it first (`approvals confirm`); then run the same command again. An operator system proves
    who asks (--staff-proof).

    \b
    Example:
      region-node customers restrict --number +8619851000001 --reason consent-withdrawn --staff-id 4711
    """
    request = api.RestrictCustomerRequest(reason=_REASONS[reason])
    _name(request, number, customer_id)
    answer = asking.ask(lambda channel: ErasureServiceStub(channel).RestrictCustomer, request, _SECONDS)
    told = translated("{customer} is restricted: stored, and nothing else.", customer=answer.customer_id)
    asking.say(answer, lambda: told)


@click.command()
@repeats(required_staff_option, channel_option)
@_number
@_customer_id
def release(asking: Asking, number: str, customer_id: str) -> None:
    """End the restriction of a customer.

    \b
    Example:
      region-node customers release --number +8619851000001 --staff-id 4711
    """
    request = api.LiftRestrictionRequest()
    _name(request, number, customer_id)
    answer = asking.ask(lambda channel: ErasureServiceStub(channel).LiftRestriction, request, _SECONDS)
    asking.say(answer, lambda: translated("{customer} is no longer restricted.", customer=answer.customer_id))


def _require_one(number: str, customer_id: str) -> None:
    """Raises UsageError unless the customer is named in one way."""
    if bool(number) == bool(customer_id):
        raise click.UsageError(translated("name the customer by --number or by --customer-id"))


def _name(request: Naming, number: str, customer_id: str) -> None:
    _require_one(number, customer_id)
    if number:
        request.number = number
    else:
        request.customer_id = customer_id
