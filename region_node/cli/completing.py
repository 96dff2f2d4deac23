"""The names by which a shell completes options: those of the node's federation, as the node tells them."""

from collections.abc import Iterable

import grpc

from gateway.api.region.v1.catalogue_service_pb2 import ListComplaintCategoriesRequest
from gateway.api.region.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from gateway.api.region.v1.fault_service_pb2 import FindPlacesRequest
from gateway.api.region.v1.fault_service_pb2_grpc import FaultServiceStub
from gateway.api.region.v1.sharing_service_pb2 import ListPurposesRequest
from gateway.api.region.v1.sharing_service_pb2_grpc import SharingServiceStub
from gateway.completion import SECONDS, completing
from region_node.cli.connection import server_told

_MOST = 500  # categories of a page


async def _regions(channel: grpc.aio.Channel) -> Iterable[str]:
    """Those that run a part of the network."""
    return [
        place.region
        for place in (await FaultServiceStub(channel).FindPlaces(FindPlacesRequest(), timeout=SECONDS)).places
    ]


async def _purposes(channel: grpc.aio.Channel) -> Iterable[str]:
    return [
        each.name
        for each in (await SharingServiceStub(channel).ListPurposes(ListPurposesRequest(), timeout=SECONDS)).purposes
    ]


async def _categories(channel: grpc.aio.Channel) -> Iterable[str]:
    request = ListComplaintCategoriesRequest(page_size=_MOST)
    return [
        each.code
        for each in (await CatalogueServiceStub(channel).ListComplaintCategories(request, timeout=SECONDS)).categories
    ]


complete_regions = completing(server_told, _regions)
complete_purposes = completing(server_told, _purposes)
complete_categories = completing(server_told, _categories)
