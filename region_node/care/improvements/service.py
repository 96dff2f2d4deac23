"""ImprovementService: gRPC for the improvement actions."""

from datetime import datetime

import grpc

from gateway.api.region.v1 import improvement_service_pb2 as api
from gateway.api.region.v1.improvement_service_pb2 import ImprovementAction
from gateway.api.region.v1.improvement_service_pb2_grpc import ImprovementServiceServicer
from gateway.api.types.v1.types_pb2 import Requester
from gateway.rpc.pages import decode_token, first_page, key_number, page_size
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock
from region_node.care.complaints import rules
from region_node.care.improvements import operations
from region_node.node.context import RegionContext
from region_node.requests.auditing import audited_call
from region_node.requests.caller import Caller
from region_node.requests.checks import require_length
from region_node.requests.deciding import StaffDecisions
from region_node.tickets.improvements import list_actions, require_action

_PAGE = "improvement actions"


class ImprovementService(ImprovementServiceServicer):
    """See the contract."""

    def __init__(self, context: RegionContext, store: Store, clock: Clock) -> None:
        self._context = context
        self._store = store
        self._clock = clock
        self._decisions = StaffDecisions(store, clock)

    async def AddImprovementAction(
        self,
        request: api.AddImprovementActionRequest,
        context: grpc.aio.ServicerContext[api.AddImprovementActionRequest, api.AddImprovementActionResponse],
    ) -> api.AddImprovementActionResponse:
        """See the contract."""
        operations.require_form(request)

        def add(tx: Transaction, caller: Caller, now: datetime) -> ImprovementAction:
            return operations.add(tx, self._context, caller.identity.name, request, now)

        added = await self._decisions.once(request.request_id, request, "AddImprovementAction", add, require_action)
        return api.AddImprovementActionResponse(action=self._told(added))

    async def ListImprovementActions(
        self,
        request: api.ListImprovementActionsRequest,
        context: grpc.aio.ServicerContext[api.ListImprovementActionsRequest, api.ListImprovementActionsResponse],
    ) -> api.ListImprovementActionsResponse:
        """See the contract."""
        reading, size = audited_call(Requester(), self._clock), page_size(request.page_size)
        key = decode_token(_PAGE, request.page_token)
        before = key_number(key) if key else None

        def read(tx: Transaction) -> list[tuple[int, ImprovementAction]]:
            found = list_actions(tx, request, before, size + 1)
            reading.record(tx, "ListImprovementActions", "-", f"{min(len(found), size)} read")
            return found

        found = await self._store.write(read)
        if request.cause_code and not found:  # of a code that was taken out since there may still be some
            self._context.federation.require_resolution_cause(request.cause_code)
        page, token = first_page(_PAGE, found, size, lambda each: str(each[0]))
        told = [self._told(action) for _, action in page]
        return api.ListImprovementActionsResponse(actions=told, next_page_token=token)

    async def FinishImprovementAction(
        self,
        request: api.FinishImprovementActionRequest,
        context: grpc.aio.ServicerContext[api.FinishImprovementActionRequest, api.FinishImprovementActionResponse],
    ) -> api.FinishImprovementActionResponse:
        """See the contract."""
        require_length("outcome", request.outcome, rules.NOTE_LIMIT, required=True)

        def finish(tx: Transaction, caller: Caller, now: datetime) -> ImprovementAction:
            return operations.finish(tx, request.action_id, caller.identity.name, request.outcome, now)

        finished = await self._decisions.once(
            request.request_id, request, "FinishImprovementAction", finish, require_action
        )
        return api.FinishImprovementActionResponse(action=self._told(finished))

    async def GetImprovementEffect(
        self,
        request: api.GetImprovementEffectRequest,
        context: grpc.aio.ServicerContext[api.GetImprovementEffectRequest, api.GetImprovementEffectResponse],
    ) -> api.GetImprovementEffectResponse:
        """See the contract."""
        now = self._clock.now()
        return await self._store.read(lambda tx: operations.effect(tx, self._context, request.action_id, now))

    def _told(self, action: ImprovementAction) -> ImprovementAction:
        action.overdue = operations.is_overdue(action, operations.today(self._context, self._clock.now()))
        return action
