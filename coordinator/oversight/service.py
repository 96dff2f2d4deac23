"""Orders across regions, for administrators: queried from the nodes at each call, and never stored."""

import secrets
from datetime import timedelta

import grpc

from coordinator.oversight.listings import FOUND_ORDERS, NEWEST_JOINT_ORDERS, NEWEST_ORDERS
from coordinator.oversight.region_pages import page_of_regions
from coordinator.oversight.region_queries import Ask, Regions, readable_answer
from coordinator.oversight.rules import origin_region
from gateway.api.coordinator.v1 import administration_pb2 as contract
from gateway.api.coordinator.v1.administration_pb2_grpc import OrderOversightServiceServicer
from gateway.api.region.v1 import order_oversight_service_pb2 as region_contract
from gateway.api.region.v1.order_oversight_service_pb2 import JointOrderSummary, OrderSummary
from gateway.api.region.v1.order_oversight_service_pb2_grpc import OrderOversightServiceStub
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused
from gateway.federation.numberplan import normalize
from gateway.rpc.calls import current_call
from gateway.rpc.merged_pages import Part
from gateway.rpc.pages import dated_key, page_size
from gateway.store.port import Store
from gateway.time.clock import Clock, from_timestamp

_MOMENT = timedelta(microseconds=1)
_ID_BYTES = 16  # of randomness in the id of a search


