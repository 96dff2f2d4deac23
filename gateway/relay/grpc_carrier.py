"""The carrier over gRPC: delivers to any responding replica of the next hop."""

from opentelemetry.trace import SpanKind

from gateway.api.relay.v1.relay_pb2 import DeliverRequest, DeliverResponse, HopStamp
from gateway.api.relay.v1.relay_pb2_grpc import RelayServiceStub
from gateway.errors import Refused, Unreachable, status_code
from gateway.process.metrics import CallMetrics
from gateway.process.tracing import Tracing
from gateway.relay.transport import BeforeAttempt
from gateway.rpc.channels import Replica, Replicas, invoke
from gateway.time.clock import Clock, SystemClock, to_timestamp

_METHOD = "gateway.api.relay.v1.RelayService/Deliver"


class GrpcCarrier:
    """Delivers through the replicas of the next hop: a region's coordinators, or a coordinator's region.

    Offers a batch that one replica leaves unanswered to another healthy replica immediately. The request's journey then
    has one stamp more: a copy of the last one, with `again`.
    """

    def __init__(self, replicas: Replicas, tracing: Tracing, metrics: CallMetrics, clock: Clock | None = None) -> None:
        self._replicas = replicas
        self._tracing = tracing
        self._metrics = metrics
        self._clock = clock or SystemClock()

    async def deliver(
        self, request: DeliverRequest, timeout: float, before_attempt: BeforeAttempt | None = None
    ) -> DeliverResponse:
        """See the port."""
        stamps = len(request.journey.stamps)
        is_first = True

        async def attempt(replica: Replica, seconds: float) -> DeliverResponse | Refused:
            nonlocal is_first
            try:
                if before_attempt is not None:
                    before_attempt()
            except Refused as refused:
                return refused  # the refusal is not the replica's own: it stays in turn, and no other replica is tried
            if not is_first and stamps:
                request.journey.stamps.append(self._again(request.journey.stamps[stamps - 1]))
            is_first = False
            return await self._deliver(replica, request, seconds)

        outcome = await self._replicas.call(attempt, timeout)
        if isinstance(outcome, Refused):
            raise outcome
        return outcome

    async def _deliver(self, replica: Replica, request: DeliverRequest, timeout: float) -> DeliverResponse:
        started, status = self._metrics.start(), "CANCELLED"
        with self._tracing.span(
            _METHOD,
            SpanKind.CLIENT,
            links=request.traceparents,
            attributes={
                "rpc.system.name": "grpc",
                "rpc.method": _METHOD,
                "envelopes": len(request.traceparents),
            },
        ):
            try:
                response = await invoke(replica.stub(RelayServiceStub).Deliver, request, timeout)
            except Unreachable as failure:
                status = failure.status
                raise
            except Refused as refused:
                status = status_code(refused.reason).name
                raise
            else:
                status = "OK"
                return response
            finally:
                self._metrics.called(_METHOD, status, started)

    def _again(self, stamp: HopStamp) -> HopStamp:
        return HopStamp(party=stamp.party, event=f"{stamp.event} again", time=to_timestamp(self._clock.now()))
