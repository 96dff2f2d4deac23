"""ResourceOversightService: coordinators' view of what this region shares."""

import grpc

from gateway.api.region.v1 import resource_oversight_service_pb2 as api
from gateway.api.region.v1.resource_oversight_service_pb2_grpc import ResourceOversightServiceServicer
from gateway.rpc.pages import page_size
from gateway.store.port import Store
from gateway.time.clock import Clock
from region_node.care.loans.uses import status_page
from region_node.node.context import RegionContext


class ResourceOversightService(ResourceOversightServiceServicer):
    """See the contract."""

    def __init__(self, context: RegionContext, store: Store, clock: Clock) -> None:
        self._context = context
        self._store = store
        self._clock = clock

    async def ListResourceStatus(  # noqa: N802 - named by the contract
        self,
        request: api.ListResourceStatusRequest,
        context: grpc.aio.ServicerContext[api.ListResourceStatusRequest, api.ListResourceStatusResponse],
    ) -> api.ListResourceStatusResponse:
        """See the contract."""
        size, token, now = page_size(request.page_size), request.page_token, self._clock.now()
        page = await self._store.read(lambda tx: status_page(tx, self._context, size, token, now))
        return api.ListResourceStatusResponse(resources=page.items, next_page_token=page.following)
