"""`region-node retention`, legal holds and impact records: how long things are kept, and why."""

from collections.abc import Sequence
from datetime import date
from typing import TextIO

import click
from google.protobuf.json_format import Parse, ParseError
from google.protobuf.message import Message

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.api.region.v1 import retention_service_pb2 as api
from gateway.api.region.v1.retention_service_pb2_grpc import RetentionServiceStub
from gateway.cli.asking import limit_option, print_message
from gateway.clock import to_timestamp
from gateway.languages import translated
from gateway.times import told_time
from gateway.words import word
from region_node.cli.asking import Asking, reads, repeats
from region_node.cli.options import staff_id_option
from region_node.cli.times import DayOrInstantType, ending

_limit_option = limit_option("At most this many.")
_customer_option = click.option("--customer", "customer_id", default="", help="Only of this customer.")
_reference_option = click.option(
    "--reference", required=True, help="Of the order of the authority or court: letters, digits, . _ / -"
)
_staff_option = staff_id_option("Who asks, recorded beside your certificate; required where several share it.")


@click.command("hold")
@repeats(_staff_option, with_json=False)
@click.argument("customer_id", metavar="CUSTOMER")
@_reference_option
@click.option("--until", type=DayOrInstantType(), help="Its end: a day, or a time as 2027-06-30T12:00+08:00.")
def hold(asking: Asking, customer_id: str, reference: str, until: date | None) -> None:
    """Keep everything of CUSTOMER for an authority or a court, whatever the rules of retention say.

    For the region's own staff, of its own customers. Other regions that keep something of CUSTOMER are told. Without
    --until it holds until it is released. The same reference again moves its end.

    \b
    Example:
      region-node customers hold C-1 --reference court/2026-17 --until 2027-06-30
    """
    end = None if until is None else to_timestamp(ending(asking.link, until))
    request = api.HoldCustomerRequest(customer_id=customer_id, reference=reference, end_time=end)
    response = asking.ask(lambda channel: RetentionServiceStub(channel).HoldCustomer, request)
    click.echo(_hold_line(response.hold))


@click.command("release-hold")
@repeats(_staff_option, with_json=False)
@click.argument("customer_id", metavar="CUSTOMER")
@_reference_option
def release_hold(asking: Asking, customer_id: str, reference: str) -> None:
    """End a hold of CUSTOMER before its time.

    For the region's own staff. The hold stays in the list.

    \b
    Example:
      region-node customers release-hold C-1 --reference court/2026-17
    """
    request = api.ReleaseHoldRequest(
        customer_id=customer_id,
        reference=reference,
    )
    response = asking.ask(lambda channel: RetentionServiceStub(channel).ReleaseHold, request)
    click.echo(_hold_line(response.hold))


@click.command("holds")
@reads(_limit_option)
@_customer_option
def list_holds(asking: Asking, customer_id: str) -> None:
    """List legal holds, also those that have ended.

    \b
    Example:
      region-node customers holds --customer C-1
    """
    request = api.ListHoldsRequest(customer_id=customer_id)
    response = asking.ask(lambda channel: RetentionServiceStub(channel).ListHolds, request)
    _tell(asking, response, [_hold_line(each) for each in response.holds], translated("There is no hold."))


@click.group()
def retention() -> None:
    """Show what the nightly purge did."""


@retention.command()
@reads(_limit_option)
def report(asking: Asking) -> None:
    """Show what was removed of each class of data, night by night, the last night first.

    \b
    Example:
      region-node retention report --limit 12
    """
    response = asking.ask(lambda channel: RetentionServiceStub(channel).ListPurges, api.ListPurgesRequest())
    nothing = translated("Nothing was purged yet: the first purge is at two in the region's next night.")
    _tell(asking, response, [_purge_line(each) for each in response.purges], nothing)


@click.group("impact-records")
def impact_records() -> None:
    """Record what was assessed before customers' data is given to other regions."""


@impact_records.command("record")
@repeats(_staff_option, with_json=False)
@click.argument("file", type=click.File(encoding="utf-8"))
def record_impact(asking: Asking, file: TextIO) -> None:
    """Record the assessment in FILE: an ImpactRecord of the contract as JSON.

    For the region's own staff. Without an assessor in FILE, --staff-id is the one. Purpose, necessity, effect on
    rights, protection, who assessed it and when (Personal Information Protection Law, art. 56). It is kept for
    three years, and never changed.

    \b
    Example:
      echo '{"id": "PIA-1", "purpose": "orders", "necessity": "...", "effect": "...", "protection": "...",
      "assessor": "4711", "assess_time": "2026-11-01T08:00:00Z"}' | region-node impact-records record -
    """
    try:
        told = Parse(file.read(), api.ImpactRecord())
    except (ParseError, UnicodeDecodeError) as error:
        raise click.UsageError(str(error)) from error
    told.assessor = told.assessor or asking.staff_id
    request = api.RecordImpactRequest(
        record=told,
    )
    response = asking.ask(lambda channel: RetentionServiceStub(channel).RecordImpact, request)
    click.echo(_record_line(response.record))


@impact_records.command("list")
@reads(_limit_option)
def list_impact_records(asking: Asking) -> None:
    """List assessments.

    \b
    Example:
      region-node impact-records list --json
    """
    request = api.ListImpactRecordsRequest()
    response = asking.ask(lambda channel: RetentionServiceStub(channel).ListImpactRecords, request)
    nothing = translated("No assessment is recorded.")
    _tell(asking, response, [_record_line(each) for each in response.records], nothing)


def _tell(asking: Asking, message: Message, lines: Sequence[str], nothing: str) -> None:
    """The answer as JSON, or in lines; where it is empty, a person is told so."""
    if asking.as_json:
        print_message(message, defaults=True)
    else:
        click.echo("\n".join(lines or [nothing]))


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
