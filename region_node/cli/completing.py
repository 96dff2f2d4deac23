"""Shell completion of options with the federation's names, fetched from the node."""

from collections.abc import Iterable

import grpc

from gateway.api.federation.v1.terms_pb2 import Terms
from gateway.api.region.v1.catalogue_service_pb2 import GetTermsRequest
from gateway.api.region.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from gateway.api.region.v1.sharing_service_pb2 import ListPurposesRequest
from gateway.api.region.v1.sharing_service_pb2_grpc import SharingServiceStub
from gateway.cli.completing import SECONDS, completing, completing_terms
from region_node.cli.connection import server_told


async def _terms(channel: grpc.aio.Channel) -> Terms:
    return (await CatalogueServiceStub(channel).GetTerms(GetTermsRequest(), timeout=SECONDS)).terms


async def _purposes(channel: grpc.aio.Channel) -> Iterable[str]:
    return [
        each.name
        for each in (await SharingServiceStub(channel).ListPurposes(ListPurposesRequest(), timeout=SECONDS)).purposes
    ]


_completions = completing_terms(server_told, _terms)
complete_regions = _completions.regions
complete_categories = _completions.categories
complete_causes = _completions.causes
complete_purposes = completing(server_told, _purposes)
