"""OrderService: gRPC for the order application service."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing

import grpc
from google.protobuf.duration_pb2 import Duration

from gateway.api.region.v1 import order_service_pb2 as api
from gateway.api.region.v1.order_envelopes_pb2 import OrderCommand
from gateway.api.region.v1.order_pb2 import Order, OrderRequest, OrderState
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceServicer
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.types_pb2 import Requester
from gateway.errors import invalid
from gateway.federation.numberplan import normalize
from gateway.rpc.calls import current_call
from gateway.rpc.pages import dated_place, decode_token, encode_token, page_size
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock
from region_node.business.orders import handling, proofs, rules
from region_node.business.orders.application import OrderApplication
from region_node.business.orders.bulk import Callers, answer_orders
from region_node.business.orders.feed import ORDER_FEED
from region_node.business.orders.rows import EVENTS, OrderFilter, list_orders
from region_node.node.context import RegionContext
from region_node.records.listing import Page, Position
from region_node.records.watches import Follower
from region_node.requests.auditing import audited_call
from region_node.requests.calling import caller_of, calling, known_states, patience
from region_node.requests.changes import Changes
from region_node.requests.checks import (
    TEXT_LIMIT,
    instant_within,
    name_requester,
    require_length,
    require_own_papers,
    require_request_id,
    require_size,
)

_PAGE, _WATCH = "orders", "order-events"


class OrderService(OrderServiceServicer):
    """See the contract. Every method checks the form of its request and calls the application service."""

    def __init__(
        self, node: RegionContext, application: OrderApplication, store: Store, changes: Changes, clock: Clock
    ) -> None:
        self._node = node
        self._application = application
        self._store = store
        self._changes = changes
        self._follower = Follower(store, changes, ORDER_FEED)
        self._clock = clock
        self._callers = Callers()

    async def SubmitOrder(
        self,
        request: api.SubmitOrderRequest,
        context: grpc.aio.ServicerContext[api.SubmitOrderRequest, api.SubmitOrderResponse],
    ) -> api.SubmitOrderResponse:
        """See the contract."""
        order, wait = _normalised(request.order), patience(request.wait)
        if request.validate_only:
            await self._application.check(caller_of(request.request_id), order)
            return api.SubmitOrderResponse()
        return api.SubmitOrderResponse(order=await self._application.submit(calling(request.request_id), order, wait))

    async def SubmitOrders(
        self,
        request_iterator: AsyncIterator[api.SubmitOrdersRequest],
        context: grpc.aio.ServicerContext[api.SubmitOrdersRequest, api.SubmitOrdersResponse],
    ) -> AsyncIterator[api.SubmitOrdersResponse]:
        """See the contract."""

        def take_in(request_id: str, order: OrderRequest, wait: Duration) -> Awaitable[Order]:
            return self._application.submit(calling(request_id), _normalised(order), patience(wait))

        in_progress = self._callers.in_progress(current_call().identity)
        async with aclosing(answer_orders(take_in, request_iterator, in_progress)) as responses:
            async for response in responses:
                yield response

    async def GetOrder(
        self,
        request: api.GetOrderRequest,
        context: grpc.aio.ServicerContext[api.GetOrderRequest, api.GetOrderResponse],
    ) -> api.GetOrderResponse:
        """See the contract."""
        identity, reading = current_call().identity, audited_call(request.requester, self._clock)

        def read(tx: Transaction) -> Order:
            order = handling.find_for(tx, request.order_id, identity)
            reading.record(tx, "GetOrder", order.id)
            return order

        return api.GetOrderResponse(order=await self._store.write(read))

    async def ListOrders(
        self,
        request: api.ListOrdersRequest,
        context: grpc.aio.ServicerContext[api.ListOrdersRequest, api.ListOrdersResponse],
    ) -> api.ListOrdersResponse:
        """See the contract."""
        identity, reading = current_call().identity, audited_call(request.requester, self._clock)
        size, token = page_size(request.page_size), decode_token(_PAGE, request.page_token)
        is_limited = request.HasField("due_within")
        if is_limited and not request.for_staff:
            raise invalid("due_within", "goes with for_staff", "须与for_staff一同使用")
        wanted = OrderFilter(
            operator=identity.name if identity.role == Role.ROLE_OPERATOR else "",
            region=identity.region,
            states=known_states(request.states, OrderState.values()),
            business=request.business,
            number=normalize(request.number) if request.number else "",
            awaiting=request.awaiting,
            staff_of=identity.region if request.for_staff else "",
            due_before=instant_within("due_within", request.due_within, self._clock.now()) if is_limited else None,
            in_reverse=request.in_reverse,
        )
        before = dated_place(token)
        position = Position(request.skip, counts=request.show_total_size)

        def read(tx: Transaction) -> Page[Order]:
            page = list_orders(tx, wanted, before, size, position)
            reading.record(tx, "ListOrders", "-", f"{len(page.items)} read")
            return page

        page = await self._store.write(read)
        following = encode_token(_PAGE, page.following)
        return api.ListOrdersResponse(orders=page.items, next_page_token=following, total_size=page.total)

    async def CancelOrder(
        self,
        request: api.CancelOrderRequest,
        context: grpc.aio.ServicerContext[api.CancelOrderRequest, api.CancelOrderResponse],
    ) -> api.CancelOrderResponse:
        """See the contract."""
        require_length("reason", request.reason, TEXT_LIMIT, required=True)
        asked = _command(request.order_id, request.requester)
        asked.cancel.reason = request.reason
        order = await self._application.command(calling(request.request_id), asked, patience(request.wait))
        return api.CancelOrderResponse(order=order)

    async def SupplementOrder(
        self,
        request: api.SupplementOrderRequest,
        context: grpc.aio.ServicerContext[api.SupplementOrderRequest, api.SupplementOrderResponse],
    ) -> api.SupplementOrderResponse:
        """See the contract."""
        require_length("note", request.note, rules.NOTE_LIMIT)
        require_own_papers(current_call().identity, request.documents)
        asked = _command(request.order_id, request.requester)
        asked.supplement.documents.extend(request.documents)
        asked.supplement.note = request.note
        require_size(asked.ByteSize())
        order = await self._application.command(calling(request.request_id), asked, patience(request.wait))
        return api.SupplementOrderResponse(order=order)

    async def ConfirmOrder(
        self,
        request: api.ConfirmOrderRequest,
        context: grpc.aio.ServicerContext[api.ConfirmOrderRequest, api.ConfirmOrderResponse],
    ) -> api.ConfirmOrderResponse:
        """See the contract."""
        require_length("note", request.note, rules.NOTE_LIMIT)
        asked = _command(request.order_id, request.requester)
        asked.confirm.agreed = request.agreed
        asked.confirm.note = request.note
        order = await self._application.command(calling(request.request_id), asked, patience(request.wait))
        return api.ConfirmOrderResponse(order=order)

    async def ExpediteOrder(
        self,
        request: api.ExpediteOrderRequest,
        context: grpc.aio.ServicerContext[api.ExpediteOrderRequest, api.ExpediteOrderResponse],
    ) -> api.ExpediteOrderResponse:
        """See the contract."""
        asked = _command(request.order_id, request.requester)
        asked.expedite.SetInParent()
        order = await self._application.command(calling(request.request_id), asked, patience(request.wait))
        return api.ExpediteOrderResponse(order=order)

    async def ReviewOrder(
        self,
        request: api.ReviewOrderRequest,
        context: grpc.aio.ServicerContext[api.ReviewOrderRequest, api.ReviewOrderResponse],
    ) -> api.ReviewOrderResponse:
        """See the contract."""
        require_request_id(request.request_id)
        returns = request.decision == api.ReviewDecision.REVIEW_DECISION_RETURN
        if request.decision not in api.ReviewDecision.values() or not request.decision:
            raise invalid("decision", "not set", "未填写")
        if returns != bool(request.documents):
            raise invalid("documents", "needed to return an order, and only then", "退回订单时必填，其他情况不填")
        approves = request.decision == api.ReviewDecision.REVIEW_DECISION_APPROVE
        require_length("note", request.note, rules.NOTE_LIMIT, required=not approves)
        return api.ReviewOrderResponse(order=await self._application.review(current_call().identity, request))

    async def GetOrderProof(
        self,
        request: api.GetOrderProofRequest,
        context: grpc.aio.ServicerContext[api.GetOrderProofRequest, api.GetOrderProofResponse],
    ) -> api.GetOrderProofResponse:
        """See the contract."""
        identity, reading = current_call().identity, audited_call(Requester(), self._clock)
        size, after = page_size(request.page_size), decode_token(proofs.PAGE, request.page_token)

        def read(tx: Transaction) -> api.GetOrderProofResponse:
            order = handling.find_for(tx, request.order_id, identity)
            found, token = proofs.proofs_of(tx, self._node, order.id, after, size)
            reading.record(tx, "GetOrderProof", order.id, f"{len(found)} read")
            return api.GetOrderProofResponse(proofs=found, next_page_token=token)

        return await self._store.write(read)

    async def WatchOrders(
        self,
        request: api.WatchOrdersRequest,
        context: grpc.aio.ServicerContext[api.WatchOrdersRequest, api.WatchOrdersResponse],
    ) -> AsyncIterator[api.WatchOrdersResponse]:
        """See the contract."""
        identity, reading = current_call().identity, audited_call(request.requester, self._clock)

        def start(tx: Transaction) -> int:
            sequence = _watch_start(tx, request.token)
            reading.record(tx, "WatchOrders", "-")
            return sequence

        with self._changes.watch(identity) as changed:
            sequence = await self._store.write(start)
            yield api.WatchOrdersResponse(token=encode_token(_WATCH, str(sequence)))
            async for change in self._follower.follow(changed, sequence):
                if change.now is not None and handling.is_visible(change.now, identity):
                    token = encode_token(_WATCH, str(change.sequence))
                    yield api.WatchOrdersResponse(token=token, order=change.now)


def _command(order_id: str, requester: Requester) -> OrderCommand:
    name_requester(current_call().identity, requester)
    return OrderCommand(order_id=order_id, requester=requester)


def _normalised(request: OrderRequest) -> OrderRequest:
    """The request of a call, brought into the form in which it is compared, sent and stored.

    Raises Refused for a bad form, and as `name_requester` and `require_own_papers`.
    """
    name_requester(current_call().identity, request.requester)
    require_own_papers(current_call().identity, request.documents)
    require_size(request.ByteSize())
    if request.number:  # a line that does not exist yet has none
        request.number = normalize(request.number)
    return request


def _watch_start(tx: Transaction, token: str) -> int:
    """The place from which a watch resumes. Raises Refused as `resumed_after`."""
    key = decode_token(_WATCH, token)
    return EVENTS.resumed_after(tx, key) if key else EVENTS.last(tx)
