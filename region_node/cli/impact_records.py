"""`region-node impact-records`: assessments before customers' data goes to other regions."""

from typing import TextIO

import click
from google.protobuf.json_format import ParseError

from gateway.api.region.v1 import retention_service_pb2 as api
from gateway.api.region.v1.retention_service_pb2_grpc import RetentionServiceStub
from gateway.cli.asking import limit_option
from gateway.values.json_messages import message_from
from gateway.wording.languages import translated
from gateway.wording.times import told_time
from region_node.cli.asking import Asking, reads, repeats
from region_node.cli.options import recorded_staff_option


@click.group("impact-records")
def impact_records() -> None:
    """Record what was assessed before customers' data is given to other regions."""


@impact_records.command("record")
@repeats(recorded_staff_option, with_json=False)
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
        told = message_from(file.read(), api.ImpactRecord())
    except (ParseError, UnicodeDecodeError) as error:
        raise click.UsageError(str(error)) from error
    told.assessor = told.assessor or asking.staff_id
    request = api.RecordImpactRequest(record=told)
    response = asking.ask(lambda channel: RetentionServiceStub(channel).RecordImpact, request)
    click.echo(_record_line(response.record))


@impact_records.command("list")
@reads(limit_option("At most this many."))
def list_impact_records(asking: Asking) -> None:
    """List assessments.

    \b
    Example:
      region-node impact-records list --json
    """
    request = api.ListImpactRecordsRequest()
    response = asking.ask(lambda channel: RetentionServiceStub(channel).ListImpactRecords, request)
    nothing = translated("No assessment is recorded.")
    asking.say_each(response, [_record_line(each) for each in response.records], nothing)


def _record_line(record: api.ImpactRecord) -> str:
    return translated(
        "{record}: {purpose} (assessed by {assessor}, {time})",
        record=record.id,
        purpose=record.purpose,
        assessor=record.assessor,
        time=told_time(record.assess_time),
    )
