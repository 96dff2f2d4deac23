"""How support requests, experts and spares are shown to people."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import click

from gateway.api.region.v1.support_registry_service_pb2 import Expert, Spare, SupportUnanswered
from gateway.api.region.v1.support_request_pb2 import SupportFigure, SupportRequest, SupportState
from gateway.clock import from_timestamp
from gateway.errors import reason_name
from gateway.languages import translated
from gateway.terminal import print_table
from gateway.terms import region_name
from gateway.times import told_time
from gateway.words import word


def print_list(requests: Sequence[SupportRequest]) -> None:
    """One line for each support request."""
    columns = [
        translated("support request"),
        translated("service"),
        translated("state"),
        translated("region at fault"),
        translated("opened"),
        translated("subject"),
    ]
    rows = [
        (
            each.id,
            each.inquiry.service,
            _state(each.state),
            region_name(each.owner_region),
            told_time(each.creation_date),
            each.inquiry.subject,
        )
        for each in requests
    ]
    print_table(columns, rows)


def print_told(request: SupportRequest) -> None:
    """How a support request stands, in a line."""
    told = translated(
        "{request}: {state}; the region at fault is {region}",
        request=request.id,
        state=_state(request.state),
        region=region_name(request.owner_region),
    )
    click.echo(told)


def print_request(request: SupportRequest) -> None:
    """Everything that is known of a support request: why that region, what was measured, and the timeline of both."""
    inquiry = request.inquiry
    print_told(request)
    click.echo(f"{inquiry.service} {inquiry.number} {inquiry.subject}")
    click.echo(inquiry.description)
    click.echo(_why(request))
    if inquiry.measurements:
        columns = [
            translated("link"),
            translated("delay (us)"),
            translated("variation (us)"),
            translated("loss (of 1,000,000,000)"),
            translated("begins"),
            translated("to"),
        ]
        rows = [
            (
                each.link,
                str(each.delay_us),
                str(each.delay_variation_us),
                str(each.loss_ppb),
                told_time(each.start_time),
                told_time(each.end_time),
            )
            for each in inquiry.measurements
        ]
        print_table(columns, rows)
    if request.resolution:
        click.echo(translated("Resolution: {text}", text=request.resolution))
    click.echo()
    columns = [translated("time"), translated("who"), translated("what")]
    timeline = sorted(_happened(request), key=lambda row: row[0])
    print_table(columns, [(told_time(time), who, what) for time, who, what in timeline])


def print_experts(experts: Sequence[Expert]) -> None:
    """One line for each expert."""
    columns = [translated("region"), translated("staff id"), translated("skills"), translated("sites")]
    rows = [
        (region_name(each.region), each.staff_id, " ".join(each.skills), " ".join(each.sites) or "-")
        for each in experts
    ]
    print_table(columns, rows)


def print_spares(spares: Sequence[Spare]) -> None:
    """One line for each part at a site."""
    columns = [
        translated("region"),
        translated("site"),
        translated("part number"),
        translated("model"),
        translated("count"),
    ]
    print_table(
        columns,
        [(region_name(each.region), each.site, each.part_number, each.model, str(each.count)) for each in spares],
    )


def print_unanswered(unanswered: Sequence[SupportUnanswered]) -> None:
    """The regions that did not answer, on standard error."""
    for each in unanswered:
        told = translated(
            "No answer from {region}: {reason}", region=region_name(each.region), reason=reason_name(each.reason)
        )
        click.echo(told, err=True)


def _why(request: SupportRequest) -> str:
    finding = request.finding
    if not finding.link:
        return translated(
            "No link breaches its share: the region that runs the service is {region}.",
            region=region_name(finding.region),
        )
    return translated(
        "{link} breaches its share the most: {figure} {measured}, share {share}; {region} maintains it.",
        link=finding.link,
        figure=word(SupportFigure.Name(finding.figure), "SUPPORT_FIGURE_"),
        measured=finding.measured,
        share=finding.share,
        region=region_name(finding.region),
    )


def _happened(request: SupportRequest) -> Iterator[tuple[datetime, str, str]]:
    """When, who, what."""
    for change in request.state_changes:
        told = f"{_state(change.state)} {change.reason}".strip()
        yield from_timestamp(change.time), change.author, told
    for note in request.notes:
        yield from_timestamp(note.time), note.author, note.text


def _state(state: SupportState.ValueType) -> str:
    return word(SupportState.Name(state), "SUPPORT_STATE_")
