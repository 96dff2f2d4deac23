"""When a service was down by several outages of parts together, none of which took it down alone. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gateway.api.federation.v1.network_pb2 import NetworkService
from gateway.api.region.v1.agreement_pb2 import OutageCause
from gateway.federation.network import NetworkRegistry
from gateway.federation.network_ways import Parts, is_down, services_on
from region_node.agreements.rules import Outage
from region_node.agreements.spans import Span

JOINED = " + "  # between the sources of an outage that had several


@dataclass(frozen=True)
class PartsOut:
    """Time in which parts of the network were out, and why."""

    source: str
    span: Span
    parts: Parts
    cause: OutageCause.ValueType
    announced: int | None = None
    """Of a planned one: when it was announced, in microseconds; None for an emergency."""


def down_together(network: NetworkRegistry, service: NetworkService, found: Iterable[PartsOut]) -> list[Outage]:
    """The times at which what is out leaves a service without a way, and nothing of it does so alone.

    Where the causes differ the cause is the operators': the service was to outlive either. All planned, it is as late
    as the one that was announced the latest before it began.
    """
    touching = [each for each in found if _touches(network, service, each.parts)]
    times = sorted({time for each in touching for time in (each.span.start, each.span.end)})
    outages: list[Outage] = []
    for span in (Span(start, end) for start, end in pairwise(times)):
        there = [each for each in touching if each.span.start <= span.start and span.end <= each.span.end]
        if not _are_down_only_together(network, service, there):
            continue
        outage = _outage(span, there)
        before = outages[-1] if outages else None
        if before is not None and before.span.end == span.start and before.source == outage.source:
            outages[-1] = _outage(Span(before.span.start, span.end), there)
        else:
            outages.append(outage)
    return outages


def _touches(network: NetworkRegistry, service: NetworkService, parts: Parts) -> bool:
    return any(each.id == service.id for each in services_on(network, parts))


def _are_down_only_together(network: NetworkRegistry, service: NetworkService, there: Sequence[PartsOut]) -> bool:
    if any(is_down(network, service, each.parts) for each in there):
        return False
    together = Parts()
    for each in there:
        together |= each.parts
    return is_down(network, service, together)


def _outage(span: Span, there: Sequence[PartsOut]) -> Outage:
    source = JOINED.join(sorted({each.source for each in there}))
    causes = {each.cause for each in there}
    if len(causes) > 1:
        return Outage(source, span, OutageCause.OUTAGE_CAUSE_OPERATOR)
    notices = list(_notices(there))
    announced = span.start - min(notices) if len(notices) == len(there) else None
    return Outage(source, span, causes.pop(), announced)


def _notices(there: Iterable[PartsOut]) -> Iterator[int]:
    """How long before its start each was announced that was announced at all."""
    for each in there:
        if each.announced is not None:
            yield each.span.start - each.announced
