"""`region-node customers erase`, `restrict` and `release`: what may be done with a customer's data."""

import asyncio
import hashlib
import json
from collections.abc import Callable

import click
import grpc
from google.protobuf import json_format
from google.protobuf.message import Message

from gateway.api.region.v1 import erasure_service_pb2 as api
from gateway.languages import translated
from region_node.cli.connection import Target, connection_options
from region_node.cli.exits import NOT_KNOWN, leave
from region_node.cli.methods import operator_methods
from region_node.cli.options import channel_option, json_option, requester_of, required_staff_option
from region_node.cli.outcome import Failure, Teller

_TIMEOUT = 35.0  # seconds
_PREFIX = "ERASURE_REASON_"
_REASONS = tuple(name.removeprefix(_PREFIX).lower().replace("_", "-") for name in api.ErasureReason.keys()[1:])

Naming = api.EraseCustomerRequest | api.RestrictCustomerRequest | api.LiftRestrictionRequest

_number = click.option("--number", default="", help="The customer, by the number of a line.")
_customer_id = click.option("--customer-id", default="", help="The customer, by the region's id.")
_reason = click.option("--reason", type=click.Choice(_REASONS), required=True, help="Why the data has to go.")


@click.command()
@connection_options
@_number
@_customer_id
@_reason
@required_staff_option
@channel_option
@click.option("--request-id", default="", help="The same id is done once; made from customer and reason unless given.")
@click.option("--yes", is_flag=True, help="Do not ask whether it is meant.")
@json_option
def erase(
    target: Target,
    number: str,
    customer_id: str,
    reason: str,
    staff_id: str,
    channel: str,
    request_id: str,
    yes: bool,
    as_json: bool,
) -> None:
    """Erase a customer for good: destroy the keys of fields, documents and orders.

    Nothing brings it back, not even a backup. Refused while a line is not terminated, an order is open, the balance is
    not zero, or somebody must keep the data.

    \b
    Example:
      region-node customers erase --number +8619851000001 --reason requested --staff-id 4711

    \b
    Exit codes:
      0  done
      1  refused; the text says why, with the reason of the contract
      2  the command line or the credentials cannot be used; nothing was sent
      3  not known whether it was done: run the same command again
    """
    named = _named(number, customer_id)
    if not yes:
        click.confirm(translated("Erase the customer {named} for good?", named=named), abort=True)
    fallback = f"erase-{hashlib.sha256(f'{number} {customer_id} {reason}'.encode()).hexdigest()[:24]}"
    request = api.EraseCustomerRequest(
        request_id=request_id or fallback, reason=_reason_of(reason), requester=requester_of(staff_id, channel)
    )
    _name(request, number, customer_id)
    answer = _call(target, "EraseCustomer", request)
    assert isinstance(answer, api.EraseCustomerResponse)
    erasure = answer.erasure
    told = translated(
        "Erased {customer}. Keys destroyed: {keys}. Orders that cannot be read any more: {orders}.",
        customer=erasure.customer_id,
        keys=erasure.keys_destroyed,
        orders=erasure.orders_erased,
    )
    _print(answer, told, as_json=as_json)


@click.command()
@connection_options
@_number
@_customer_id
@_reason
@required_staff_option
@channel_option
@json_option
def restrict(
    target: Target, number: str, customer_id: str, reason: str, staff_id: str, channel: str, as_json: bool
) -> None:
    """Restrict a customer: the data is stored and nothing else.

    For what would be to be erased and must still be kept, or cannot be erased yet. `customers release` ends it.

    \b
    Example:
      region-node customers restrict --number +8619851000001 --reason consent-withdrawn --staff-id 4711

    \b
    Exit codes:
      0  done
      1  refused; the text says why, with the reason of the contract
      2  the command line or the credentials cannot be used; nothing was sent
      3  not known whether it was done: run the same command again
    """
    _named(number, customer_id)
    request = api.RestrictCustomerRequest(reason=_reason_of(reason), requester=requester_of(staff_id, channel))
    _name(request, number, customer_id)
    answer = _call(target, "RestrictCustomer", request)
    assert isinstance(answer, api.RestrictCustomerResponse)
    told = translated("{customer} is restricted: stored, and nothing else.", customer=answer.customer_id)
    _print(answer, told, as_json=as_json)


@click.command()
@connection_options
@_number
@_customer_id
@required_staff_option
@channel_option
@json_option
def release(target: Target, number: str, customer_id: str, staff_id: str, channel: str, as_json: bool) -> None:
    """End the restriction of a customer.

    \b
    Example:
      region-node customers release --number +8619851000001 --staff-id 4711

    \b
    Exit codes:
      0  done
      1  refused; the text says why, with the reason of the contract
      2  the command line or the credentials cannot be used; nothing was sent
      3  not known whether it was done: run the same command again
    """
    _named(number, customer_id)
    request = api.LiftRestrictionRequest(requester=requester_of(staff_id, channel))
    _name(request, number, customer_id)
    answer = _call(target, "LiftRestriction", request)
    assert isinstance(answer, api.LiftRestrictionResponse)
    told = translated("{customer} is no longer restricted.", customer=answer.customer_id)
    _print(answer, told, as_json=as_json)


def _named(number: str, customer_id: str) -> str:
    """How the customer is named; ends the command unless that is in one way."""
    if bool(number) == bool(customer_id):
        raise click.UsageError(translated("name the customer by --number or by --customer-id"))
    return number or customer_id


def _name(request: Naming, number: str, customer_id: str) -> None:
    if number:
        request.number = number
    else:
        request.customer_id = customer_id


def _reason_of(reason: str) -> api.ErasureReason.ValueType:
    return api.ErasureReason.Value(_PREFIX + reason.upper().replace("-", "_"))


def _call(target: Target, name: str, request: Message) -> Message:
    """The answer; ends the command where there is none."""
    method = operator_methods()[f"ErasureService.{name}"]
    teller = Teller(target, method, request)

    async def run() -> Message | Failure:
        async with target.channel() as channel:
            rpc = channel.unary_unary(method.path, _written, _reader(method.response))
            try:
                return await rpc(request, timeout=_TIMEOUT)
            except grpc.aio.AioRpcError as error:
                return teller.failed(error)

    try:
        answer = asyncio.run(run())
    except KeyboardInterrupt:
        leave(teller.interrupted().text, NOT_KNOWN)
    if isinstance(answer, Failure):
        leave(answer.text, answer.exit_code)
    return answer


def _written(message: Message) -> bytes:
    return message.SerializeToString()


def _reader(kind: type[Message]) -> Callable[[bytes], Message]:
    return kind.FromString


def _print(answer: Message, told: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(json_format.MessageToDict(answer, preserving_proto_field_name=True), ensure_ascii=False))
    else:
        click.echo(told)
