"""The possible causes of events, by the registry of the network. Pure."""

from collections.abc import Iterator, Mapping
from enum import IntEnum
from functools import lru_cache
from typing import Final, NamedTuple

from gateway.api.federation.v1.network_pb2 import NetworkService
from gateway.federation import network_ways
from gateway.federation.network import NetworkRegistry
from gateway.federation.network_ways import Parts

_OWN = 1.0  # the weight of a cause for its own events
_NEIGHBOUR = 0.7  # a link at a site that is down
_END = 0.6  # a site at the end of a link that is cut
_USER = 0.5  # a service that cannot do without it


class Kind(IntEnum):
    """The kind of an element; of two equally good causes, the first kind counts."""

    LINK = 1
    SITE = 2
    SERVICE = 3


class Element(NamedTuple):
    """Something in the registry of the network."""

    kind: Kind
    id: str


class Topology:
    """Causes and their symptoms. Elements that the registry does not know explain themselves alone."""

    def __init__(self, network: NetworkRegistry) -> None:
        self._network = network
        self.causes_of: Final = lru_cache(maxsize=None)(self._causes_of)
        self.expected: Final = lru_cache(maxsize=None)(self._expected)

    def _causes_of(self, element: Element) -> Mapping[Element, float]:
        """The possible causes of an event of an element, each with its weight, up to 1."""
        found = {element: _OWN}
        for cause, weight in self._others(element):
            found[cause] = max(weight, found.get(cause, 0.0))
        return found

    def _others(self, element: Element) -> Iterator[tuple[Element, float]]:
        if element.kind == Kind.LINK and element.id in self._network.links:
            link = self._network.links[element.id]
            yield Element(Kind.SITE, link.site_a), _NEIGHBOUR
            yield Element(Kind.SITE, link.site_b), _NEIGHBOUR
        elif element.kind == Kind.SITE:
            for each in self._network.links_at(element.id):
                yield Element(Kind.LINK, each.id), _END
        elif element.kind == Kind.SERVICE and element.id in self._network.services:
            yield from self._below(self._network.services[element.id])

    def _below(self, service: NetworkService) -> Iterator[tuple[Element, float]]:
        for site in service.sites:
            yield Element(Kind.SITE, site), _USER
        for name in service.links:
            yield Element(Kind.LINK, name), _USER
            link = self._network.links[name]
            yield Element(Kind.SITE, link.site_a), _USER
            yield Element(Kind.SITE, link.site_b), _USER

    def _expected(self, cause: Element) -> tuple[Element, ...]:
        """The other elements that would show a cause: the links at a site, the ends of a link."""
        if cause.kind == Kind.SITE:
            return tuple(Element(Kind.LINK, each.id) for each in self._network.links_at(cause.id))
        if cause.kind == Kind.LINK and cause.id in self._network.links:
            link = self._network.links[cause.id]
            return Element(Kind.SITE, link.site_a), Element(Kind.SITE, link.site_b)
        return ()


def services_down(network: NetworkRegistry, down: frozenset[Element]) -> frozenset[str]:
    """The services that are down with these elements: by themselves, by a site, or by every path."""
    of_kind = {kind: frozenset(each.id for each in down if each.kind == kind) for kind in Kind}
    return of_kind[Kind.SERVICE] | network_ways.services_down(network, Parts(of_kind[Kind.SITE], of_kind[Kind.LINK]))
