"""OrderOversightService: orders without personal data, and the ways of their envelopes, for the coordinator."""

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.region.v1 import order_oversight_service_pb2 as api
from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder
from gateway.api.region.v1.order_oversight_service_pb2_grpc import OrderOversightServiceServicer
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.region.v1.quarantine_service_pb2 import QuarantineState
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind, Journey
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.federation.numberplan import normalize, number_prefix
from gateway.relay.outbox import OutboxRow, rows_about
from gateway.rpc.calls import current_call
from gateway.rpc.pages import dated_place, decode_token, encode_token, page_size
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock, from_microseconds, to_timestamp
from region_node.business.joint import saga
from region_node.business.joint.rows import ORDER_RECORDS, JointOrderFilter, list_joint_orders
from region_node.business.orders import rules
from region_node.business.orders.rows import (
    BasicOrder,
    OrderFilter,
    list_basic_orders,
    list_orders,
    require_order,
)
from region_node.node.context import RegionContext
from region_node.oversight.searches import count_search
from region_node.records.listing import Page
from region_node.requests.administrators import require_administrator
from region_node.requests.checks import require_name

_PAGE = "summaries"
_FOUND_PAGE = "found summaries"
_JOINT_PAGE = "joint summaries"


class OrderOversightService(OrderOversightServiceServicer):
    """See the contract."""

    def __init__(self, context: RegionContext, store: Store, clock: Clock) -> None:
        self._context = context
        self._store = store
        self._clock = clock

    async def ListOrderSummaries(
        self,
        request: api.ListOrderSummariesRequest,
        context: grpc.aio.ServicerContext[api.ListOrderSummariesRequest, api.ListOrderSummariesResponse],
    ) -> api.ListOrderSummariesResponse:
        """See the contract."""
        size, token = page_size(request.page_size), decode_token(_PAGE, request.page_token)
        wanted = OrderFilter(region=self._context.region, states=list(request.states), concerning=request.region)
        before = dated_place(token)
        orders, following = await self._store.read(lambda tx: _found(tx, wanted, before, size, basic=request.basic))
        return api.ListOrderSummariesResponse(
            orders=orders, next_page_token=encode_token(_PAGE, following), looked_time=_looked(following)
        )

    async def SearchOrderSummaries(
        self,
        request: api.SearchOrderSummariesRequest,
        context: grpc.aio.ServicerContext[api.SearchOrderSummariesRequest, api.SearchOrderSummariesResponse],
    ) -> api.SearchOrderSummariesResponse:
        """See the contract."""
        require_name("search_id", request.search_id)
        require_administrator(request.administrator)
        size, token = page_size(request.page_size), decode_token(_FOUND_PAGE, request.page_token)
        wanted = OrderFilter(
            region=self._context.region,
            states=list(request.states),
            concerning=request.region,
            number=normalize(request.number),
        )
        before = dated_place(token)
        actor, now = current_call().identity.path, self._clock.now()
        subject = f"search/{request.search_id}"

        def read(tx: Transaction) -> Page[Order]:
            count_search(tx, self._context, request.administrator, wanted.number, now)
            page = list_orders(tx, wanted, before, size)
            detail = f"for {request.administrator}, {len(page.items)} read"
            audit.append(tx, now=now, actor=actor, action="SearchOrderSummaries", subject=subject, detail=detail)
            return page

        page = await self._store.write(read)
        return api.SearchOrderSummariesResponse(
            orders=[summary(each) for each in page.items],
            next_page_token=encode_token(_FOUND_PAGE, page.following),
            looked_time=_looked(page.following),
        )

    async def ListJointOrderSummaries(
        self,
        request: api.ListJointOrderSummariesRequest,
        context: grpc.aio.ServicerContext[api.ListJointOrderSummariesRequest, api.ListJointOrderSummariesResponse],
    ) -> api.ListJointOrderSummariesResponse:
        """See the contract."""
        size, token = page_size(request.page_size), decode_token(_JOINT_PAGE, request.page_token)
        wanted = JointOrderFilter(states=list(request.states), concerning=request.region)
        before = dated_place(token)
        page = await self._store.read(lambda tx: list_joint_orders(tx, wanted, before, size))
        return api.ListJointOrderSummariesResponse(
            orders=[joint_summary(order) for order in page.items],
            next_page_token=encode_token(_JOINT_PAGE, page.following),
            looked_time=_looked(page.following),
        )

    async def GetOrderTrace(
        self,
        request: api.GetOrderTraceRequest,
        context: grpc.aio.ServicerContext[api.GetOrderTraceRequest, api.GetOrderTraceResponse],
    ) -> api.GetOrderTraceResponse:
        """See the contract."""
        return await self._store.read(lambda tx: self._trace(tx, request.order_id))

    def _trace(self, tx: Transaction, order_id: str) -> api.GetOrderTraceResponse:
        envelopes = [self._envelope(row) for row in rows_about(tx, order_id)]
        led = ORDER_RECORDS.find(tx, order_id)
        if led is not None:
            return api.GetOrderTraceResponse(joint=joint_summary(led.order), envelopes=envelopes)
        order = require_order(tx, order_id).order
        return api.GetOrderTraceResponse(
            order=summary(order),
            state_changes=order.state_changes,
            envelopes=envelopes,
        )

    def _envelope(self, row: OutboxRow) -> api.EnvelopeTrace:
        return api.EnvelopeTrace(
            envelope_id=row.envelope_id,
            kind=EnvelopeKind.ValueType(row.kind),
            origin=self._context.region,
            destination=row.destination,
            attempts=row.attempts,
            journey=Journey.FromString(row.journey or b""),
            traceparent=row.traceparent,
            not_taken_reason=Reason.ValueType(row.not_taken),
            quarantine_state=QuarantineState.ValueType(row.quarantine_state),
        )


