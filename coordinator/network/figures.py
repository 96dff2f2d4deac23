"""The link reports of the regions, combined. Pure."""

from collections.abc import Mapping

from coordinator.network.paths import Measured
from gateway.api.federation.v1.network_pb2 import Network
from gateway.api.region.v1.measurement_service_pb2 import LinkReport, ReportLinksResponse


def down_links(network: Network, reports: Mapping[str, ReportLinksResponse]) -> set[str]:
    """The links that a region with an end of them reports as down; `reports` are by region."""
    return {each.link for _, each in _reported(network, reports) if each.down}


def measured_links(network: Network, reports: Mapping[str, ReportLinksResponse]) -> dict[str, Measured]:
    """The measurements of links. Where both regions of a link measure, that of the link's maintainer counts."""
    maintained_by = {link.id: link.region for link in network.links}
    found: dict[str, Measured] = {}
    for region, each in _reported(network, reports):
        told = Measured(
            each.delay_us if each.HasField("delay_us") else None,
            each.delay_variation_us if each.HasField("delay_variation_us") else None,
            each.loss_ppb if each.HasField("loss_ppb") else None,
        )
        if told.is_anything and (each.link not in found or region == maintained_by[each.link]):
            found[each.link] = told
    return found


def _reported(network: Network, reports: Mapping[str, ReportLinksResponse]) -> list[tuple[str, LinkReport]]:
    """The reports of regions about links with an end in the region, without reports about other links."""
    region_of = {site.id: site.region for site in network.sites}
    ends = {link.id: (region_of.get(link.site_a), region_of.get(link.site_b)) for link in network.links}
    return [
        (region, each)
        for region, report in sorted(reports.items())
        for each in report.links
        if region in ends.get(each.link, ())
    ]
