"""`region-node retention`, legal holds and impact records: how long things are kept, and why."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from typing import TextIO, TypeVar

import click
import grpc
from google.protobuf.json_format import MessageToJson, Parse, ParseError
from google.protobuf.message import Message

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.api.region.v1 import retention_service_pb2 as api
from gateway.api.region.v1.retention_service_pb2_grpc import RetentionServiceStub
from gateway.api.types.v1.types_pb2 import Requester
from gateway.clock import to_timestamp
from gateway.languages import translated
from gateway.times import told_time
from gateway.words import word
from region_node.cli.asking import answer_of
from region_node.cli.connection import Target, connection_options
from region_node.cli.options import json_option, staff_id_option
from region_node.cli.times import DayOrInstantType, ending

_TIMEOUT = 20.0  # seconds for one call
M = TypeVar("M", bound=Message)
Ask = Callable[[RetentionServiceStub], Awaitable[M]]

_customer_option = click.option("--customer", "customer_id", default="", help="Only of this customer.")
_reference_option = click.option(
    "--reference", required=True, help="Of the order of the authority or court: letters, digits, . _ / -"
)
_staff_option = staff_id_option("Who asks, recorded beside your certificate; required where several share it.")
_limit_option = click.option(
    "--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="At most this many."
)


@click.command("hold")
@click.argument("customer_id", metavar="CUSTOMER")
@connection_options
@_reference_option
@click.option("--until", type=DayOrInstantType(), help="Its end: a day, or a time as 2027-06-30T12:00+08:00.")
@_staff_option
def hold(target: Target, customer_id: str, reference: str, until: date | None, staff_id: str) -> None:
    """Keep everything of CUSTOMER for an authority or a court, whatever the rules of retention say.

    For the region's own staff, of its own customers. Other regions that keep something of CUSTOMER are told. Without
    --until it holds until it is released. The same reference again moves its end.

    \b
    Example:
      region-node customers hold C-1 --reference court/2026-17 --until 2027-06-30

    \b
    Exit codes:
      0  done
      1  refused; the text says why, with the reason of the contract
      2  the command line or the credentials cannot be used; nothing was sent
      3  not known whether it was done: run the same command again
    """
    request = api.HoldCustomerRequest(
        customer_id=customer_id, reference=reference, requester=Requester(staff_id=staff_id)
    )

    async def ask(channel: grpc.aio.Channel) -> api.HoldCustomerResponse:
        if until is not None:
            request.end_time.CopyFrom(to_timestamp(await ending(channel, until)))
        return await RetentionServiceStub(channel).HoldCustomer(request, timeout=_TIMEOUT)

    response = answer_of(target, ask)
    click.echo(_hold_line(response.hold))


@click.command("release-hold")
@click.argument("customer_id", metavar="CUSTOMER")
@connection_options
@_reference_option
@_staff_option
def release_hold(target: Target, customer_id: str, reference: str, staff_id: str) -> None:
    """End a hold of CUSTOMER before its time.

    For the region's own staff. The hold stays in the list.

    \b
    Example:
      region-node customers release-hold C-1 --reference court/2026-17

    \b
    Exit codes:
      0  done
      1  refused; the text says why, with the reason of the contract
      2  the command line or the credentials cannot be used; nothing was sent
      3  not known whether it was done: run the same command again
    """
    request = api.ReleaseHoldRequest(
        customer_id=customer_id, reference=reference, requester=Requester(staff_id=staff_id)
    )
    response = _ask(target, lambda stub: stub.ReleaseHold(request, timeout=_TIMEOUT))
    click.echo(_hold_line(response.hold))


@click.command("holds")
@connection_options
@_customer_option
@_limit_option
@json_option
def list_holds(target: Target, customer_id: str, limit: int, as_json: bool) -> None:
    """List legal holds, also those that have ended.

    \b
    Example:
      region-node customers holds --customer C-1

    \b
    Exit codes:
      0  shown
      1  refused; the text says why, with the reason of the contract
      2  the command line or the credentials cannot be used; nothing was asked
      3  the node cannot be reached, or cannot answer just now
    """
    request = api.ListHoldsRequest(customer_id=customer_id, page_size=limit)
    response = _ask(target, lambda stub: stub.ListHolds(request, timeout=_TIMEOUT))
    _print(response, [_hold_line(each) for each in response.holds], translated("There is no hold."), as_json=as_json)


@click.group()
def retention() -> None:
    """Show what the nightly purge did."""


@retention.command()
@connection_options
@_limit_option
@json_option
def report(target: Target, limit: int, as_json: bool) -> None:
    """Show what was removed of each class of data, night by night, the last night first.

    \b
    Example:
      region-node retention report --limit 12

    \b
    Exit codes:
      0  shown
      1  refused; the text says why, with the reason of the contract
      2  the command line or the credentials cannot be used; nothing was asked
      3  the node cannot be reached, or cannot answer just now
    """
    response = _ask(target, lambda stub: stub.ListPurges(api.ListPurgesRequest(page_size=limit), timeout=_TIMEOUT))
    nothing = translated("Nothing was purged yet: the first purge is at two in the region's next night.")
    _print(response, [_purge_line(each) for each in response.purges], nothing, as_json=as_json)


@click.group("impact-records")
def impact_records() -> None:
    """Record what was assessed before customers' data is given to other regions."""


