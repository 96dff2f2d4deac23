"""Rules for the registry of the network. Pure."""

from collections.abc import Collection, Iterator, Mapping

from gateway.api.federation.v1.network_pb2 import Link, Network, NetworkService, QualityClass, Site
from gateway.federation.checks import label_problems, region_problems, text_problems, twice

_ALL = 1_000_000_000  # the denominator of a share of packets
_POLE, _ANTIMERIDIAN = 90, 180  # degrees


def network_problems(network: Network, currencies: Mapping[str, str]) -> Iterator[str]:
    """Problems in the network, each with its path; regions are the keys of `currencies`."""
    sites = {site.id: site for site in network.sites}
    links = {link.id: link for link in network.links}
    classes = {each.name for each in network.quality_classes}
    yield from twice("network.sites", (site.id for site in network.sites))
    yield from twice("network.links", (link.id for link in network.links))
    yield from twice("network.services", (service.id for service in network.services))
    yield from twice("network.quality_classes", (each.name for each in network.quality_classes))
    for site in network.sites:
        path = f"network.sites[{site.id}]"
        yield from label_problems(f"{path}.id", site.id)
        yield from text_problems(f"{path}.name", site.name)
        yield from region_problems(f"{path}.region", site.region, currencies)
        if not abs(site.location.latitude) <= _POLE:
            yield f"{path}.location.latitude: must be -{_POLE} to {_POLE}"
        if not abs(site.location.longitude) <= _ANTIMERIDIAN:
            yield f"{path}.location.longitude: must be -{_ANTIMERIDIAN} to {_ANTIMERIDIAN}"
    for link in network.links:
        yield from _link_problems(f"network.links[{link.id}]", link, sites)
    for service in network.services:
        yield from _service_problems(service, sites, links, classes, currencies)
    for each in network.quality_classes:
        yield from _class_problems(f"network.quality_classes[{each.name}]", each)


def _link_problems(path: str, link: Link, sites: Mapping[str, Site]) -> Iterator[str]:
    yield from label_problems(f"{path}.id", link.id)
    for field, site in (("site_a", link.site_a), ("site_b", link.site_b)):
        if site not in sites:
            yield f"{path}.{field}: unknown site {site!r}"
    if link.site_a == link.site_b:
        yield f"{path}.site_b: is the other end, too"
    ends = {sites[site].region for site in (link.site_a, link.site_b) if site in sites}
    if link.region not in ends:
        yield f"{path}.region: must be that of one of its sites"
    if link.capacity_mbps <= 0:
        yield f"{path}.capacity_mbps: must be positive"
    if link.delay_us <= 0:
        yield f"{path}.delay_us: must be positive"
    if link.delay_variation_us < 0:
        yield f"{path}.delay_variation_us: must not be negative"
    if not 0 <= link.loss_ppb <= _ALL:
        yield f"{path}.loss_ppb: must be 0 to {_ALL}"


def _service_problems(
    service: NetworkService,
    sites: Mapping[str, Site],
    links: Mapping[str, Link],
    classes: Collection[str],
    currencies: Mapping[str, str],
) -> Iterator[str]:
    path = f"network.services[{service.id}]"
    yield from label_problems(f"{path}.id", service.id)
    yield from text_problems(f"{path}.name", service.name)
    yield from region_problems(f"{path}.region", service.region, currencies)
    if not service.sites and not service.links:
        yield f"{path}: uses neither a site nor a link, so nothing could affect it"
    yield from twice(f"{path}.sites", service.sites)
    yield from twice(f"{path}.links", service.links)
    for site in service.sites:
        if site not in sites:
            yield f"{path}.sites: unknown site {site!r}"
    for link in service.links:
        if link not in links:
            yield f"{path}.links: unknown link {link!r}"
    if service.quality_class and service.quality_class not in classes:
        yield f"{path}.quality_class: unknown class {service.quality_class!r}"


def _class_problems(path: str, each: QualityClass) -> Iterator[str]:
    yield from label_problems(f"{path}.name", each.name)
    yield from text_problems(f"{path}.title", each.title)
    if min(each.delay_us, each.delay_variation_us, each.loss_ppb) < 0 or each.loss_ppb > _ALL:
        yield f"{path}: a bound must not be negative, and a loss at most {_ALL}"
    if not each.source.strip():
        yield f"{path}.source: is missing"
