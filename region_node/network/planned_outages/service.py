"""PlannedOutageService: gRPC, and the calls to the coordinator.

An announcement is stored as requested first, then held by a coordinator, then announced. After a kill in between, the
same request continues. A held window always has a stored request.
"""

import hashlib
from collections.abc import Awaitable, Callable

import grpc

from gateway.api.coordinator.v1.planned_outage_registry_service_pb2 import PlannedOutageHeader
from gateway.api.region.v1 import planned_outage_service_pb2 as api
from gateway.api.region.v1.planned_outage_service_pb2 import PlannedOutage
from gateway.api.region.v1.planned_outage_service_pb2_grpc import PlannedOutageServiceServicer
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import NO_ROOM, Refused, Unreachable, lasting
from gateway.process import failpoints
from gateway.rpc.pages import dated_key, dated_place, decode_token, first_page, page_size
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock, from_timestamp
from region_node.network.planned_outages import operations
from region_node.network.planned_outages.rows import CANCELLED, list_planned, require_planned
from region_node.node.context import RegionContext
from region_node.requests.caller import Caller, done_before, note
from region_node.requests.calling import calling
from region_node.requests.rows import RequestKey, insert_request, settle_request

_PAGE = "planned outages"
Hold = Callable[[PlannedOutageHeader], Awaitable[None]]
"""Has a coordinator hold a window, or release it. Raises Refused, or Unreachable where none responds."""


