"""The names by which a shell completes options: those of the node's federation, as the node tells them."""

from collections.abc import Iterable

import grpc

from gateway.api.federation.v1.terms_pb2 import Terms
from gateway.api.region.v1.catalogue_service_pb2 import GetTermsRequest
from gateway.api.region.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from gateway.api.region.v1.sharing_service_pb2 import ListPurposesRequest
from gateway.api.region.v1.sharing_service_pb2_grpc import SharingServiceStub
from gateway.completion import SECONDS, completing
from region_node.cli.connection import server_told


async def _terms(channel: grpc.aio.Channel) -> Terms:
    return (await CatalogueServiceStub(channel).GetTerms(GetTermsRequest(), timeout=SECONDS)).terms


async def _regions(channel: grpc.aio.Channel) -> Iterable[str]:
    return [each.region for each in (await _terms(channel)).regions]


async def _categories(channel: grpc.aio.Channel) -> Iterable[str]:
    return [each.code for each in (await _terms(channel)).complaint_categories]


async def _causes(channel: grpc.aio.Channel) -> Iterable[str]:
    return [each.code for each in (await _terms(channel)).resolution_causes]


async def _purposes(channel: grpc.aio.Channel) -> Iterable[str]:
    return [
        each.name
        for each in (await SharingServiceStub(channel).ListPurposes(ListPurposesRequest(), timeout=SECONDS)).purposes
    ]


complete_regions = completing(server_told, _regions)
complete_categories = completing(server_told, _categories)
complete_causes = completing(server_told, _causes)
complete_purposes = completing(server_told, _purposes)
