"""The network elements of events and problems, for correlation and as messages of the contract. Pure."""

from coordinator.problems.correlation import Observed
from coordinator.problems.topology import Element, Kind
from gateway.api.coordinator.v1.problem_service_pb2 import NETWORK_EVENT_KIND_FAULT, NetworkEvent
from gateway.api.federation.v1 import problem_pb2
from gateway.api.federation.v1.network_pb2 import Link, NetworkService, Site
from gateway.api.federation.v1.problem_pb2 import NetworkElement
from gateway.federation.network import NetworkRegistry
from gateway.time.clock import from_timestamp, to_microseconds

_KINDS = {
    Kind.LINK: problem_pb2.NETWORK_ELEMENT_KIND_LINK,
    Kind.SITE: problem_pb2.NETWORK_ELEMENT_KIND_SITE,
    Kind.SERVICE: problem_pb2.NETWORK_ELEMENT_KIND_SERVICE,
}
_OF_KINDS = {kind: own for own, kind in _KINDS.items()}


def observed(event: NetworkEvent) -> Observed:
    """An event in the form of correlation."""
    elements = {
        *(Element(Kind.SITE, each) for each in event.sites),
        *(Element(Kind.LINK, each) for each in event.links),
        *(Element(Kind.SERVICE, each) for each in event.services),
    }
    cleared = to_microseconds(from_timestamp(event.clear_time)) if event.HasField("clear_time") else None
    raised = to_microseconds(from_timestamp(event.raise_time))
    severity = event.severity if event.severity <= problem_pb2.PERCEIVED_SEVERITY_INDETERMINATE else 0
    if event.reported_again:
        severity = problem_pb2.PERCEIVED_SEVERITY_MINOR
    is_fault = event.kind == NETWORK_EVENT_KIND_FAULT
    return Observed(event.id, frozenset(elements), raised, cleared, severity, is_fault, event.of_one_line)


def element_message(element: Element) -> NetworkElement:
    """An element as a message of the contract."""
    return NetworkElement(kind=_KINDS[element.kind], id=element.id)


def element_of(message: NetworkElement) -> Element:
    """An element of the contract."""
    return Element(_OF_KINDS[message.kind], message.id)


def region_of(network: NetworkRegistry, element: Element) -> str:
    """The region responsible for an element; empty where the registry no longer has it."""
    found: Link | Site | NetworkService | None
    if element.kind == Kind.LINK:
        found = network.links.get(element.id)
    elif element.kind == Kind.SITE:
        found = network.sites.get(element.id)
    else:
        found = network.services.get(element.id)
    return found.region if found is not None else ""
