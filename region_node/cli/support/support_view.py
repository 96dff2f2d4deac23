"""How support requests, experts and spares are shown to people."""

from collections.abc import Sequence

import click

from gateway.api.region.v1.support_request_pb2 import SupportMeasurement, SupportRequest, SupportState
from gateway.api.region.v1.support_resource_service_pb2 import SupportUnanswered
from gateway.cli.table import Table, TableColumn, show_timeline
from gateway.errors import reason_name
from gateway.wording.languages import translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_time
from gateway.wording.words import value_word
from region_node.network.support.course import happened, why

SUPPORT_REQUESTS = Table[SupportRequest](
    TableColumn("support request", lambda each: each.id),
    TableColumn("service", lambda each: each.inquiry.service),
    TableColumn("state", lambda each: _state(each.state)),
    TableColumn("region at fault", lambda each: region_name(each.owner_region)),
    TableColumn("opened", lambda each: told_time(each.create_time)),
    TableColumn("subject", lambda each: each.inquiry.subject),
)
"""The table of support requests."""
_MEASUREMENTS = Table[SupportMeasurement](
    TableColumn("link", lambda each: each.link),
    TableColumn("delay (us)", lambda each: str(each.delay_us)),
    TableColumn("variation (us)", lambda each: str(each.delay_variation_us)),
    TableColumn("loss (of 1,000,000,000)", lambda each: str(each.loss_ppb)),
    TableColumn("begins", lambda each: told_time(each.start_time)),
    TableColumn("to", lambda each: told_time(each.end_time)),
)


def print_told(request: SupportRequest) -> None:
    """Prints the state of a support request in a line."""
    told = translated(
        "{request}: {state}; the region at fault is {region}",
        request=request.id,
        state=_state(request.state),
        region=region_name(request.owner_region),
    )
    click.echo(told)


def print_request(request: SupportRequest) -> None:
    """Prints a support request in full: the finding, the measurements, and the timeline of both regions."""
    inquiry = request.inquiry
    print_told(request)
    click.echo(f"{inquiry.service} {inquiry.number} {inquiry.subject}")
    click.echo(inquiry.description)
    click.echo(why(request))
    if inquiry.measurements:
        _MEASUREMENTS.show(inquiry.measurements)
    if request.resolution:
        click.echo(translated("Resolution: {text}", text=request.resolution))
    click.echo()
    show_timeline(happened(request))


def print_unanswered(unanswered: Sequence[SupportUnanswered]) -> None:
    """The regions that did not answer, on standard error."""
    for each in unanswered:
        told = translated(
            "No answer from {region}: {reason}", region=region_name(each.region), reason=reason_name(each.reason)
        )
        click.echo(told, err=True)


def _state(state: SupportState.ValueType) -> str:
    return value_word(SupportState.DESCRIPTOR, state)
