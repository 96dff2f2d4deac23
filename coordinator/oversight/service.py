"""Orders across regions, for administrators: asked of the nodes at the time of the question, and never stored."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

import grpc

from coordinator.membership.members import CurrentMembers
from coordinator.membership.rules import require_reachable
from coordinator.oversight.rules import concerns, handling_region, merged
from coordinator.routing.channels import RegionChannels
from gateway.api.coordinator.v1 import administration_pb2 as contract
from gateway.api.coordinator.v1.administration_pb2_grpc import OversightServiceServicer
from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.region.v1 import oversight_service_pb2 as region_contract
from gateway.api.region.v1.oversight_service_pb2_grpc import OversightServiceStub
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.calls import current_call
from gateway.channels import invoke
from gateway.errors import Refused
from gateway.pages import page_size
from gateway.relay.transport import Unreachable

ANSWER_SECONDS = 5.0  # for one region: a region that hangs must not keep the answers of all others back

Answer = TypeVar("Answer")
Ask = Callable[[OversightServiceStub, float], Awaitable[Answer]]


@dataclass(frozen=True)
class _Answers(Generic[Answer]):
    """What regions answered, and why others did not."""

    by_region: dict[str, Answer]
    reasons: dict[str, Reason.ValueType]

    def unanswered(self) -> list[contract.UnansweredRegion]:
        """The regions without an answer, by id."""
        return [
            contract.UnansweredRegion(region=region, reason=reason) for region, reason in sorted(self.reasons.items())
        ]


class OversightService(OversightServiceServicer):
    """Asks the nodes. Regions that never joined have no orders and are not asked."""

    def __init__(self, members: CurrentMembers, channels: RegionChannels) -> None:
        self._members = members
        self._channels = channels

    async def ListOrders(
        self,
        request: contract.ListOrdersRequest,
        context: grpc.aio.ServicerContext[contract.ListOrdersRequest, contract.ListOrdersResponse],
    ) -> contract.ListOrdersResponse:
        """See the contract."""
        if request.region and request.region not in self._members.all():
            raise Refused(Reason.REASON_REGION_UNKNOWN, region=request.region)
        question = region_contract.ListOrderSummariesRequest(
            states=request.states, page_size=page_size(request.page_size)
        )
        answers = await self._ask(
            self._joined(), lambda stub, seconds: invoke(stub.ListOrderSummaries, question, seconds)
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
        """See the contract. Where the handling region does not answer, all others are asked for the order."""
        handling = handling_region(request.order_id)
        if handling not in self._members.all():
            raise Refused(Reason.REASON_ORDER_NOT_FOUND, order=request.order_id)
        first = await self._ask([handling], _trace_of(request.order_id))
        if handling in first.by_region:
            home = first.by_region[handling].order.home_region
            others = [home] if home and home != handling else []
        elif first.reasons[handling] == Reason.REASON_ORDER_NOT_FOUND:
            raise Refused(Reason.REASON_ORDER_NOT_FOUND, order=request.order_id)
        else:
            others = [region for region in self._joined() if region != handling]
        second = await self._ask(others, _trace_of(request.order_id))
        # A region that knows nothing of the order was asked and has answered.
        reasons = {
            region: reason
            for region, reason in (first.reasons | second.reasons).items()
            if reason != Reason.REASON_ORDER_NOT_FOUND
        }
        answers = _Answers(first.by_region | second.by_region, reasons)
        traces = [contract.RegionTrace(region=region, trace=trace) for region, trace in answers.by_region.items()]
        return contract.TraceOrderResponse(traces=traces, unanswered=answers.unanswered())

    def _joined(self) -> list[str]:
        """The regions that ever joined, by id."""
        return [
            region for region, member in self._members.all().items() if member.state != MemberState.MEMBER_STATE_ABSENT
        ]

    async def _ask(self, regions: Iterable[str], ask: Ask[Answer]) -> _Answers[Answer]:
        """Asks regions at the same time, each within what is left of the call."""
        seconds = current_call().seconds_left(ANSWER_SECONDS)
        asked = list(regions)
        answers: _Answers[Answer] = _Answers({}, {})
        found = await asyncio.gather(*(self._ask_one(region, ask, seconds) for region in asked))
        for region, answer in zip(asked, found, strict=True):
            if isinstance(answer, Refused):
                answers.reasons[region] = answer.reason
            else:
                answers.by_region[region] = answer
        return answers

    async def _ask_one(self, region: str, ask: Ask[Answer], seconds: float) -> Answer | Refused:
        try:
            require_reachable(self._members.all(), region)
            return await self._channels.call(
                region, lambda replica, left: ask(OversightServiceStub(replica.channel), left), seconds
            )
        except Refused as refused:
            return refused
        except Unreachable:
            return Refused(Reason.REASON_REGION_UNREACHABLE, region=region)


def _trace_of(order_id: str) -> Ask[region_contract.GetOrderTraceResponse]:
    question = region_contract.GetOrderTraceRequest(order_id=order_id)
    return lambda stub, seconds: invoke(stub.GetOrderTrace, question, seconds)
