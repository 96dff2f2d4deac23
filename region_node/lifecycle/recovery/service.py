"""RecoveryService: losses of the region's database, for its own staff."""

import grpc

from gateway.api.region.v1 import recovery_service_pb2 as api
from gateway.api.region.v1.recovery_service_pb2_grpc import RecoveryServiceServicer
from gateway.api.types.v1.types_pb2 import Requester
from gateway.auditing.walking import LARGEST_SEQUENCE
from gateway.store import losses
from gateway.store.fenced import FencedStore
from gateway.store.losses import Loss
from gateway.store.port import Store
from gateway.time.clock import Clock, from_microseconds, to_timestamp
from region_node.lifecycle.recovery.operations import accept
from region_node.requests.auditing import audited_call
from region_node.requests.checks import require_name


class RecoveryService(RecoveryServiceServicer):
    """See the contract. `store` is the one behind the fence."""

    def __init__(self, store: Store, fence: FencedStore, clock: Clock) -> None:
        self._store = store
        self._fence = fence
        self._clock = clock

    async def ListLosses(
        self,
        request: api.ListLossesRequest,
        context: grpc.aio.ServicerContext[api.ListLossesRequest, api.ListLossesResponse],
    ) -> api.ListLossesResponse:
        """See the contract."""
        found = await self._store.read(losses.losses)
        return api.ListLossesResponse(losses=[_told(each) for each in found], serving=self._fence.is_open)

    async def AcceptLoss(
        self,
        request: api.AcceptLossRequest,
        context: grpc.aio.ServicerContext[api.AcceptLossRequest, api.AcceptLossResponse],
    ) -> api.AcceptLossResponse:
        """See the contract."""
        require_name("reference", request.reference)
        number, call = min(request.number, LARGEST_SEQUENCE), audited_call(Requester(), self._clock)
        accepted = await self._store.write(lambda tx: accept(tx, number, request.reference, call))
        return api.AcceptLossResponse(loss=_told(accepted))


def _told(loss: Loss) -> api.Loss:
    return api.Loss(
        number=loss.number,
        find_time=to_timestamp(from_microseconds(loss.find_time)),
        witness=loss.witness,
        last_sequence=loss.last_sequence,
        seen_sequence=loss.seen_sequence,
        commits=loss.commits,
        begin_sequence=loss.begin_sequence,
        accept_time=None if loss.accept_time is None else to_timestamp(from_microseconds(loss.accept_time)),
        actor=loss.actor,
        reference=loss.reference,
    )
