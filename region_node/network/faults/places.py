"""The place of a fault, by the registry of the network: its region, and whether it is rural. Pure."""

from collections.abc import Iterator
from itertools import islice

from gateway.api.federation.v1.network_pb2 import GeographicPoint, Link, Site
from gateway.api.region.v1.alarm_pb2 import NetworkObject
from gateway.api.region.v1.fault_pb2 import FaultPlace, FaultReport
from gateway.api.region.v1.fault_service_pb2 import FoundPlace, LinkEnd
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import invalid
from gateway.federation.catalogue import Federation
from gateway.federation.network import NetworkRegistry
from region_node.network.faults import rules

MOST_FOUND = 500
TEXT_LIMIT = 100  # characters of a search


def settle(federation: Federation, report: FaultReport) -> None:
    """Completes the place of a fault, and the services that it affects, by the registry. `report` is changed in place.

    A site decides before a link, and both before the reporter's region. For a link with a rural end the reporter says
    whether the fault is there. Raises Refused with SITE_UNKNOWN, LINK_UNKNOWN, NETWORK_SERVICE_UNKNOWN or
    REGION_UNKNOWN. Raises Refused with REQUEST_INVALID for a site that the link does not touch.
    """
    place, network = report.place, federation.network
    region = owner_of(federation, place)
    if place.region and place.region != region:
        raise invalid("report.place.region", f"the registry says {region}", f"登记为{region}")
    place.region = region
    if place.site:
        place.rural = network.site(place.site).rural
    for service in report.services:
        network.service(service)
    if not report.services and not rules.is_of_one_line(report):
        sites, links = [place.site] if place.site else [], [place.link] if place.link else []
        report.services.extend(each.id for each in network.services_on(sites=sites, links=links))


def check(federation: Federation, report: FaultReport) -> str:
    """Checks another region's place against the own registry; returns the region of the place.

    Removes services unknown here: the other region may have a newer configuration. `report` is changed in place. Raises
    Refused as `owner_of`.
    """
    place, network = report.place, federation.network
    region = owner_of(federation, place)
    if place.site:
        place.rural = network.site(place.site).rural
    known = [each for each in report.services if each in network.services]
    del report.services[:]
    report.services.extend(known)
    return region


def found(federation: Federation, text: str) -> list[FoundPlace]:
    """The elements of the registry with a text in their id, their names or their region's names; at most MOST_FOUND.

    Sites come first, then links, then services.
    """
    words, places = text.casefold(), _places(federation.network)
    return list(islice((each for each in places if not words or words in _words_of(federation, each)), MOST_FOUND))


def _places(network: NetworkRegistry) -> Iterator[FoundPlace]:
    for site in network.sites.values():
        yield FoundPlace(
            object=NetworkObject(site=site.id),
            name=site.name,
            region=site.region,
            rural=site.rural,
            location=_location(site),
        )
    for link in network.links.values():
        yield FoundPlace(
            object=NetworkObject(link=link.id),
            name=_name_of(network, link),
            region=link.region,
            ends=[_end(network.site(site)) for site in (link.site_a, link.site_b)],
        )
    for service in network.services.values():
        yield FoundPlace(object=NetworkObject(service=service.id), name=service.name, region=service.region)


def _name_of(network: NetworkRegistry, link: Link) -> LocalizedText:
    one, other = network.site(link.site_a).name, network.site(link.site_b).name
    return LocalizedText(zh_cn=f"{one.zh_cn} - {other.zh_cn}", en=f"{one.en} - {other.en}")


def _end(site: Site) -> LinkEnd:
    return LinkEnd(site=site.id, name=site.name, location=_location(site))


def _location(site: Site) -> GeographicPoint | None:
    return site.location if site.HasField("location") else None


def _words_of(federation: Federation, place: FoundPlace) -> str:
    about, region = place.object, federation.region(place.region)
    told = (about.site or about.link or about.service, place.name, region.id, region.name)
    return "\n".join(each if isinstance(each, str) else f"{each.zh_cn}\n{each.en}" for each in told).casefold()


def owner_of(federation: Federation, place: FaultPlace) -> str:
    """The region of a fault: that of the site, else the maintainer of the link, else the named one.

    Raises Refused with SITE_UNKNOWN, LINK_UNKNOWN or REGION_UNKNOWN. Raises Refused with REQUEST_INVALID for a site
    that the link does not touch.
    """
    network = federation.network
    if place.link:
        link = network.link(place.link)
        if place.site and place.site not in (link.site_a, link.site_b):
            raise invalid("report.place.site", "not an end of the link", "不是该链路的一端")
    if place.site:
        return network.site(place.site).region
    if place.link:
        return network.link(place.link).region
    return federation.region(place.region).id
