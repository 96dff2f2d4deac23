"""ApprovalService: gRPC for acts that two people agree to."""

from datetime import datetime
from functools import partial

import grpc

from gateway.api.region.v1 import approval_service_pb2 as api
from gateway.api.region.v1.approval_service_pb2 import Approval, OperatorScope
from gateway.api.region.v1.approval_service_pb2_grpc import ApprovalServiceServicer
from gateway.api.types.v1.types_pb2 import Requester
from gateway.errors import invalid
from gateway.rpc.calls import current_call
from gateway.rpc.pages import dated_key, dated_place, decode_token, page_of_bytes, page_size
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock, from_timestamp
from region_node.approvals import operations, rules
from region_node.approvals.operations import Decision
from region_node.approvals.rows import list_rows, require_row
from region_node.approvals.scope_changes import Names
from region_node.approvals.scopes import scopes_in_force, set_scope
from region_node.node.context import RegionContext
from region_node.node.operator_scopes import ANY_STAFF, AUDIT_SERVICE, Scope, scope_name
from region_node.node.rules import OF_STAFF
from region_node.node.stored_scopes import ScopeKeeper, message_of, scope_in
from region_node.requests.auditing import audited_call
from region_node.requests.caller import Caller
from region_node.requests.checks import require_name, require_size
from region_node.requests.deciding import StaffDecisions

_PAGE = "approvals"


class ApprovalService(ApprovalServiceServicer):
    """See the contract."""

    def __init__(
        self, context: RegionContext, store: Store, clock: Clock, scopes: ScopeKeeper, services: frozenset[str]
    ) -> None:
        """`services` are those that scopes of operator systems may name."""
        self._context = context
        self._services = services
        self._store = store
        self._clock = clock
        self._scopes = scopes
        self._decisions = StaffDecisions(store, clock)

    async def ListApprovals(
        self,
        request: api.ListApprovalsRequest,
        context: grpc.aio.ServicerContext[api.ListApprovalsRequest, api.ListApprovalsResponse],
    ) -> api.ListApprovalsResponse:
        """See the contract. The read is audited."""
        size, before = page_size(request.page_size), dated_place(decode_token(_PAGE, request.page_token))
        reading = audited_call(Requester(), self._clock)
        filters = {rules.PROPOSED: request.undecided, rules.CONFIRMED: request.confirmed}
        states = [state for state, is_wanted in filters.items() if is_wanted]

        def read(tx: Transaction) -> api.ListApprovalsResponse:
            found = list_rows(tx, before, size + 1, reading.now, states)
            page, token = page_of_bytes(_PAGE, (each.message(reading.now) for each in found), size, _key)
            reading.record(tx, "ListApprovals", "-", f"{len(page)} read")
            return api.ListApprovalsResponse(approvals=page, next_page_token=token)

        return await self._store.write(read)

    async def DecideApproval(
        self,
        request: api.DecideApprovalRequest,
        context: grpc.aio.ServicerContext[api.DecideApprovalRequest, api.DecideApprovalResponse],
    ) -> api.DecideApprovalResponse:
        """See the contract."""
        certificates = current_call().staff_certificates

        def decide(tx: Transaction, caller: Caller, now: datetime) -> Approval:
            decision = Decision(caller.identity.name, request.confirmed, request.number, certificates)
            return operations.decide(tx, request.approval_id, decision, self._context.border.keys.revocations, now)

        action = "ConfirmAct" if request.confirmed else "RejectAct"
        known = partial(_known, now=self._clock.now())
        approval = await self._decisions.once(request.request_id, request, action, decide, known)
        return api.DecideApprovalResponse(approval=approval)

    async def ListOperatorScopes(
        self,
        request: api.ListOperatorScopesRequest,
        context: grpc.aio.ServicerContext[api.ListOperatorScopesRequest, api.ListOperatorScopesResponse],
    ) -> api.ListOperatorScopesResponse:
        """See the contract."""
        return api.ListOperatorScopesResponse(scopes=await self._store.read(scopes_in_force))

    async def SetOperatorScope(
        self,
        request: api.SetOperatorScopeRequest,
        context: grpc.aio.ServicerContext[api.SetOperatorScopeRequest, api.SetOperatorScopeResponse],
    ) -> api.SetOperatorScopeResponse:
        """See the contract."""
        require_size(request.ByteSize())
        operator, call = scope_name(request.operator), audited_call(Requester(), self._clock)
        _require_operator(operator)
        scope = _scope(operator, request.scope) if request.HasField("scope") else None
        known = {} if scope is None else self._names(operator)
        revocations = self._context.border.keys.revocations
        awaited = await self._store.write(lambda tx: set_scope(tx, operator, scope, call, known, revocations))
        if awaited is not None:
            raise awaited.refused(self._context)
        await self._scopes.look()
        return api.SetOperatorScopeResponse(scope=None if scope is None else message_of(operator, scope))

    def _names(self, operator: str) -> Names:
        federation = self._context.federation
        services = frozenset({AUDIT_SERVICE}) if operator.startswith(OF_STAFF) else self._services
        businesses = frozenset(each.code for each in federation.businesses)
        purposes = frozenset(each.name for each in federation.purposes)
        return {"services": services, "businesses": businesses, "purposes": purposes}


def _require_operator(operator: str) -> None:
    if operator != ANY_STAFF:
        require_name("operator", operator.removeprefix(OF_STAFF))


def _scope(operator: str, message: OperatorScope) -> Scope:
    """The scope of a request. Raises Refused with REQUEST_INVALID."""
    if scope_name(message.operator) not in ("", operator):
        raise invalid("scope.operator", f"not {operator}", f"须为{operator}")
    try:
        return scope_in(operator, message)
    except ValueError as error:
        raise invalid("scope", str(error), "名称、金额、工作人员或客户端编号不符合要求") from None


def _known(tx: Transaction, approval_id: str, now: datetime) -> Approval:
    return require_row(tx, approval_id).message(now)


def _key(approval: Approval) -> str:
    return dated_key(from_timestamp(approval.propose_time), approval.id)