class PlannedOutageService(PlannedOutageServiceServicer):
    """See the contract."""

    def __init__(self, context: RegionContext, store: Store, clock: Clock, hold: Hold) -> None:
        self._context = context
        self._store = store
        self._clock = clock
        self._hold = hold

    async def AnnouncePlannedOutage(
        self,
        request: api.AnnouncePlannedOutageRequest,
        context: grpc.aio.ServicerContext[api.AnnouncePlannedOutageRequest, api.AnnouncePlannedOutageResponse],
    ) -> api.AnnouncePlannedOutageResponse:
        """See the contract."""
        content = request.SerializeToString(deterministic=True)
        caller, key = _caller(request.request_id, "AnnouncePlannedOutage", content)

        def ask(tx: Transaction) -> PlannedOutage:
            known = _known(tx, key)
            if known is not None:
                return known
            now = self._clock.now()
            asked = operations.ask(tx, self._context, caller.identity.name, request, now)
            insert_request(tx, key, asked.id, settled=False, now=now)
            note(tx, caller, "AnnouncePlannedOutage", asked.id, now)
            return asked

        planned = await self._store.write(ask)
        if planned.state == operations.ASKED:
            planned = await self._announce(planned, key)
        return api.AnnouncePlannedOutageResponse(planned_outage=planned)

    async def ChangePlannedOutage(
        self,
        request: api.ChangePlannedOutageRequest,
        context: grpc.aio.ServicerContext[api.ChangePlannedOutageRequest, api.ChangePlannedOutageResponse],
    ) -> api.ChangePlannedOutageResponse:
        """See the contract."""
        content = request.SerializeToString(deterministic=True)
        caller, key = _caller(request.request_id, "ChangePlannedOutage", content)

        def move(tx: Transaction, moved: PlannedOutage) -> bool:
            now = self._clock.now()
            if not operations.move(tx, self._context, moved, now):
                return False
            insert_request(tx, key, moved.id, settled=True, now=now)
            note(tx, caller, "ChangePlannedOutage", moved.id, now)
            return True

        while True:
            known = await self._store.read(lambda tx: _known(tx, key))
            if known is not None:
                return api.ChangePlannedOutageResponse(planned_outage=known)
            moved = await self._store.read(lambda tx: operations.moved(tx, self._context, request, self._clock.now()))
            await self._held(moved)
            failpoints.reach("planned-moved.before-commit")
            # Another change may have come in between: the next look then corrects the held window.
            if await self._store.write(lambda tx, moved=moved: move(tx, moved)):  # type: ignore[misc]
                return api.ChangePlannedOutageResponse(planned_outage=moved)

    async def CancelPlannedOutage(
        self,
        request: api.CancelPlannedOutageRequest,
        context: grpc.aio.ServicerContext[api.CancelPlannedOutageRequest, api.CancelPlannedOutageResponse],
    ) -> api.CancelPlannedOutageResponse:
        """See the contract."""
        content = request.SerializeToString(deterministic=True)
        caller, key = _caller(request.request_id, "CancelPlannedOutage", content)

        def cancel(tx: Transaction) -> PlannedOutage:
            known = _known(tx, key)
            if known is not None:
                return known
            now = self._clock.now()
            cancelled = operations.cancel(tx, self._context, request.planned_outage_id, now)
            insert_request(tx, key, cancelled.id, settled=True, now=now)
            note(tx, caller, "CancelPlannedOutage", cancelled.id, now)
            return cancelled

        cancelled = await self._store.write(cancel)
        await self._held(cancelled)
        return api.CancelPlannedOutageResponse(planned_outage=cancelled)

    async def ListPlannedOutages(
        self,
        request: api.ListPlannedOutagesRequest,
        context: grpc.aio.ServicerContext[api.ListPlannedOutagesRequest, api.ListPlannedOutagesResponse],
    ) -> api.ListPlannedOutagesResponse:
        """See the contract."""
        size, key = page_size(request.page_size), decode_token(_PAGE, request.page_token)
        before = dated_place(key)
        since = None if request.include_ended else self._clock.now()
        found = await self._store.read(lambda tx: list_planned(tx, since, before, size + 1))
        page, token = first_page(_PAGE, found, size, _place)
        return api.ListPlannedOutagesResponse(planned_outages=page, next_page_token=token)

    async def _announce(self, planned: PlannedOutage, key: RequestKey) -> PlannedOutage:
        """Has a coordinator hold the outage, and announces it.

        A permanent refusal holds for a repeated request, too.
        """
        try:
            await self._held(planned)
            failpoints.reach("planned-announced.before-commit")
            return await self._store.write(lambda tx: self._announced(tx, planned.id, key))
        except Refused as refused:
            why = lasting(refused)
            if why.reason == Reason.REASON_PLANNED_OUTAGE_NOTICE_SHORT:  # by now, since no coordinator answered
                planned.state, planned.version = CANCELLED, planned.version + 1
                await self._held(planned)
            await self._store.write(lambda tx: _forget(tx, planned.id, key, why))
            raise

    def _announced(self, tx: Transaction, outage_id: str, key: RequestKey) -> PlannedOutage:
        announced = operations.announce(tx, self._context, outage_id, self._clock.now())
        settle_request(tx, key.caller, key.request_id, None)
        return announced

    async def _held(self, planned: PlannedOutage) -> None:
        """Raises Refused; with REGISTRY_UNAVAILABLE while no coordinator responds or has room.

        A repeated request may succeed then.
        """
        try:
            await self._hold(operations.header_of(planned))
        except (Unreachable, Refused) as failure:
            if isinstance(failure, Refused) and failure.reason not in NO_ROOM:
                raise
            raise Refused(Reason.REASON_REGISTRY_UNAVAILABLE) from None


def _caller(request_id: str, action: str, content: bytes) -> tuple[Caller, RequestKey]:
    caller = calling(request_id)
    return caller, caller.key(hashlib.sha256(action.encode()).digest() + content)


def _known(tx: Transaction, key: RequestKey) -> PlannedOutage | None:
    """The result of an earlier request. Raises the earlier refusal again, or Refused for other content."""
    known = done_before(tx, key)
    return None if known is None else require_planned(tx, known)


def _forget(tx: Transaction, outage_id: str, key: RequestKey, refused: Refused) -> None:
    operations.forget(tx, outage_id)
    settle_request(tx, key.caller, key.request_id, refused)


def _place(planned: PlannedOutage) -> str:
    return dated_key(from_timestamp(planned.start_time), planned.id)
