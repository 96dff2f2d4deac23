"""Where a fault is, by the registry of the network: whose it is, and whether that is in the countryside. Pure."""

from gateway.api.region.v1.fault_pb2 import FaultPlace, FaultReport
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.catalogue import Federation


def settle(federation: Federation, report: FaultReport) -> None:
    """Completes where a fault is, and which services it affects, by the registry. `report` is changed in place.

    A site beats a link, and both beat what was said of the region. Of a link that has an end in the countryside the
    reporter says whether the fault is there. Raises Refused with SITE_UNKNOWN, LINK_UNKNOWN, NETWORK_SERVICE_UNKNOWN,
    REGION_UNKNOWN, and with REQUEST_INVALID for a site that the link does not touch.
    """
    place, network = report.place, federation.network
    region = owner_of(federation, place)
    if place.region and place.region != region:
        problem = f"the registry says {region}"
        raise Refused(Reason.REASON_REQUEST_INVALID, field="report.place.region", problem=problem)
    place.region = region
    if place.site:
        place.rural = network.site(place.site).rural
    for service in report.services:
        network.service(service)
    if not report.services:
        sites, links = [place.site] if place.site else [], [place.link] if place.link else []
        report.services.extend(each.id for each in network.services_on(sites=sites, links=links))


def check(federation: Federation, report: FaultReport) -> str:
    """Holds what another region has said of a place against the own registry; returns the region in which it is.

    Services that are unknown here are left out: the other region may go by a newer configuration. `report` is changed
    in place. Raises Refused as `owner_of`.
    """
    place, network = report.place, federation.network
    region = owner_of(federation, place)
    if place.site:
        place.rural = network.site(place.site).rural
    known = [each for each in report.services if each in network.services]
    del report.services[:]
    report.services.extend(known)
    return region


def owner_of(federation: Federation, place: FaultPlace) -> str:
    """The region in which a fault is: that of the site, else the one that maintains the link, else the one named.

    Raises Refused with SITE_UNKNOWN, LINK_UNKNOWN, REGION_UNKNOWN, and with REQUEST_INVALID for a site that the link
    does not touch.
    """
    network = federation.network
    if place.link:
        link = network.link(place.link)
        if place.site and place.site not in (link.site_a, link.site_b):
            raise Refused(Reason.REASON_REQUEST_INVALID, field="report.place.site", problem="not an end of the link")
    if place.site:
        return network.site(place.site).region
    if place.link:
        return network.link(place.link).region
    return federation.region(place.region).id