def _found(
    tx: Transaction, wanted: OrderFilter, before: tuple[int, str] | None, size: int, *, basic: bool
) -> tuple[list[api.OrderSummary], str]:
    """The orders of a page, and the key behind which the next one begins."""
    if basic:
        plain = list_basic_orders(tx, wanted, before, size)
        return [_basic_summary(each) for each in plain.items], plain.following
    page = list_orders(tx, wanted, before, size)
    return [summary(each) for each in page.items], page.following


def _basic_summary(order: BasicOrder) -> api.OrderSummary:
    return api.OrderSummary(
        id=order.name,
        business=order.business,
        state=order.state,
        version=order.version,
        origin_region=order.origin_region,
        home_region=order.home_region,
        create_time=to_timestamp(from_microseconds(order.date)),
    )


def summary(order: Order) -> api.OrderSummary:
    """An order without data about the customer."""
    held = order.state == rules.HELD
    return api.OrderSummary(
        id=order.id,
        business=order.request.business,
        state=order.state,
        version=order.version,
        origin_region=order.origin_region,
        home_region=order.home_region,
        awaiting=order.awaiting if order.HasField("awaiting") else None,
        reason=order.error.reason,
        create_time=order.create_time,
        number_prefix=number_prefix(order.request.number) if held else "",
    )


def joint_summary(order: JointOrder) -> api.JointOrderSummary:
    """A joint order without data about the customer."""
    return api.JointOrderSummary(
        id=order.id,
        business=order.request.business,
        state=order.state,
        version=order.version,
        leader_region=order.leader_region,
        create_time=order.create_time,
        hold_until_time=order.hold_until_time,
        decide_time=order.decide_time if order.HasField("decide_time") else None,
        items=[_item_summary(order, each) for each in order.items],
        awaiting=order.awaiting,
        expected_completion_time=(
            order.expected_completion_time if order.HasField("expected_completion_time") else None
        ),
    )


def _item_summary(order: JointOrder, item: JointItem) -> api.JointItemSummary:
    awaited = saga.awaited_milestone(order, item)
    return api.JointItemSummary(
        id=item.id,
        region=item.region,
        state=item.state,
        reason=item.error.reason,
        verify_until_time=item.verify_until_time if item.HasField("verify_until_time") else None,
        alert_time=awaited.alert_time if awaited is not None and awaited.HasField("alert_time") else None,
        milestones=item.milestones,
    )


def _looked(following: str) -> Timestamp | None:
    place = dated_place(following)
    return to_timestamp(from_microseconds(place[0])) if place is not None else None
