"""RecoveryService: losses of the region's database, and its clock, for its own staff."""

import grpc

from gateway.api.region.v1 import recovery_service_pb2 as api
from gateway.api.region.v1.recovery_service_pb2_grpc import RecoveryServiceServicer
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Requester
from gateway.auditing.incarnations import told
from gateway.auditing.walking import LARGEST_SEQUENCE
from gateway.errors import Refused
from gateway.rpc.pages import decode_token, first_page, key_number, page_size
from gateway.store import catch_ups, losses
from gateway.store.catch_ups import CatchUp, LostCommand
from gateway.store.fenced import FencedStore
from gateway.store.port import Store
from gateway.time.clock import Clock, from_microseconds, to_timestamp
from gateway.values.names import name_of
from region_node.approvals.operations import Awaited
from region_node.lifecycle.recovery import clocks
from region_node.lifecycle.recovery.operations import accept, lost_commands
from region_node.node.context import RegionContext
from region_node.requests.auditing import audited_call
from region_node.requests.checks import instant, require_name

_PAGE = "lost-commands"
_SEPARATOR = "\0"
_NAMES = 3  # behind the number of the loss, in the key of a page


class RecoveryService(RecoveryServiceServicer):
    """See the contract. `store` is the one behind the fence."""

    def __init__(self, context: RegionContext, store: Store, fence: FencedStore, clock: Clock) -> None:
        self._context = context
        self._store = store
        self._fence = fence
        self._clock = clock

    async def ListLosses(
        self,
        request: api.ListLossesRequest,
        context: grpc.aio.ServicerContext[api.ListLossesRequest, api.ListLossesResponse],
    ) -> api.ListLossesResponse:
        """See the contract."""
        found, regions = await self._store.read(lambda tx: (losses.losses(tx), catch_ups.catch_ups(tx)))
        return api.ListLossesResponse(
            losses=[told(each) for each in found],
            serving=self._fence.is_open,
            catch_ups=[_told_catch_up(each) for each in regions],
        )

    async def ListLostCommands(
        self,
        request: api.ListLostCommandsRequest,
        context: grpc.aio.ServicerContext[api.ListLostCommandsRequest, api.ListLostCommandsResponse],
    ) -> api.ListLostCommandsResponse:
        """See the contract."""
        size, key = page_size(request.page_size), decode_token(_PAGE, request.page_token)
        number, *names = key.split(_SEPARATOR) if key else ("0", "", "", "")
        if len(names) != _NAMES:
            raise Refused(Reason.REASON_TOKEN_INVALID)
        place = (key_number(number), names[0], names[1], names[2])
        found = await self._store.read(lambda tx: lost_commands(tx, self._context.region, place, size + 1))
        page, token = first_page(_PAGE, found, size, _key)
        return api.ListLostCommandsResponse(commands=[_told_lost(each) for each in page], next_page_token=token)

    async def AcceptLoss(
        self,
        request: api.AcceptLossRequest,
        context: grpc.aio.ServicerContext[api.AcceptLossRequest, api.AcceptLossResponse],
    ) -> api.AcceptLossResponse:
        """See the contract."""
        require_name("reference", request.reference)
        number, call = min(request.number, LARGEST_SEQUENCE), audited_call(Requester(), self._clock)
        revocations = self._context.border.keys.revocations
        accepted = await self._store.write(lambda tx: accept(tx, number, request.reference, call, revocations))
        if isinstance(accepted, Awaited):
            raise accepted.refused(self._context)
        return api.AcceptLossResponse(loss=told(accepted))

    async def ConfirmClock(
        self,
        request: api.ConfirmClockRequest,
        context: grpc.aio.ServicerContext[api.ConfirmClockRequest, api.ConfirmClockResponse],
    ) -> api.ConfirmClockResponse:
        """See the contract."""
        require_name("reference", request.reference)
        border, present = self._context.border, instant("present_time", request.present_time)
        shown = clocks.require_confirmable(border.clock, present)
        call = audited_call(Requester(), self._clock)
        awaited = await self._store.write(
            lambda tx: clocks.confirm(tx, shown, request.reference, call, border.keys.revocations)
        )
        if awaited is not None:
            raise awaited.refused(self._context)
        border.clock.take_confirmed(shown)
        return api.ConfirmClockResponse(agreed_time=to_timestamp(border.clock.now()))


def _key(lost: LostCommand) -> str:
    return _SEPARATOR.join((str(lost.loss), lost.region, lost.origin, lost.envelope_id))


def _told_lost(lost: LostCommand) -> api.LostCommand:
    return api.LostCommand(
        loss_number=lost.loss,
        region=lost.region,
        origin_region=lost.origin,
        envelope_id=lost.envelope_id,
        kind=name_of(EnvelopeKind, lost.kind),
        subject=lost.subject,
        failure=lost.failure,
        tell_time=to_timestamp(from_microseconds(lost.tell_time)),
    )


def _told_catch_up(catch_up: CatchUp) -> api.CatchUp:
    purged, finished = catch_up.purged_before, catch_up.finish_time
    return api.CatchUp(
        loss_number=catch_up.loss,
        region=catch_up.region,
        taken=catch_up.taken,
        purge_time=to_timestamp(from_microseconds(purged)) if purged else None,
        failure=catch_up.failure,
        finish_time=None if finished is None else to_timestamp(from_microseconds(finished)),
    )
