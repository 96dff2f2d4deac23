"""`region-node customers hold`, `release-hold` and `holds`: legal holds for an authority."""

from datetime import date

import click

from gateway.api.region.v1 import retention_service_pb2 as api
from gateway.api.region.v1.retention_service_pb2_grpc import RetentionServiceStub
from gateway.cli.asking import limit_option
from gateway.time.clock import to_timestamp
from gateway.wording.languages import translated
from gateway.wording.times import told_time
from region_node.cli.asking import Asking, reads, repeats
from region_node.cli.options import recorded_staff_option
from region_node.cli.times import DayOrInstantType, ending

_customer_option = click.option("--customer", "customer_id", default="", help="Only of this customer.")
_reference_option = click.option(
    "--reference", required=True, help="Of the order of the authority or court: letters, digits, . _ / -"
)


@click.command("hold")
@repeats(recorded_staff_option, with_json=False)
@click.argument("customer_id", metavar="CUSTOMER")
@_reference_option
@click.option("--until", type=DayOrInstantType(), help="Its end: a day, or a time as 2027-06-30T12:00+08:00.")
def hold(asking: Asking, customer_id: str, reference: str, until: date | None) -> None:
    """Keep everything of CUSTOMER for an authority or a court, whatever the rules of retention say.

    For the region's own staff, of its own customers. Other regions that keep something of CUSTOMER are told. Without
    --until it holds until it is released. The same reference again moves its end. A second person confirms an earlier
    end first (`approvals confirm`); then run the same command again.

    \b
    Example:
      region-node customers hold C-1 --reference court/2026-17 --until 2027-06-30
    """
    end = None if until is None else to_timestamp(ending(asking.link, until))
    request = api.HoldCustomerRequest(customer_id=customer_id, reference=reference, end_time=end)
    response = asking.ask(lambda channel: RetentionServiceStub(channel).HoldCustomer, request)
    click.echo(_hold_line(response.hold))


@click.command("release-hold")
@repeats(recorded_staff_option, with_json=False)
@click.argument("customer_id", metavar="CUSTOMER")
@_reference_option
def release_hold(asking: Asking, customer_id: str, reference: str) -> None:
    """End a hold of CUSTOMER before its time.

    For the region's own staff. The hold stays in the list. A second person confirms it first (`approvals confirm`);
    then run the same command again.

    \b
    Example:
      region-node customers release-hold C-1 --reference court/2026-17
    """
    request = api.ReleaseHoldRequest(customer_id=customer_id, reference=reference)
    response = asking.ask(lambda channel: RetentionServiceStub(channel).ReleaseHold, request)
    click.echo(_hold_line(response.hold))


@click.command("holds")
@reads(limit_option("At most this many."))
@_customer_option
def list_holds(asking: Asking, customer_id: str) -> None:
    """List legal holds, also those that have ended.

    \b
    Example:
      region-node customers holds --customer C-1
    """
    request = api.ListHoldsRequest(customer_id=customer_id)
    response = asking.ask(lambda channel: RetentionServiceStub(channel).ListHolds, request)
    asking.say_each(response, [_hold_line(each) for each in response.holds], translated("There is no hold."))


def _hold_line(kept: api.LegalHold) -> str:
    until = told_time(kept.end_time) if kept.HasField("end_time") else translated("released")
    return translated(
        "customer {customer}, reference {reference}: held from {start} until {end}",
        customer=kept.customer_id,
        reference=kept.reference,
        start=told_time(kept.start_time),
        end=until,
    )
