"""The services and pairs of sites that lose every path while parts of the network are out. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from gateway.api.federation.v1.network_pb2 import Link, NetworkService
from gateway.federation.network import NetworkRegistry


@dataclass(frozen=True)
class Parts:
    """Sites and links of the network, by id."""

    sites: frozenset[str] = frozenset()
    links: frozenset[str] = frozenset()

    def __or__(self, other: "Parts") -> "Parts":
        """Both together."""
        return Parts(self.sites | other.sites, self.links | other.links)


def services_down(network: NetworkRegistry, out: Parts) -> frozenset[str]:
    """The services with a site that is out, or without a path between their sites, while these parts are out.

    A service with links and fewer than two sites is down when all of its links are out.
    """
    return frozenset(each.id for each in services_on(network, out) if is_down(network, each, out))


def services_on(network: NetworkRegistry, parts: Parts) -> tuple[NetworkService, ...]:
    """The services that use any of these parts, or a link that ends at one of the sites; by id."""
    return tuple(each for each in network.services.values() if uses(network, each, parts))


def uses(network: NetworkRegistry, service: NetworkService, parts: Parts) -> bool:
    """Whether a service uses any of these parts, or a link that ends at one of the sites."""
    if not parts.sites.isdisjoint(service.sites) or not parts.links.isdisjoint(service.links):
        return True
    ending = (link.id for site in parts.sites for link in network.links_at(site))
    return not frozenset(service.links).isdisjoint(ending)


def is_down(network: NetworkRegistry, service: NetworkService, out: Parts) -> bool:
    """Whether a service is down where these parts are out."""
    if not out.sites.isdisjoint(service.sites):
        return True
    left = [link for each in service.links if (link := network.links.get(each)) is not None and _is_up(link, out)]
    if len(service.sites) <= 1:
        return bool(service.links) and not left
    reached = _components(service.sites, left)
    return len({reached[each] for each in service.sites}) > 1


def cut_together(network: NetworkRegistry, one: Parts, other: Parts) -> Iterator[str]:
    """The connections that only a failure of both cuts: ids of services, then pairs of sites as `a - b`."""
    both = one | other
    yield from sorted(services_down(network, both) - services_down(network, one) - services_down(network, other))
    alone, others, together = (_reached(network, each) for each in (one, other, both))
    for first, second in combinations(sorted(set(network.sites) - both.sites), 2):
        apart = together[first] != together[second]
        if apart and alone[first] == alone[second] and others[first] == others[second]:
            yield f"{first} - {second}"


def _is_up(link: Link, out: Parts) -> bool:
    return link.id not in out.links and link.site_a not in out.sites and link.site_b not in out.sites


def _reached(network: NetworkRegistry, out: Parts) -> Mapping[str, str]:
    return _components(network.sites, [link for link in network.links.values() if _is_up(link, out)])


def _components(sites: Collection[str], links: Iterable[Link]) -> Mapping[str, str]:
    """For each site, the representative of all sites that it can reach."""
    parent: dict[str, str] = {site: site for site in sites}

    def root(site: str) -> str:
        parent.setdefault(site, site)
        while parent[site] != site:
            parent[site] = parent[parent[site]]
            site = parent[site]
        return site

    for link in links:
        parent[root(link.site_a)] = root(link.site_b)
    return {site: root(site) for site in list(parent)}
