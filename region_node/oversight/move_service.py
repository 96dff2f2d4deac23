"""CustomerMoveOversightService: coordinators' view of the moves from and to this region that have not ended."""

import grpc

from gateway.api.region.v1 import customer_move_oversight_service_pb2 as api
from gateway.api.region.v1.customer_move_oversight_service_pb2 import CustomerMoveHeader
from gateway.api.region.v1.customer_move_oversight_service_pb2_grpc import CustomerMoveOversightServiceServicer
from gateway.rpc.pages import dated_key, dated_place, decode_token, first_page, page_size
from gateway.store.port import Store
from gateway.time.clock import from_timestamp
from region_node.lifecycle.moving.headers import list_headers

_PAGE = "move headers"


class CustomerMoveOversightService(CustomerMoveOversightServiceServicer):
    """See the contract."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def ListOpenMoves(  # noqa: N802 - named by the contract
        self,
        request: api.ListOpenMovesRequest,
        context: grpc.aio.ServicerContext[api.ListOpenMovesRequest, api.ListOpenMovesResponse],
    ) -> api.ListOpenMovesResponse:
        """See the contract."""
        size, after = page_size(request.page_size), dated_place(decode_token(_PAGE, request.page_token))
        found = await self._store.read(lambda tx: list_headers(tx, after, size + 1))
        moves, token = first_page(_PAGE, found, size, _place)
        return api.ListOpenMovesResponse(moves=moves, next_page_token=token)


def _place(move: CustomerMoveHeader) -> str:
    return dated_key(from_timestamp(move.create_time), move.id)
