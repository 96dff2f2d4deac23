"""The names by which a shell completes options: those of the federation, as the coordinator tells them."""

from collections.abc import Iterable

import grpc

from coordinator.cli.connection import server_told
from gateway.api.coordinator.v1.administration_pb2 import GetTermsRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import ConfigurationServiceStub
from gateway.api.federation.v1.terms_pb2 import Terms
from gateway.completion import SECONDS, completing


async def _terms(channel: grpc.aio.Channel) -> Terms:
    return (await ConfigurationServiceStub(channel).GetTerms(GetTermsRequest(), timeout=SECONDS)).terms


async def _regions(channel: grpc.aio.Channel) -> Iterable[str]:
    return [each.region for each in (await _terms(channel)).regions]


async def _categories(channel: grpc.aio.Channel) -> Iterable[str]:
    return [each.code for each in (await _terms(channel)).complaint_categories]


complete_regions = completing(server_told, _regions)
complete_categories = completing(server_told, _categories)
