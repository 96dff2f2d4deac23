"""The transport over gRPC: to whichever replica of the next hop answers."""

from opentelemetry.trace import SpanKind

from gateway.api.relay.v1.relay_pb2 import DeliverRequest, DeliverResponse
from gateway.api.relay.v1.relay_pb2_grpc import RelayServiceStub
from gateway.channels import Replicas, invoke
from gateway.relay.envelopes import read_content
from gateway.relay.transport import Unreachable
from gateway.tracing import Tracing

_METHOD = "gateway.api.relay.v1.RelayService/Deliver"


class GrpcTransport:
    """Delivers through the replicas of one next hop: of a region the coordinators, of a coordinator the region."""

    def __init__(self, replicas: Replicas, tracing: Tracing) -> None:
        self._replicas = replicas
        self._tracing = tracing

    async def deliver(self, request: DeliverRequest, timeout: float) -> DeliverResponse:
        """See the port."""
        replica = self._replicas.pick()
        with self._tracing.span(
            _METHOD,
            SpanKind.CLIENT,
            links=(read_content(envelope).traceparent for envelope in request.envelopes),
            attributes={
                "rpc.system.name": "grpc",
                "rpc.method": _METHOD,
                "envelopes": len(request.envelopes),
            },
        ):
            try:
                return await invoke(RelayServiceStub(replica.channel).Deliver, request, timeout)
            except Unreachable:
                self._replicas.leave_out(replica)
                raise