class OrderOversightService(OrderOversightServiceServicer):
    """Queries the nodes."""

    def __init__(self, regions: Regions, store: Store, clock: Clock) -> None:
        """`store` has the audit chain of this coordinator."""
        self._regions = regions
        self._store = store
        self._clock = clock

    async def ListOrderSummaries(
        self,
        request: contract.ListOrderSummariesRequest,
        context: grpc.aio.ServicerContext[contract.ListOrderSummariesRequest, contract.ListOrderSummariesResponse],
    ) -> contract.ListOrderSummariesResponse:
        """See the contract."""
        if request.region:
            self._regions.require_known(request.region)
        size = page_size(request.page_size)

        async def ask(channel: grpc.aio.Channel, seconds: float, told: Part[OrderSummary]) -> Part[OrderSummary]:
            question = region_contract.ListOrderSummariesRequest(
                states=request.states,
                region=request.region,
                page_size=size,
                page_token=told.following,
                basic=request.basic,
            )
            answer = await readable_answer(OrderOversightServiceStub(channel).ListOrderSummaries, question, seconds)
            return told.more(answer.orders, answer.next_page_token, _looked(answer))

        page = await page_of_regions(self._regions, NEWEST_ORDERS, ask, size, request.page_token)
        return contract.ListOrderSummariesResponse(
            orders=page.items, unanswered=page.unanswered, next_page_token=page.following
        )

    async def SearchOrderSummaries(
        self,
        request: contract.SearchOrderSummariesRequest,
        context: grpc.aio.ServicerContext[contract.SearchOrderSummariesRequest, contract.SearchOrderSummariesResponse],
    ) -> contract.SearchOrderSummariesResponse:
        """See the contract. The search goes to all regions: the origin region alone knows an order on its way."""
        if request.region:
            self._regions.require_known(request.region)
        number, size = normalize(request.number), page_size(request.page_size)
        search_id, administrator = secrets.token_hex(_ID_BYTES), current_call().identity.path
        await self._record_search(search_id, administrator)

        async def ask(channel: grpc.aio.Channel, seconds: float, told: Part[OrderSummary]) -> Part[OrderSummary]:
            question = region_contract.SearchOrderSummariesRequest(
                number=number,
                administrator=administrator,
                search_id=search_id,
                states=request.states,
                region=request.region,
                page_size=size,
                page_token=told.following,
            )
            answer = await readable_answer(OrderOversightServiceStub(channel).SearchOrderSummaries, question, seconds)
            return told.more(answer.orders, answer.next_page_token, _looked(answer))

        page = await page_of_regions(self._regions, FOUND_ORDERS, ask, size, request.page_token)
        return contract.SearchOrderSummariesResponse(
            orders=page.items, unanswered=page.unanswered, next_page_token=page.following, search_id=search_id
        )

    async def ListJointOrderSummaries(
        self,
        request: contract.ListJointOrderSummariesRequest,
        context: grpc.aio.ServicerContext[
            contract.ListJointOrderSummariesRequest, contract.ListJointOrderSummariesResponse
        ],
    ) -> contract.ListJointOrderSummariesResponse:
        """See the contract."""
        if request.region:
            self._regions.require_known(request.region)
        size = page_size(request.page_size)

        async def ask(
            channel: grpc.aio.Channel, seconds: float, told: Part[JointOrderSummary]
        ) -> Part[JointOrderSummary]:
            question = region_contract.ListJointOrderSummariesRequest(
                states=request.states, region=request.region, page_size=size, page_token=told.following
            )
            answer = await readable_answer(
                OrderOversightServiceStub(channel).ListJointOrderSummaries, question, seconds
            )
            return told.more(answer.orders, answer.next_page_token, _looked(answer))

        page = await page_of_regions(self._regions, NEWEST_JOINT_ORDERS, ask, size, request.page_token)
        return contract.ListJointOrderSummariesResponse(
            orders=page.items, unanswered=page.unanswered, next_page_token=page.following
        )

    async def GetOrderTrace(
        self,
        request: contract.GetOrderTraceRequest,
        context: grpc.aio.ServicerContext[contract.GetOrderTraceRequest, contract.GetOrderTraceResponse],
    ) -> contract.GetOrderTraceResponse:
        """See the contract. Where the origin region does not respond, all others are queried."""
        handling = origin_region(request.order_id)
        if not self._regions.is_known(handling):
            raise Refused(Reason.REASON_ORDER_NOT_FOUND, order=request.order_id)
        first = await self._regions.ask([handling], _trace_of(request.order_id))
        if handling in first.by_region:
            found = first.by_region[handling]
            regions = (found.order.home_region, *(each.region for each in found.joint.items))
            others = [each for each in dict.fromkeys(regions) if each not in ("", handling)]
        elif first.refusals[handling].reason == Reason.REASON_ORDER_NOT_FOUND:
            raise Refused(Reason.REASON_ORDER_NOT_FOUND, order=request.order_id)
        else:
            others = [region for region in self._regions.joined() if region != handling]
        second = await self._regions.ask(others, _trace_of(request.order_id))
        answers = first | second
        traces = [contract.RegionTrace(region=region, trace=trace) for region, trace in answers.by_region.items()]
        # A region without the order has responded, too.
        unanswered = answers.unanswered(Reason.REASON_ORDER_NOT_FOUND)
        return contract.GetOrderTraceResponse(traces=traces, unanswered=unanswered)

    async def _record_search(self, search_id: str, administrator: str) -> None:
        """Adds the audit row, before the search goes to any region. It has nothing of the number: not even a hash."""
        now, detail = self._clock.now(), f"{len(self._regions.joined())} regions"
        await self._store.write(
            lambda tx: audit.append(
                tx,
                now=now,
                actor=administrator,
                action="SearchOrderSummaries",
                subject=f"search/{search_id}",
                detail=detail,
            )
        )


def _looked(
    answer: (
        region_contract.ListOrderSummariesResponse
        | region_contract.SearchOrderSummariesResponse
        | region_contract.ListJointOrderSummariesResponse
    ),
) -> str:
    """The key up to which a region has looked, of which it tells the time alone; empty where it tells none."""
    if not answer.HasField("looked_time"):
        return ""
    return dated_key(from_timestamp(answer.looked_time) + _MOMENT, "")


def _trace_of(order_id: str) -> Ask[region_contract.GetOrderTraceResponse]:
    question = region_contract.GetOrderTraceRequest(order_id=order_id)
    return lambda channel, seconds: readable_answer(OrderOversightServiceStub(channel).GetOrderTrace, question, seconds)
