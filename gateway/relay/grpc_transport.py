"""The transport over gRPC: to whichever replica of the next hop answers."""

import asyncio

from opentelemetry.trace import SpanKind

from gateway.api.relay.v1.relay_pb2 import DeliverRequest, DeliverResponse
from gateway.api.relay.v1.relay_pb2_grpc import RelayServiceStub
from gateway.channels import Replicas, invoke
from gateway.errors import Refused, status_code
from gateway.metrics import CallMetrics
from gateway.relay.envelopes import read_content
from gateway.relay.transport import Unreachable
from gateway.tracing import Tracing

_METHOD = "gateway.api.relay.v1.RelayService/Deliver"


class GrpcTransport:
    """Delivers through the replicas of one next hop: of a region the coordinators, of a coordinator the region."""

    def __init__(self, replicas: Replicas, tracing: Tracing, metrics: CallMetrics) -> None:
        self._replicas = replicas
        self._tracing = tracing
        self._metrics = metrics

    async def deliver(self, request: DeliverRequest, timeout: float) -> DeliverResponse:
        """See the port."""
        replica = self._replicas.pick()
        loop = asyncio.get_running_loop()
        started, status = loop.time(), "OK"
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
            except Unreachable as failure:
                status = failure.status
                self._replicas.leave_out(replica)
                raise
            except Refused as refused:
                status = status_code(refused.reason).name
                raise
            finally:
                self._metrics.called(_METHOD, status, loop.time() - started)
