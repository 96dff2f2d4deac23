"""Orders across regions, for administrators: queried from the nodes at each call, and never stored."""

import grpc

from coordinator.oversight.region_queries import Ask, Regions
from coordinator.oversight.rules import concerns, merged, origin_region
from gateway.api.coordinator.v1 import administration_pb2 as contract
from gateway.api.coordinator.v1.administration_pb2_grpc import OrderOversightServiceServicer
from gateway.api.region.v1 import oversight_service_pb2 as region_contract
from gateway.api.region.v1.oversight_service_pb2_grpc import OrderOversightServiceStub
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.channels import invoke
from gateway.rpc.pages import page_size


class OrderOversightService(OrderOversightServiceServicer):
    """Queries the nodes."""

    def __init__(self, regions: Regions) -> None:
        self._regions = regions

    async def ListOrders(
        self,
        request: contract.ListOrdersRequest,
        context: grpc.aio.ServicerContext[contract.ListOrdersRequest, contract.ListOrdersResponse],
    ) -> contract.ListOrdersResponse:
        """See the contract."""
        if request.region:
            self._regions.require_configured(request.region)
        question = region_contract.ListOrderSummariesRequest(
            states=request.states, page_size=page_size(request.page_size)
        )
        answers = await self._regions.ask(
            self._regions.joined(),
            lambda channel, seconds: invoke(OrderOversightServiceStub(channel).ListOrderSummaries, question, seconds),
        )
        orders = merged({region: answer.orders for region, answer in answers.by_region.items()})
        if request.region:
            orders = [order for order in orders if concerns(order, request.region)]
        return contract.ListOrdersResponse(orders=orders, unanswered=answers.unanswered())

    async def TraceOrder(
        self,
        request: contract.TraceOrderRequest,
        context: grpc.aio.ServicerContext[contract.TraceOrderRequest, contract.TraceOrderResponse],
    ) -> contract.TraceOrderResponse:
        """See the contract. Where the origin region does not respond, all others are queried."""
        handling = origin_region(request.order_id)
        if not self._regions.is_configured(handling):
            raise Refused(Reason.REASON_ORDER_NOT_FOUND, order=request.order_id)
        first = await self._regions.ask([handling], _trace_of(request.order_id))
        if handling in first.by_region:
            home = first.by_region[handling].order.home_region
            others = [home] if home and home != handling else []
        elif first.refusals[handling].reason == Reason.REASON_ORDER_NOT_FOUND:
            raise Refused(Reason.REASON_ORDER_NOT_FOUND, order=request.order_id)
        else:
            others = [region for region in self._regions.joined() if region != handling]
        second = await self._regions.ask(others, _trace_of(request.order_id))
        answers = first | second
        traces = [contract.RegionTrace(region=region, trace=trace) for region, trace in answers.by_region.items()]
        # A region without the order has responded, too.
        unanswered = answers.unanswered(Reason.REASON_ORDER_NOT_FOUND)
        return contract.TraceOrderResponse(traces=traces, unanswered=unanswered)


def _trace_of(order_id: str) -> Ask[region_contract.GetOrderTraceResponse]:
    question = region_contract.GetOrderTraceRequest(order_id=order_id)
    return lambda channel, seconds: invoke(OrderOversightServiceStub(channel).GetOrderTrace, question, seconds)
