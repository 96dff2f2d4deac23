"""A gRPC server with the border in front, health, and a drain that loses nothing."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeVar

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health_aio
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from grpc_reflection.v1alpha import reflection

from gateway.process.running import stop_tasks
from gateway.rpc.in_process import InProcess
from gateway.rpc.interceptor import BorderInterceptor
from gateway.rpc.ports import PortInUse, held_port
from gateway.rpc.shares import ALL_CALLS
from gateway.security.tls import ChannelOptions, server_options
from gateway.settings import host_of

# Listeners of a port. gRPC for Python takes the calls of a listener one by one, and each needs three rounds of the
# event loop. With one, a busy process takes calls no faster than it serves them: others wait inside gRPC, where no
# limit of the process sees them, behind those of a caller at full speed.
LISTENERS = 8
# Calls at a time at one listener: those that are served, and as many that the border is refusing. gRPC itself refuses
# further ones for least, without a reason.
_MOST_UNDER_WAY = 2 * ALL_CALLS
DRAIN_SECONDS = 10.0  # grace of open calls when the process has to stop

S = TypeVar("S")


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
    """A server with one port, and one listener or several."""

    def __init__(
        self,
        services: Sequence[Service],
        border: BorderInterceptor,
        *,
        reflects: bool,
        options: ChannelOptions = (),
    ) -> None:
        """`options` are further arguments of gRPC's server, instead of those that every server has."""
        self._services = services
        self._border = border
        self.calls = InProcess([service.add for service in services], border)
        """The same RPCs for callers who come by another protocol."""
        self._reflects = reflects
        self._options = {**dict(server_options()), **dict(options)}
        self._health = health_aio.HealthServicer()
        self._serves = True
        self._names = [service.descriptor.full_name for service in services]
        self._listeners: list[grpc.aio.Server] = []
        self._held = ExitStack()
        self._watching: asyncio.Task[None] | None = None

    async def start(self, listen: str, *credentials: grpc.ServerCredentials) -> int:
        """Listens on `host:port` and serves, with a listener for each of the credentials; returns the port.

        Credentials bring changed files to one listener, so that each has its own. Raises PortInUse.
        """
        shared = len(credentials) > 1
        if shared:
            self._held.enter_context(held_port(listen))
        address, port = listen, 0
        for each in credentials:
            listener = self._listener(shared=shared)
            self._listeners.append(listener)
            try:
                port = listener.add_secure_port(address, each)
            except RuntimeError as error:
                await self._abandon()
                raise PortInUse(listen) from error
            address = f"{host_of(listen)}:{port}"
        await self._say()
        for listener in self._listeners:
            await listener.start()
        self._watching = asyncio.create_task(self._border.connections.run(port))
        return port

    def _listener(self, *, shared: bool) -> grpc.aio.Server:
        options = {**self._options, "grpc.so_reuseport": int(shared)}
        listener = grpc.aio.server(
            interceptors=[self._border], options=list(options.items()), maximum_concurrent_rpcs=_MOST_UNDER_WAY
        )
        for service in self._services:
            service.add(listener)
        add_HealthServicer_to_server(self._health, listener)
        if self._reflects:
            names = [*self._names, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name]
            reflection.enable_server_reflection([*names, reflection.SERVICE_NAME], listener)
        return listener

    async def _abandon(self) -> None:
        # A listener that never started would delay the end of the process.
        for listener in self._listeners:
            await listener.start()
            await listener.stop(None)
        self._held.close()

    async def withdraw(self) -> None:
        """Reports for good that new calls belong elsewhere, and serves on until `drain`."""
        await self._health.enter_graceful_shutdown()

    async def drain(self) -> None:
        """Refuses new calls, finishes those being served, then stops."""
        await self.withdraw()
        self._border.drain()
        self._held.close()  # a successor may listen as soon as these listeners are closed, while their calls end
        await asyncio.gather(*(listener.stop(DRAIN_SECONDS) for listener in self._listeners))
        if self._watching is not None:
            await stop_tasks([self._watching])

    async def show(self, *, serves: bool) -> None:
        """Reports through the health service whether all services serve; before the start, what it reports then."""
        self._serves = serves
        await self._say()

    async def say(self, name: str, *, serves: bool) -> None:
        """Reports the health of a component other than a service through the health service."""
        told = health_pb2.HealthCheckResponse.SERVING if serves else health_pb2.HealthCheckResponse.NOT_SERVING
        await self._health.set(name, told)

    async def _say(self) -> None:
        for name in ["", *self._names]:
            await self.say(name, serves=self._serves)
