"""Look-ups in the registry of the network."""

from collections.abc import Iterable
from functools import cached_property
from typing import Final

from gateway.api.federation.v1.network_pb2 import Link, Network, NetworkService, QualityClass, Site
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import unknown


class NetworkRegistry:
    """An immutable view of a valid network. Returned messages are shared and must not be changed."""

    def __init__(self, network: Network) -> None:
        self.sites: Final = {site.id: site for site in sorted(network.sites, key=lambda each: each.id)}
        self.links: Final = {link.id: link for link in sorted(network.links, key=lambda each: each.id)}
        self.services: Final = {each.id: each for each in sorted(network.services, key=lambda each: each.id)}
        self.quality_classes: Final = {each.name: each for each in network.quality_classes}

    def site(self, site: str) -> Site:
        """The site with this id. Raises `Refused` with SITE_UNKNOWN."""
        found = self.sites.get(site)
        if found is None:
            raise unknown(Reason.REASON_SITE_UNKNOWN, self.sites, site=site)
        return found

    def link(self, link: str) -> Link:
        """The link with this id. Raises `Refused` with LINK_UNKNOWN."""
        found = self.links.get(link)
        if found is None:
            raise unknown(Reason.REASON_LINK_UNKNOWN, self.links, link=link)
        return found

    def service(self, service: str) -> NetworkService:
        """The service with this id. Raises `Refused` with NETWORK_SERVICE_UNKNOWN."""
        found = self.services.get(service)
        if found is None:
            raise unknown(Reason.REASON_NETWORK_SERVICE_UNKNOWN, self.services, service=service)
        return found

    def quality_class(self, name: str) -> QualityClass:
        """The class with this name. Raises `Refused` with QUALITY_CLASS_UNKNOWN."""
        found = self.quality_classes.get(name)
        if found is None:
            raise unknown(Reason.REASON_QUALITY_CLASS_UNKNOWN, self.quality_classes, quality_class=name)
        return found

    def regions_of(self, link: Link) -> frozenset[str]:
        """The regions of the two ends of a link: one or two."""
        return frozenset({self.sites[link.site_a].region, self.sites[link.site_b].region})

    def regions_reporting(self, link: Link) -> frozenset[str]:
        """The regions that may report an outage of a link: its operator, and the regions of its ends."""
        return self.regions_of(link) | {link.region}

    def regions_concerned(self, service: NetworkService) -> frozenset[str]:
        """The regions that a service concerns: its operator, and the regions of its sites and links."""
        found = {service.region, *(self.sites[site].region for site in service.sites)}
        return frozenset(found.union(*(self.regions_of(self.links[link]) for link in service.links)))

    def links_at(self, site: str) -> tuple[Link, ...]:
        """The links that end at a site, by id."""
        return self._links_at.get(site, ())

    def services_on(self, *, sites: Iterable[str] = (), links: Iterable[str] = ()) -> tuple[NetworkService, ...]:
        """The services that use any of these sites or links, by id."""
        at, over = frozenset(sites), frozenset(links)
        return tuple(
            each for each in self.services.values() if not at.isdisjoint(each.sites) or not over.isdisjoint(each.links)
        )

    @cached_property
    def _links_at(self) -> dict[str, tuple[Link, ...]]:
        ends: dict[str, list[Link]] = {}
        for link in self.links.values():
            ends.setdefault(link.site_a, []).append(link)
            ends.setdefault(link.site_b, []).append(link)
        return {site: tuple(links) for site, links in ends.items()}
