"""The names of sites, links and services of the network, as the registry has them."""

from collections.abc import Iterable, Iterator, Mapping

from gateway.api.federation.v1.network_pb2 import Network
from gateway.api.federation.v1.problem_pb2 import NetworkElementKind
from gateway.cli.problems import Names
from gateway.wording.languages import enumerated, in_language, remarked
from gateway.wording.terms import named

LINK, SITE, SERVICE = (
    NetworkElementKind.NETWORK_ELEMENT_KIND_LINK,
    NetworkElementKind.NETWORK_ELEMENT_KIND_SITE,
    NetworkElementKind.NETWORK_ELEMENT_KIND_SERVICE,
)


def names_in(network: Network) -> Names:
    """The names of all elements, each with its id; that of a link has its two sites."""
    return dict(_names(network))


def site_names(network: Network) -> Mapping[str, str]:
    """The names of the sites alone, by id."""
    return {each.id: in_language(each.name) or each.id for each in network.sites}


def told_elements(kind: NetworkElementKind.ValueType, ids: Iterable[str], names: Names) -> str:
    """Elements of one kind in one line, by their names; by the id where `names` lacks one."""
    return enumerated(names.get((kind, each), each) for each in ids)


def _names(network: Network) -> Iterator[tuple[tuple[NetworkElementKind.ValueType, str], str]]:
    sites = site_names(network)
    for site in network.sites:
        yield (SITE, site.id), named(site.id, site.name)
    for link in network.links:
        ends = [sites.get(each, each) for each in (link.site_a, link.site_b)]
        yield (LINK, link.id), remarked(" - ".join(ends), link.id) if all(ends) else link.id
    for service in network.services:
        yield (SERVICE, service.id), named(service.id, service.name)