@impact_records.command("record")
@click.argument("file", type=click.File(encoding="utf-8"))
@connection_options
@_staff_option
def record_impact(target: Target, file: TextIO, staff_id: str) -> None:
    """Record the assessment in FILE: an ImpactRecord of the contract as JSON.

    For the region's own staff. Without an assessor in FILE, --staff-id is the one. Purpose, necessity, effect on
    rights, protection, who assessed it and when (Personal Information Protection Law, art. 56). It is kept for
    three years, and never changed.

    \b
    Example:
      echo '{"id": "PIA-1", "purpose": "orders", "necessity": "...", "effect": "...", "protection": "...",
      "assessor": "4711", "assess_time": "2026-11-01T08:00:00Z"}' | region-node impact-records record -

    \b
    Exit codes:
      0  done
      1  refused; the text says why, with the reason of the contract
      2  the command line or the credentials cannot be used; nothing was sent
      3  not known whether it was done: run the same command again
    """
    try:
        told = Parse(file.read(), api.ImpactRecord())
    except (ParseError, UnicodeDecodeError) as error:
        raise click.UsageError(str(error)) from error
    told.assessor = told.assessor or staff_id
    request = api.RecordImpactRequest(record=told, requester=Requester(staff_id=staff_id))
    response = _ask(target, lambda stub: stub.RecordImpact(request, timeout=_TIMEOUT))
    click.echo(_record_line(response.record))


@impact_records.command("list")
@connection_options
@_limit_option
@json_option
def list_impact_records(target: Target, limit: int, as_json: bool) -> None:
    """List assessments.

    \b
    Example:
      region-node impact-records list --json

    \b
    Exit codes:
      0  shown
      1  refused; the text says why, with the reason of the contract
      2  the command line or the credentials cannot be used; nothing was asked
      3  the node cannot be reached, or cannot answer just now
    """
    request = api.ListImpactRecordsRequest(page_size=limit)
    response = _ask(target, lambda stub: stub.ListImpactRecords(request, timeout=_TIMEOUT))
    nothing = translated("No assessment is recorded.")
    _print(response, [_record_line(each) for each in response.records], nothing, as_json=as_json)


def _ask(target: Target, ask: Ask[M]) -> M:
    return answer_of(target, lambda channel: ask(RetentionServiceStub(channel)))


def _print(message: Message, lines: Sequence[str], nothing: str, *, as_json: bool) -> None:
    """The answer as JSON, or in lines; where it is empty, a person is told so."""
    if not as_json:
        click.echo("\n".join(lines or [nothing]))
        return
    click.echo(
        MessageToJson(
            message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True, ensure_ascii=False
        )
    )


def _hold_line(kept: api.LegalHold) -> str:
    until = told_time(kept.end_time) if kept.HasField("end_time") else translated("released")
    return translated(
        "customer {customer}, reference {reference}: held from {start} until {end}",
        customer=kept.customer_id,
        reference=kept.reference,
        start=told_time(kept.start_time),
        end=until,
    )


def _purge_line(purge: api.Purge) -> str:
    oldest = told_time(purge.oldest_time) if purge.HasField("oldest_time") else translated("none")
    if not purge.complete:
        oldest = translated("not complete yet")
    return translated(
        "{night} {data_class}: {removed} removed, {held} held, oldest left: {oldest}",
        night=purge.night,
        data_class=word(DataClass.Name(purge.data_class), "DATA_CLASS_"),
        removed=purge.removed,
        held=purge.held,
        oldest=oldest,
    )


def _record_line(record: api.ImpactRecord) -> str:
    return translated(
        "{record}: {purpose} (assessed by {assessor}, {time})",
        record=record.id,
        purpose=record.purpose,
        assessor=record.assessor,
        time=told_time(record.assess_time),
    )
