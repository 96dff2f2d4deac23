"""A gRPC server with the border in front, health, and a drain that loses nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health_aio
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from grpc_reflection.v1alpha import reflection

from gateway.rpc.interceptor import BorderInterceptor
from gateway.rpc.shares import ALL_CALLS
from gateway.security.tls import ChannelOptions, server_options

# Calls that are served, and as many that the border is refusing. gRPC itself refuses further ones for least, without a
# reason.
_MOST_UNDER_WAY = 2 * ALL_CALLS
DRAIN_SECONDS = 10.0  # grace of open calls when the process has to stop

S = TypeVar("S")


class PortInUse(Exception):
    """Another process listens where this one should."""


@dataclass(frozen=True)
class Service:
    """A service of a server: its descriptor, and the function that adds it."""

    descriptor: ServiceDescriptor
    add: Callable[[grpc.aio.Server], None]

    @classmethod
    def of(cls, descriptor: ServiceDescriptor, add: Callable[[S, grpc.aio.Server], None], servicer: S) -> "Service":
        """A service with the generated function that adds its servicer."""
        return cls(descriptor, lambda server: add(servicer, server))


class Server:
    """A listening server."""

    def __init__(
        self,
        services: Sequence[Service],
        border: BorderInterceptor,
        *,
        reflects: bool,
        options: ChannelOptions = (),
    ) -> None:
        """`options` are further arguments of gRPC's server, instead of those that every server has."""
        self._border = border
        chosen = {**dict(server_options()), **dict(options)}
        self._server = grpc.aio.server(
            interceptors=[border], options=list(chosen.items()), maximum_concurrent_rpcs=_MOST_UNDER_WAY
        )
        self._health = health_aio.HealthServicer()
        self._names = [service.descriptor.full_name for service in services]
        for service in services:
            service.add(self._server)
        add_HealthServicer_to_server(self._health, self._server)
        if reflects:
            names = [*self._names, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name]
            reflection.enable_server_reflection([*names, reflection.SERVICE_NAME], self._server)

    async def start(self, listen: str, credentials: grpc.ServerCredentials) -> int:
        """Listens on `host:port` and serves; returns the port. Raises PortInUse."""
        try:
            port = self._server.add_secure_port(listen, credentials)
        except RuntimeError as error:
            # A server that never started would delay the end of the process.
            await self._server.start()
            await self._server.stop(None)
            raise PortInUse(f"cannot listen on {listen}: another process does, or the address is not ours") from error
        await self._server.start()
        await self._say(health_pb2.HealthCheckResponse.SERVING)
        return port

    async def drain(self) -> None:
        """Refuses new calls, finishes those being served, then stops."""
        await self._say(health_pb2.HealthCheckResponse.NOT_SERVING)
        self._border.drain()
        await self._server.stop(DRAIN_SECONDS)

    async def show(self, *, serves: bool) -> None:
        """Reports through the health service whether all services serve."""
        health = health_pb2.HealthCheckResponse
        await self._say(health.SERVING if serves else health.NOT_SERVING)

    async def say(self, name: str, *, serves: bool) -> None:
        """Reports the health of a component other than a service through the health service."""
        told = health_pb2.HealthCheckResponse.SERVING if serves else health_pb2.HealthCheckResponse.NOT_SERVING
        await self._health.set(name, told)

    async def _say(self, status: int) -> None:
        for name in ["", *self._names]:
            await self._health.set(name, status)
