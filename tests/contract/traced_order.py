"""A region server with two orders: one on its way to another region, one held."""

from datetime import UTC, datetime, timedelta

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.region.v1 import order_oversight_service_pb2 as contract
from gateway.api.region.v1.order_oversight_service_pb2 import EnvelopeTrace, OrderSummary
from gateway.api.region.v1.order_oversight_service_pb2_grpc import OrderOversightServiceServicer
from gateway.api.region.v1.order_pb2 import Awaiting, OrderState, Party, StateChange
from gateway.api.region.v1.quarantine_service_pb2 import QuarantineState
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind, HopStamp, Journey
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.time.clock import to_timestamp

SERVICE = contract.DESCRIPTOR.services_by_name["OrderOversightService"]
START = datetime(2026, 11, 24, 4, tzinfo=UTC)
ORDER_ID = "henan/counter/R1"


def pending_order() -> OrderSummary:
    return OrderSummary(
        id=ORDER_ID,
        business="TERMINATE",
        state=OrderState.ORDER_STATE_PENDING,
        version=2,
        origin_region="henan",
        home_region="sichuan",
        awaiting=Awaiting(
            party=Party.PARTY_HOME_STAFF, action="review", since_time=_at(0), due_time=_at(24 * 3600 * 1000)
        ),
        create_time=_at(0),
    )


def held_order() -> OrderSummary:
    return OrderSummary(
        id="henan/counter/R2",
        business="SUSPEND",
        state=OrderState.ORDER_STATE_HELD,
        origin_region="henan",
        reason=Reason.REASON_NUMBER_UNRESOLVED,
        create_time=_at(1000),
        number_prefix="+861989900",
    )


def trace() -> contract.GetOrderTraceResponse:
    """States and hops, not in the order of time."""
    submit, cancel = EnvelopeKind.ENVELOPE_KIND_ORDER_SUBMIT, EnvelopeKind.ENVELOPE_KIND_ORDER_COMMAND
    update = EnvelopeKind.ENVELOPE_KIND_ORDER_UPDATE
    stamps = [("henan", "sent", 5), ("coordinator/0", "received", 10), ("sichuan", "committed", 15)]
    return contract.GetOrderTraceResponse(
        order=pending_order(),
        state_changes=[
            StateChange(state=OrderState.ORDER_STATE_ACKNOWLEDGED, time=_at(0), region="henan"),
            StateChange(
                state=OrderState.ORDER_STATE_PENDING, time=_at(2015), region="sichuan", reason="review returned"
            ),
        ],
        envelopes=[
            EnvelopeTrace(
                envelope_id=f"{ORDER_ID}#submit",
                kind=submit,
                origin="henan",
                destination="sichuan",
                attempts=1,
                journey=Journey(
                    stamps=[HopStamp(party=party, event=event, time=_at(ms)) for party, event, ms in stamps]
                ),
            ),
            EnvelopeTrace(
                envelope_id=f"{ORDER_ID}#cancel", kind=cancel, origin="henan", destination="sichuan", attempts=3
            ),
            *(
                EnvelopeTrace(kind=update, origin="henan", destination="sichuan", not_taken_reason=reason)
                for reason in (Reason.REASON_UPGRADE_REQUIRED, Reason.REASON_REGION_SUSPENDED)
            ),
            *(
                EnvelopeTrace(
                    envelope_id="e", kind=cancel, origin="henan", destination="sichuan", quarantine_state=state
                )
                for state in (
                    QuarantineState.QUARANTINE_STATE_WAITING,
                    QuarantineState.QUARANTINE_STATE_GIVEN_UP,
                )
            ),
        ],
    )


class Region(OrderOversightServiceServicer):
    """Henan, which handles both orders."""

    async def ListOrderSummaries(  # noqa: N802 - named by gRPC
        self,
        request: contract.ListOrderSummariesRequest,
        context: grpc.aio.ServicerContext[contract.ListOrderSummariesRequest, contract.ListOrderSummariesResponse],
    ) -> contract.ListOrderSummariesResponse:
        orders = [pending_order(), held_order()]
        return contract.ListOrderSummariesResponse(
            orders=[each for each in orders if not request.states or each.state in request.states]
        )

    async def SearchOrderSummaries(  # noqa: N802 - named by gRPC
        self,
        request: contract.SearchOrderSummariesRequest,
        context: grpc.aio.ServicerContext[contract.SearchOrderSummariesRequest, contract.SearchOrderSummariesResponse],
    ) -> contract.SearchOrderSummariesResponse:
        return contract.SearchOrderSummariesResponse(orders=[held_order()])

    async def ListJointOrderSummaries(  # noqa: N802 - named by gRPC
        self,
        request: contract.ListJointOrderSummariesRequest,
        context: grpc.aio.ServicerContext[
            contract.ListJointOrderSummariesRequest, contract.ListJointOrderSummariesResponse
        ],
    ) -> contract.ListJointOrderSummariesResponse:
        return contract.ListJointOrderSummariesResponse()

    async def GetOrderTrace(  # noqa: N802 - named by gRPC
        self,
        request: contract.GetOrderTraceRequest,
        context: grpc.aio.ServicerContext[contract.GetOrderTraceRequest, contract.GetOrderTraceResponse],
    ) -> contract.GetOrderTraceResponse:
        if request.order_id != ORDER_ID:
            raise Refused(Reason.REASON_ORDER_NOT_FOUND, order=request.order_id)
        return trace()


def _at(milliseconds: int) -> Timestamp:
    return to_timestamp(START + timedelta(milliseconds=milliseconds))
