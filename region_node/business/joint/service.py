"""JointOrderService: gRPC for the joint order application service."""

from collections.abc import AsyncIterator

import grpc

from gateway.api.region.v1 import joint_order_service_pb2 as api
from gateway.api.region.v1.joint_order_pb2 import JointOrder, JointOrderState
from gateway.api.region.v1.joint_order_service_pb2_grpc import JointOrderServiceServicer
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.federation.numberplan import normalize
from gateway.rpc.calls import current_call
from gateway.rpc.pages import dated_place, decode_token, encode_token, page_size
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock
from region_node.business.joint import rules, saga, working
from region_node.business.joint.application import JointApplication
from region_node.business.joint.rows import JointOrderFilter
from region_node.customers.proof import require_proofs
from region_node.customers.verification.rules import CHECKED_AT_HOME, VERIFIER
from region_node.node.context import RegionContext
from region_node.records.listing import Page
from region_node.records.watches import SharedReads
from region_node.requests.auditing import audited_call
from region_node.requests.calling import calling, known_states
from region_node.requests.changes import Changes
from region_node.requests.checks import name_requester, require_length, require_own_papers, require_reader, require_size

_PAGE = "joint-orders"


class JointOrderService(JointOrderServiceServicer):
    """See the contract. Every method checks the form of its request and calls the application service."""

    def __init__(
        self, context: RegionContext, application: JointApplication, store: Store, changes: Changes, clock: Clock
    ) -> None:
        self._context = context
        self._application = application
        self._store = store
        self._changes = changes
        self._clock = clock
        self._watched: SharedReads[str, working.Seen] = SharedReads(
            store, changes, lambda tx, name: working.see(tx, context, name)
        )

    async def SubmitJointOrder(
        self,
        request: api.SubmitJointOrderRequest,
        context: grpc.aio.ServicerContext[api.SubmitJointOrderRequest, api.SubmitJointOrderResponse],
    ) -> api.SubmitJointOrderResponse:
        """See the contract."""
        caller, order = calling(request.request_id), OrderRequest()
        require_size(request.ByteSize())
        order.CopyFrom(request.order)
        name_requester(current_call().identity, order.requester)
        # A code or password that the home region has checked has no member of staff for its verifier.
        own = [each for each in order.documents if each.code not in CHECKED_AT_HOME or each.verifier != VERIFIER]
        require_own_papers(current_call().identity, own)
        if order.number:
            order.number = normalize(order.number)
        return api.SubmitJointOrderResponse(order=await self._application.submit(caller, order, request.places))

    async def GetJointOrder(
        self,
        request: api.GetJointOrderRequest,
        context: grpc.aio.ServicerContext[api.GetJointOrderRequest, api.GetJointOrderResponse],
    ) -> api.GetJointOrderResponse:
        """See the contract."""
        identity, reading = current_call().identity, audited_call(request.requester, self._clock)

        def read(tx: Transaction) -> JointOrder:
            found = working.find_for(tx, self._context, request.joint_order_id, identity)
            reading.record(tx, "GetJointOrder", found.id)
            return found

        return api.GetJointOrderResponse(order=await self._store.write(read))

    async def ListJointOrders(
        self,
        request: api.ListJointOrdersRequest,
        context: grpc.aio.ServicerContext[api.ListJointOrdersRequest, api.ListJointOrdersResponse],
    ) -> api.ListJointOrdersResponse:
        """See the contract."""
        identity, reading = current_call().identity, audited_call(request.requester, self._clock)
        size, before = page_size(request.page_size), dated_place(decode_token(_PAGE, request.page_token))
        wanted = JointOrderFilter(
            states=known_states(request.states, JointOrderState.values()),
            number=normalize(request.number) if request.number else "",
        )

        def read(tx: Transaction) -> Page[JointOrder]:
            page = working.list_for(tx, self._context, wanted, identity, before, size)
            reading.record(tx, "ListJointOrders", "-", f"{len(page.items)} read")
            return page

        page = await self._store.write(read)
        return api.ListJointOrdersResponse(orders=page.items, next_page_token=encode_token(_PAGE, page.following))

    async def WatchJointOrder(
        self,
        request: api.WatchJointOrderRequest,
        context: grpc.aio.ServicerContext[api.WatchJointOrderRequest, api.WatchJointOrderResponse],
    ) -> AsyncIterator[api.WatchJointOrderResponse]:
        """See the contract."""
        identity, reading = current_call().identity, audited_call(request.requester, self._clock)

        def start(tx: Transaction) -> JointOrder:
            found = working.find_for(tx, self._context, request.joint_order_id, identity)
            reading.record(tx, "WatchJointOrder", found.id)
            return found

        with self._changes.watch(identity) as changed:
            now, told = await self._store.write(start), JointOrder()
            while not self._changes.closed:
                if now != told:
                    yield api.WatchJointOrderResponse(order=now)
                    told = now
                if saga.is_final(now):
                    return
                await changed.wait()
                changed.clear()
                now = (await self._watched.of(request.joint_order_id)).by(identity)
        raise Refused(Reason.REASON_TOO_BUSY)  # an end without an error tells that the order is final

    async def CancelJointOrder(
        self,
        request: api.CancelJointOrderRequest,
        context: grpc.aio.ServicerContext[api.CancelJointOrderRequest, api.CancelJointOrderResponse],
    ) -> api.CancelJointOrderResponse:
        """See the contract."""
        caller, identity = calling(request.request_id), current_call().identity
        require_reader(identity, request.requester)
        require_length("reason", request.reason, rules.REASON_LIMIT, required=True)
        await self._store.read(
            lambda tx: working.find_for(tx, self._context, request.joint_order_id, identity, acts=True)
        )
        return api.CancelJointOrderResponse(order=await self._application.cancel(caller, request))

    async def SupplementJointOrder(
        self,
        request: api.SupplementJointOrderRequest,
        context: grpc.aio.ServicerContext[api.SupplementJointOrderRequest, api.SupplementJointOrderResponse],
    ) -> api.SupplementJointOrderResponse:
        """See the contract."""
        caller, identity = calling(request.request_id), current_call().identity
        require_reader(identity, request.requester)
        require_proofs(request.documents)
        await self._store.read(
            lambda tx: working.find_for(tx, self._context, request.joint_order_id, identity, acts=True)
        )
        return api.SupplementJointOrderResponse(order=await self._application.supplement(caller, request))

    async def WorkOnJointOrder(
        self,
        request: api.WorkOnJointOrderRequest,
        context: grpc.aio.ServicerContext[api.WorkOnJointOrderRequest, api.WorkOnJointOrderResponse],
    ) -> api.WorkOnJointOrderResponse:
        """See the contract."""
        caller, step = calling(request.request_id), request.WhichOneof("step")
        if step is None:
            raise invalid("step", "none is set", "未指定任何一项")
        if step == "refuse":
            require_length("refuse", request.refuse, rules.REASON_LIMIT, required=True)
        return api.WorkOnJointOrderResponse(order=await self._application.work(caller, request))
