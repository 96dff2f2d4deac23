"""The services of a problem that the region's own alarms and faults support. Pure."""

from collections.abc import Iterable

from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent
from gateway.api.federation.v1.problem_pb2 import (
    PERCEIVED_SEVERITY_MAJOR,
    PERCEIVED_SEVERITY_UNSPECIFIED,
    PROBLEM_STATE_CANCELLED,
    PROBLEM_STATE_IN_PROGRESS,
    PROBLEM_STATE_RESOLVED,
    PerceivedSeverity,
    ProblemHeader,
)
from gateway.federation.network import NetworkRegistry

_LINES = 3  # faults of single lines that count as one of staff, as in the correlation of coordinators


def is_support(event: NetworkEvent) -> bool:
    """Whether an event supports a problem: grave, neither over nor retracted, and no repeated report of a line."""
    return not (event.HasField("clear_time") or event.retracted or event.reported_again) and is_grave(event.severity)


def supported_services(network: NetworkRegistry, events: Iterable[NetworkEvent]) -> frozenset[str]:
    """The services that a region finds disturbed: by one event of the network, or by those of three lines.

    Only events that support a problem count, each once. An event reaches the services that it names, and those on its
    sites and links.
    """
    weights: dict[str, int] = {}
    for event in {each.id: each for each in events if is_support(each)}.values():
        links = [*event.links, *(link.id for site in event.sites for link in network.links_at(site))]
        on = {each.id for each in network.services_on(sites=event.sites, links=links)}
        for service in on.union(event.services):
            weights[service] = weights.get(service, 0) + (1 if event.of_one_line else _LINES)
    return frozenset(service for service, weight in weights.items() if weight >= _LINES)


def is_grave(severity: PerceivedSeverity.ValueType) -> bool:
    """Whether customers feel it: major, or critical."""
    return PERCEIVED_SEVERITY_UNSPECIFIED < severity <= PERCEIVED_SEVERITY_MAJOR


def has_notices(header: ProblemHeader) -> bool:
    """Whether customers get notices of the present state of a problem."""
    return is_begun(header) or is_over(header)


def is_begun(header: ProblemHeader) -> bool:
    """Whether a problem goes on, and customers feel it."""
    return header.state == PROBLEM_STATE_IN_PROGRESS and is_grave(header.severity)


def is_over(header: ProblemHeader) -> bool:
    """Whether a problem has ended and is not merged into another one; also for a retracted problem."""
    return header.state == PROBLEM_STATE_RESOLVED or (
        header.state == PROBLEM_STATE_CANCELLED and not header.merged_into_id
    )
