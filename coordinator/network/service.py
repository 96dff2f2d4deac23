"""PathService: the quality of paths between regions, for administrators."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import grpc

from coordinator.network.figures import down_links, measured_links
from coordinator.network.matrices import Basis, KeptMatrices, pair_of
from coordinator.network.paths import LinkGraph, Measured, main_sites, upgraded
from coordinator.oversight.region_queries import Answers, Regions, readable_answer
from coordinator.registry.port import Registry
from gateway.api.coordinator.v1 import path_service_pb2 as contract
from gateway.api.coordinator.v1.administration_pb2 import UnansweredRegion
from gateway.api.coordinator.v1.path_service_pb2_grpc import PathServiceServicer
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.network_pb2 import Link, Network
from gateway.api.region.v1.measurement_service_pb2 import ReportLinksRequest, ReportLinksResponse
from gateway.api.region.v1.measurement_service_pb2_grpc import MeasurementServiceStub
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid, unknown
from gateway.federation.network import NetworkRegistry
from gateway.federation.network_rules import network_problems

_MOST_CHANGES = 200  # links in one question


@dataclass(frozen=True)
class _Asked:
    """What paths are computed from, the links that are down, and the regions without an answer."""

    basis: Basis
    down: Sequence[str]
    unanswered: Sequence[UnansweredRegion]


class PathService(PathServiceServicer):
    """See the contract."""

    def __init__(self, regions: Regions, registry: Registry) -> None:
        self._regions = regions
        self._registry = registry
        self._matrices = KeptMatrices()

    async def FindPaths(
        self,
        request: contract.FindPathsRequest,
        context: grpc.aio.ServicerContext[contract.FindPathsRequest, contract.FindPathsResponse],
    ) -> contract.FindPathsResponse:
        """See the contract."""
        network = self._configuration().network
        start, end = _site(network, request.start), _site(network, request.end)
        if start == end:
            raise invalid("end", "is the start, too", "与起点相同")
        asked = await self._asked(request.basis)
        # In a thread: in a large network it takes longer than envelopes may wait.
        found = await asyncio.to_thread(pair_of, start, end, asked.basis)
        return contract.FindPathsResponse(
            paths=found.paths,
            changed=found.changed if found.HasField("changed") else None,
            down=asked.down,
            unanswered=asked.unanswered,
        )

    async def GetPathMatrix(
        self,
        request: contract.GetPathMatrixRequest,
        context: grpc.aio.ServicerContext[contract.GetPathMatrixRequest, contract.GetPathMatrixResponse],
    ) -> contract.GetPathMatrixResponse:
        """See the contract."""
        asked, configuration = await self._asked(request.basis), self._configuration()
        sites = main_sites(configuration.network)
        pairs = await self._matrices.pairs(sites, asked.basis)
        return contract.GetPathMatrixResponse(
            pairs=pairs,
            down=asked.down,
            unanswered=asked.unanswered,
            regions=[
                contract.NamedRegion(region=each.id, name=each.name)
                for each in configuration.regions
                if each.id in sites
            ],
        )

    def _configuration(self) -> Configuration:
        return self._registry.snapshot().configuration or Configuration()

    async def _asked(self, asked: contract.PathBasis) -> _Asked:
        configuration = self._configuration()
        network = configuration.network
        registry = NetworkRegistry(network)
        allowed = registry.quality_class(asked.quality_class) if asked.quality_class else None
        wanted_down = {registry.link(each).id for each in asked.down}
        after = _after(configuration, asked.changed_links)
        answers = Answers[ReportLinksResponse]({}, {}) if asked.by_design else await self._reports()
        down = wanted_down | down_links(network, answers.by_region)
        measured = measured_links(network, answers.by_region)
        now = LinkGraph(network, measured, down)
        changed = _graph_after(after, asked.changed_links, measured, down) if after is not None else None
        return _Asked(Basis(now, changed, allowed), sorted(down), answers.unanswered())

    async def _reports(self) -> Answers[ReportLinksResponse]:
        return await self._regions.ask(
            self._regions.joined(),
            lambda channel, seconds: readable_answer(
                MeasurementServiceStub(channel).ReportLinks, ReportLinksRequest(), seconds
            ),
        )


def _site(network: Network, place: str) -> str:
    """The site of an id, or the main site of a region. Raises Refused with SITE_UNKNOWN."""
    if any(site.id == place for site in network.sites):
        return place
    by_region = main_sites(network)
    found = by_region.get(place)
    if found is None:
        raise unknown(Reason.REASON_SITE_UNKNOWN, [*by_region, *(site.id for site in network.sites)], site=place)
    return found


def _after(configuration: Configuration, changes: Sequence[Link]) -> Network | None:
    """The network with the changes; None without changes. Raises Refused for an invalid result."""
    if not changes:
        return None
    if len(changes) > _MOST_CHANGES:
        raise invalid("basis.changed_links", f"more than {_MOST_CHANGES} links", f"链路超过{_MOST_CHANGES}条")
    after = upgraded(configuration.network, changes)
    currencies = {region.id: region.currency for region in configuration.regions}
    for problem in network_problems(after, currencies):
        raise Refused(Reason.REASON_REQUEST_INVALID, field="basis.changed_links", problem=problem)
    return after


def _graph_after(
    network: Network, changes: Sequence[Link], measured: Mapping[str, Measured], down: set[str]
) -> LinkGraph:
    """The measurements of a link do not hold after its change."""
    new = {link.id for link in changes}
    return LinkGraph(network, {link: told for link, told in measured.items() if link not in new}, down)
