"""The names by which a shell completes options: those of the federation, as the coordinator tells them."""

from collections.abc import Iterable

import grpc

from coordinator.cli.connection import server_told
from gateway.api.coordinator.v1.administration_pb2 import GetConfigurationRequest, ListRegionsRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import ConfigurationServiceStub, MembershipServiceStub
from gateway.completion import SECONDS, completing


async def _regions(channel: grpc.aio.Channel) -> Iterable[str]:
    return [
        each.region
        for each in (await MembershipServiceStub(channel).ListRegions(ListRegionsRequest(), timeout=SECONDS)).members
    ]


async def _categories(channel: grpc.aio.Channel) -> Iterable[str]:
    in_force = await ConfigurationServiceStub(channel).GetConfiguration(GetConfigurationRequest(), timeout=SECONDS)
    return [each.code for each in in_force.configuration.complaint_categories]


complete_regions = completing(server_told, _regions)
complete_categories = completing(server_told, _categories)
