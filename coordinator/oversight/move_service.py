"""Open moves of customers, for administrators: queried from the nodes at each call, and never stored."""

import grpc

from coordinator.oversight.listings import OLDEST_MOVES
from coordinator.oversight.region_pages import page_of_regions
from coordinator.oversight.region_queries import Regions, readable_answer
from gateway.api.coordinator.v1 import customer_move_oversight_service_pb2 as contract
from gateway.api.coordinator.v1.customer_move_oversight_service_pb2_grpc import CustomerMoveOversightServiceServicer
from gateway.api.region.v1 import customer_move_oversight_service_pb2 as region_contract
from gateway.api.region.v1.customer_move_oversight_service_pb2 import CustomerMoveHeader
from gateway.api.region.v1.customer_move_oversight_service_pb2_grpc import CustomerMoveOversightServiceStub
from gateway.rpc.merged_pages import Part
from gateway.rpc.pages import page_size


class CustomerMoveOversightService(CustomerMoveOversightServiceServicer):
    """Queries the nodes."""

    def __init__(self, regions: Regions) -> None:
        self._regions = regions

    async def ListOpenMoves(  # noqa: N802 - named by the contract
        self,
        request: contract.ListOpenMovesRequest,
        context: grpc.aio.ServicerContext[contract.ListOpenMovesRequest, contract.ListOpenMovesResponse],
    ) -> contract.ListOpenMovesResponse:
        """See the contract."""
        size = page_size(request.page_size)

        async def ask(
            channel: grpc.aio.Channel, seconds: float, told: Part[CustomerMoveHeader]
        ) -> Part[CustomerMoveHeader]:
            question = region_contract.ListOpenMovesRequest(page_size=size, page_token=told.following)
            answer = await readable_answer(CustomerMoveOversightServiceStub(channel).ListOpenMoves, question, seconds)
            return told.more(answer.moves, answer.next_page_token)

        page = await page_of_regions(self._regions, OLDEST_MOVES, ask, size, request.page_token)
        return contract.ListOpenMovesResponse(
            moves=page.items, unanswered=page.unanswered, next_page_token=page.following
        )
