"""Calls to one of the region's own systems, with the node's own certificate."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import grpc
from opentelemetry.trace import SpanKind

from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import Refused, Unreachable, status_code
from gateway.process.metrics import CallMetrics
from gateway.process.tracing import Tracing
from gateway.rpc.channels import Dialer, Replica, Replicas, invoke
from gateway.security.identity import server_name
from region_node.node.settings import FulfilmentSettings, NotificationSettings

Request = TypeVar("Request")
Response = TypeVar("Response")
Rpc = Callable[[grpc.aio.Channel], "grpc.aio.UnaryUnaryMultiCallable[Request, Response]"]


def provider_name(federation: str, region: str, provider: FulfilmentSettings | NotificationSettings) -> str:
    """The DNS name that a region's own system proves."""
    return server_name(Role.ROLE_PROVIDER, region, federation, provider.name)


@dataclass(frozen=True)
class ProviderPorts:
    """The ports of calls to providers."""

    dialer: Dialer
    source: random.Random
    tracing: Tracing
    metrics: CallMetrics


class ProviderClient:
    """A client of one system of the region, made on its event loop; connects at the first call.

    The system has one endpoint, and is not called through coordinators. The channel is made anew when the certificate
    files are replaced.
    """

    def __init__(self, endpoint: str, name: str, ports: ProviderPorts) -> None:
        """`endpoint` is `host:port`, `name` the result of `provider_name`. Raises CredentialsUnusable."""
        self._ports = ports
        self._replicas = Replicas(ports.dialer, name, ports.source)
        self._replicas.update((endpoint,))

    async def call(self, method: str, rpc: "Rpc[Request, Response]", request: Request, timeout: float) -> Response:
        """Calls once, within `timeout` seconds and in the current trace. `method` is `package.Service/Method`.

        `rpc` finds it on a channel, for example `lambda channel: FulfilmentServiceStub(channel).Check`. Raises
        Unreachable without a response of the contract, whatever the status: the system may have acted.
        """

        async def attempt(replica: Replica, seconds: float) -> Response:
            return await invoke(rpc(replica.channel), request, seconds)

        started, status = self._ports.metrics.start(), "CANCELLED"
        attributes = {"rpc.system.name": "grpc", "rpc.method": method}
        with self._ports.tracing.span(method, SpanKind.CLIENT, attributes=attributes):
            try:
                response = await self._replicas.call(attempt, timeout)
            except Unreachable as failure:
                status = failure.status
                raise
            except Refused as refused:
                status = status_code(refused.reason).name
                raise Unreachable(str(refused), status) from None
            else:
                status = "OK"
                return response
            finally:
                self._ports.metrics.called(method, status, started)

    async def close(self) -> None:
        """Closes the channel."""
        await self._replicas.close()
