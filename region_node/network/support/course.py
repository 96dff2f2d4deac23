"""The finding and the course of a support request for people."""

from collections.abc import Iterator

from gateway.api.region.v1.support_request_pb2 import SupportFigure, SupportRequest, SupportState
from gateway.time.clock import from_timestamp
from gateway.wording.languages import translated
from gateway.wording.terms import region_name
from gateway.wording.times import Happening
from gateway.wording.words import value_word


def happened(request: SupportRequest) -> Iterator[Happening]:
    """Time, author and text of each event."""
    for change in request.state_changes:
        told = f"{value_word(SupportState.DESCRIPTOR, change.state)} {change.reason}".strip()
        yield from_timestamp(change.time), change.author, told
    for note in request.notes:
        yield from_timestamp(note.time), note.author, note.text


def why(request: SupportRequest) -> str:
    """The region at fault, and the link that shows it."""
    finding = request.finding
    if not finding.link:
        return translated(
            "No link breaches its share: the region that runs the service is {region}.",
            region=region_name(finding.region),
        )
    return translated(
        "{link} breaches its share the most: {figure} {measured}, share {share}; {region} maintains it.",
        link=finding.link,
        figure=value_word(SupportFigure.DESCRIPTOR, finding.figure),
        measured=_told(finding.figure, finding.measured),
        share=_told(finding.figure, finding.share),
        region=region_name(finding.region),
    )


def _told(figure: SupportFigure.ValueType, number: int) -> str:
    """A measured value with its unit."""
    if figure == SupportFigure.SUPPORT_FIGURE_LOSS:
        return translated("{count:,} of 1,000,000,000", count=number)
    return f"{number:,} µs"
