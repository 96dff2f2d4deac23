"""When a service was down by several outages of parts together, none of which took it down alone. Pure."""

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
    """Time in which parts of the network were out, and why."""

    source: str
    span: Span
    parts: Parts
    cause: OutageCause.ValueType
    announced: int | None = None
    """Of a planned one: when it was announced, in microseconds; None for an emergency."""


def down_together(network: NetworkRegistry, service: NetworkService, found: Iterable[PartsOut]) -> list[Outage]:
    """The times at which what is out leaves a service without a way, and nothing of it does so alone.

    What is out for one cause and leaves no way is an outage of that cause, whatever else is out besides. Where only
    several causes together do, it is the operators': the service was to outlive each. Of works it is as late as the one
    that was announced the latest before it began.
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
    """Adds what comes next; what goes on stays one."""
    for place, before in enumerate(outages):
        if (before.source, before.cause, before.span.end) == (outage.source, outage.cause, outage.span.start):
            outages[place] = replace(before, span=Span(before.span.start, outage.span.end))
            return
    outages.append(outage)


def _sets(network: NetworkRegistry, service: NetworkService, there: Sequence[PartsOut]) -> list[Sequence[PartsOut]]:
    """The outages of each cause that leave no way together; where no cause is enough all of them, if they do."""
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
