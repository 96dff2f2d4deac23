"""The times in which several outages of parts together took a service down, but none alone. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from gateway.api.federation.v1.network_pb2 import NetworkService
from gateway.api.region.v1.agreement_pb2 import OutageCause
from gateway.federation.network import NetworkRegistry
from gateway.federation.network_ways import Parts, is_down, uses
from region_node.network.agreements.rules import Outage
from region_node.network.agreements.spans import Span

JOINED = " + "  # between the sources of an outage that had several


@dataclass(frozen=True)
class PartsOut:
    """A time in which parts of the network were out, with its cause."""

    source: str
    span: Span
    parts: Parts
    cause: OutageCause.ValueType
    announced: int | None = None
    """The announcement of a planned outage, in microseconds; None for an emergency."""


def down_together(network: NetworkRegistry, service: NetworkService, found: Iterable[PartsOut]) -> list[Outage]:
    """The times at which a combination of outages leaves a service without a path, and no single one does.

    Outages of a single cause without a path left belong to that cause, whatever else is out. Where only several causes
    together leave no path, the operators are responsible: the service should survive each. The latest announcement
    among the works counts.
    """
    touching = [each for each in found if uses(network, service, each.parts)]
    times = sorted({time for each in touching for time in (each.span.start, each.span.end)})
    outages: list[Outage] = []
    for span in (Span(start, end) for start, end in pairwise(times)):
        there = [each for each in touching if each.span.start <= span.start and span.end <= each.span.end]
        if any(is_down(network, service, each.parts) for each in there):
            continue
        for each in (_outage(span, members) for members in _sets(network, service, there)):
            _add(outages, each)
    return outages


def _add(outages: list[Outage], outage: Outage) -> None:
    """Adds the next outage; a continuing one stays one."""
    for place, before in enumerate(outages):
        if (before.source, before.cause, before.span.end) == (outage.source, outage.cause, outage.span.start):
            outages[place] = replace(before, span=Span(before.span.start, outage.span.end))
            return
    outages.append(outage)


def _sets(network: NetworkRegistry, service: NetworkService, there: Sequence[PartsOut]) -> list[Sequence[PartsOut]]:
    """The outages of each cause that together leave no path; without a sufficient cause, all of them, if they do."""
    causes = sorted({each.cause for each in there})
    of_one = [[each for each in there if each.cause == cause] for cause in causes]
    enough: list[Sequence[PartsOut]] = [each for each in of_one if _leave_no_way(network, service, each)]
    if enough or not _leave_no_way(network, service, there):
        return enough
    return [there]


def _leave_no_way(network: NetworkRegistry, service: NetworkService, out: Iterable[PartsOut]) -> bool:
    together = Parts()
    for each in out:
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
