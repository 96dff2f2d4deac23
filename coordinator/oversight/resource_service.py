"""Shared resources of all regions, for administrators: queried from the nodes at each call, and never stored."""

import grpc

from coordinator.oversight.listings import RESOURCE_STATUS
from coordinator.oversight.region_pages import page_of_regions
from coordinator.oversight.region_queries import Regions, readable_answer
from gateway.api.coordinator.v1 import resource_service_pb2 as contract
from gateway.api.coordinator.v1.resource_service_pb2_grpc import ResourceServiceServicer
from gateway.api.region.v1 import resource_oversight_service_pb2 as region_contract
from gateway.api.region.v1.resource_oversight_service_pb2 import ResourceStatus
from gateway.api.region.v1.resource_oversight_service_pb2_grpc import ResourceOversightServiceStub
from gateway.rpc.merged_pages import Part
from gateway.rpc.pages import page_size


class ResourceService(ResourceServiceServicer):
    """Queries the nodes."""

    def __init__(self, regions: Regions) -> None:
        self._regions = regions

    async def ListResourceStatus(  # noqa: N802 - named by the contract
        self,
        request: contract.ListResourceStatusRequest,
        context: grpc.aio.ServicerContext[contract.ListResourceStatusRequest, contract.ListResourceStatusResponse],
    ) -> contract.ListResourceStatusResponse:
        """See the contract."""
        size = page_size(request.page_size)

        async def ask(channel: grpc.aio.Channel, seconds: float, told: Part[ResourceStatus]) -> Part[ResourceStatus]:
            question = region_contract.ListResourceStatusRequest(page_size=size, page_token=told.following)
            answer = await readable_answer(ResourceOversightServiceStub(channel).ListResourceStatus, question, seconds)
            return told.more(answer.resources, answer.next_page_token)

        page = await page_of_regions(self._regions, RESOURCE_STATUS, ask, size, request.page_token)
        return contract.ListResourceStatusResponse(
            resources=page.items, unanswered=page.unanswered, next_page_token=page.following
        )
