"""ListenerService: gRPC for the listeners of an operator system."""

import grpc

from gateway.api.region.v1 import listener_service_pb2 as api
from gateway.api.region.v1.listener_service_pb2 import EventFormat, Listener, ListenerResource, ListenerState
from gateway.api.region.v1.listener_service_pb2_grpc import ListenerServiceServicer
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.rpc.calls import current_call
from gateway.rpc.pages import decode_token, first_page, page_size
from gateway.security.peers import pem_of
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock, to_timestamp
from region_node.listeners import rows
from region_node.listeners.callbacks import Callbacks
from region_node.listeners.forms import LISTENERS, callback_of, known_kinds, listener_id
from region_node.listeners.resources import Resource, resource_of
from region_node.node.context import RegionContext
from region_node.requests.auditing import AuditedCall, audited_call

_PAGE = "listeners"
_ANY = ListenerResource.LISTENER_RESOURCE_UNSPECIFIED


class ListenerService(ListenerServiceServicer):
    """See the contract."""

    def __init__(
        self, context: RegionContext, store: Store, clock: Clock, callbacks: Callbacks, certificate: str
    ) -> None:
        """`certificate` is the region's signing certificate, PEM."""
        self._context = context
        self._store = store
        self._clock = clock
        self._callbacks = callbacks
        self._certificate = certificate

    async def RegisterListener(
        self,
        request: api.RegisterListenerRequest,
        context: grpc.aio.ServicerContext[api.RegisterListenerRequest, api.RegisterListenerResponse],
    ) -> api.RegisterListenerResponse:
        """See the contract."""
        operator, call = current_call().identity.name, audited_call(request.requester, self._clock)
        resource = resource_of(request.resource)
        for service in resource.services:
            self._context.scopes.require_service(operator, service)
        self._require_noted(resource)
        if request.format not in EventFormat.values():
            raise invalid("format", "names an unknown format", "格式未知")
        request.kinds[:] = known_kinds(request.kinds, resource.kinds)
        await self._callbacks.require_callable(callback_of(request.callback), operator)
        certificates = pem_of(current_call().certificates)
        found = await self._store.write(lambda tx: _register(tx, operator, request, call, certificates))
        return api.RegisterListenerResponse(listener=self._told(found))

    async def ListListeners(
        self,
        request: api.ListListenersRequest,
        context: grpc.aio.ServicerContext[api.ListListenersRequest, api.ListListenersResponse],
    ) -> api.ListListenersResponse:
        """See the contract."""
        operator, size = current_call().identity.name, page_size(request.page_size)
        after = decode_token(_PAGE, request.page_token)
        wanted, in_reverse = request.resource, request.in_reverse
        found = await self._store.read(
            lambda tx: rows.listeners_of(tx, operator, wanted, after, size + 1, in_reverse=in_reverse)
        )
        page, token = first_page(_PAGE, found, size, lambda each: each.id)
        return api.ListListenersResponse(listeners=[self._told(each) for each in page], next_page_token=token)

    async def RemoveListener(
        self,
        request: api.RemoveListenerRequest,
        context: grpc.aio.ServicerContext[api.RemoveListenerRequest, api.RemoveListenerResponse],
    ) -> api.RemoveListenerResponse:
        """See the contract."""
        operator, call = current_call().identity.name, audited_call(request.requester, self._clock)

        def remove(tx: Transaction) -> None:
            if not rows.remove(tx, operator, request.listener_id):
                raise Refused(Reason.REASON_LISTENER_NOT_FOUND, listener=request.listener_id)
            call.record(tx, "RemoveListener", request.listener_id)

        await self._store.write(remove)
        return api.RemoveListenerResponse()

    def _require_noted(self, resource: Resource) -> None:
        """Raises Refused with LISTENERS_AWAIT_UPGRADE where a process notes no changes of a resource.

        Raises Refused with REGION_UNREACHABLE where coordinators have heard none since this process started.
        """
        if not resource.noted_by:
            return
        region, current = self._context.region, self._context.border.current
        if not current.has_heard(region):
            raise Refused(Reason.REASON_REGION_UNREACHABLE, region=region)
        if not current.understands(region, resource.noted_by):
            raise Refused(Reason.REASON_LISTENERS_AWAIT_UPGRADE, region=region, resource=resource.name)

    def _told(self, listener: Listener) -> Listener:
        told = Listener(signing_certificate=self._certificate)
        told.MergeFrom(listener)
        return told


def _register(
    tx: Transaction, operator: str, request: api.RegisterListenerRequest, call: AuditedCall, certificates: bytes
) -> Listener:
    """The listener, which is added unless the operator system has it."""
    name = listener_id(operator, request)
    known = rows.find(tx, name)
    if known is not None:
        if known.listener.state == ListenerState.LISTENER_STATE_ACTIVE:
            rows.registered_by(tx, known, certificates)
            return known.listener
        call.record(tx, "RegisterListener", name)
        return rows.start_again(tx, known, call.now, certificates)
    if len(rows.listeners_of(tx, operator, _ANY, "", LISTENERS)) == LISTENERS:
        raise Refused(Reason.REASON_LISTENERS_TOO_MANY, operator=operator, listeners=str(LISTENERS))
    listener = Listener(
        id=name,
        resource=request.resource,
        callback=request.callback,
        kinds=request.kinds,
        format=request.format,
        state=ListenerState.LISTENER_STATE_ACTIVE,
        create_time=to_timestamp(call.now),
    )
    rows.insert(tx, operator, listener, resource_of(request.resource).last(tx), call.now, certificates)
    call.record(tx, "RegisterListener", name)
    return listener
