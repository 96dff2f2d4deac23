"""ErasureService: the end of the region's own customers."""

import hashlib
from typing import TypeAlias, TypeVar

import grpc

from gateway.api.region.v1 import erasure_service_pb2 as api
from gateway.api.region.v1.erasure_service_pb2_grpc import ErasureServiceServicer
from gateway.errors import invalid
from gateway.federation.numberplan import normalize
from gateway.rpc.calls import current_call
from gateway.store.port import Operation, Store
from gateway.time.clock import Clock
from region_node.approvals.operations import Awaited
from region_node.customers.own_readings import OwnReadings
from region_node.customers.status import ACTIVE, RESTRICTED
from region_node.customers.taking_over import NAME_LIMIT
from region_node.customers.verification.rules import Shown
from region_node.lifecycle.erasure import operations
from region_node.lifecycle.erasure.operations import Named, Request
from region_node.lifecycle.registry import Registry
from region_node.requests.auditing import AuditedCall, audited_call
from region_node.requests.checks import require_length, require_request_id

T = TypeVar("T")
_Naming: TypeAlias = api.EraseCustomerRequest | api.RestrictCustomerRequest | api.LiftRestrictionRequest


class ErasureService(ErasureServiceServicer):
    """See the contract."""

    def __init__(self, registry: Registry, store: Store, clock: Clock) -> None:
        self._registry = registry
        self._store = store
        self._readings = OwnReadings(registry.context, store)
        self._clock = clock

    async def EraseCustomer(
        self,
        request: api.EraseCustomerRequest,
        context: grpc.aio.ServicerContext[api.EraseCustomerRequest, api.EraseCustomerResponse],
    ) -> api.EraseCustomerResponse:
        """See the contract."""
        require_request_id(request.request_id)
        call = audited_call(request.requester, self._clock)
        _require_reason(request.reason)
        customer = _named(request)
        content = f"{customer.number}\0{customer.customer_id}\0{request.reason}"
        asked = Request(
            caller=current_call().identity.name,
            request_id=request.request_id,
            digest=hashlib.sha256(content.encode()).digest(),
            customer=customer,
            reason=request.reason,
            channel=request.requester.channel,
        )
        row = await self._readings.write(
            call.dealer,
            Shown("", customer.number),
            call.now,
            lambda tx: operations.erase(tx, self._registry, asked, call),
            known=lambda tx: operations.erased_before(tx, asked),
        )
        if isinstance(row, Awaited):
            raise row.refused(self._registry.context)
        return api.EraseCustomerResponse(erasure=row.message())

    async def GetErasure(
        self,
        request: api.GetErasureRequest,
        context: grpc.aio.ServicerContext[api.GetErasureRequest, api.GetErasureResponse],
    ) -> api.GetErasureResponse:
        """See the contract."""
        call, caller = audited_call(request.requester, self._clock), current_call().identity.name
        if request.WhichOneof("erasure") is None:
            raise invalid("erasure", "not set", "未填写")
        require_length("customer_id", request.customer_id, NAME_LIMIT)
        erasure = await self._store.write(
            lambda tx: operations.read_erasure(tx, caller, request.request_id, request.customer_id, call)
        )
        return api.GetErasureResponse(erasure=erasure)

    async def RestrictCustomer(
        self,
        request: api.RestrictCustomerRequest,
        context: grpc.aio.ServicerContext[api.RestrictCustomerRequest, api.RestrictCustomerResponse],
    ) -> api.RestrictCustomerResponse:
        """See the contract."""
        call = audited_call(request.requester, self._clock)
        _require_reason(request.reason)
        customer = _named(request)
        customer_id = await self._counted(
            customer, call, lambda tx: operations.restrict(tx, self._registry, customer, request.reason, call)
        )
        if isinstance(customer_id, Awaited):
            raise customer_id.refused(self._registry.context)
        return api.RestrictCustomerResponse(customer_id=customer_id, status=RESTRICTED)

    async def LiftRestriction(
        self,
        request: api.LiftRestrictionRequest,
        context: grpc.aio.ServicerContext[api.LiftRestrictionRequest, api.LiftRestrictionResponse],
    ) -> api.LiftRestrictionResponse:
        """See the contract."""
        call = audited_call(request.requester, self._clock)
        customer = _named(request)
        customer_id = await self._counted(
            customer, call, lambda tx: operations.lift(tx, self._registry, customer, call)
        )
        return api.LiftRestrictionResponse(customer_id=customer_id, status=ACTIVE)

    async def _counted(self, customer: Named, call: AuditedCall, operation: Operation[T]) -> T:
        return await self._readings.write(call.dealer, Shown("", customer.number), call.now, operation)


def _named(request: _Naming) -> Named:
    """The customer that a request names. Raises Refused where it names none, or no number of the plan."""
    if request.WhichOneof("customer") == "number":
        return Named(number=normalize(request.number))
    require_length("customer_id", request.customer_id, NAME_LIMIT, required=True)
    return Named(customer_id=request.customer_id)


def _require_reason(reason: api.ErasureReason.ValueType) -> None:
    if not reason or reason not in api.ErasureReason.values():
        raise invalid("reason", "not set", "未填写")
