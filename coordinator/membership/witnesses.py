"""What other coordinators say of the registry: whether it answers them, where it does not answer this one."""

import asyncio
from collections.abc import Collection

import grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse

from coordinator.registry.port import Registry, Replica
from gateway.api.types.v1.access_pb2 import Role
from gateway.rpc.channels import Dialer, health_of
from gateway.rpc.server import Server
from gateway.security.identity import server_name
from gateway.security.tls import CredentialsUnusable

REGISTRY = "crossregion.registry"  # the name by which the health service tells of the registry
ASK_SECONDS = 0.5
TELL_SECONDS = 0.25  # between looks at what the health service has to tell


class Witnesses:
    """Asks other coordinators."""

    def __init__(self, dialer: Dialer, federation: str) -> None:
        self._dialer = dialer
        self._name = server_name(Role.ROLE_COORDINATOR, "", federation)

    async def say_it_answers(self, others: Collection[Replica]) -> bool:
        """Whether at least one of them says so; not one that cannot be reached, or is not sure itself."""
        return any(await asyncio.gather(*(self._ask(each.endpoint) for each in others)))

    async def _ask(self, endpoint: str) -> bool:
        try:
            async with self._dialer.dial(endpoint, self._name) as channel:
                told = await health_of(channel, REGISTRY, ASK_SECONDS)
        except (grpc.aio.AioRpcError, CredentialsUnusable):
            return False
        return bool(told.status == HealthCheckResponse.SERVING)


async def tell_of_registry(server: Server, registry: Registry) -> None:
    """Keeps what the health service tells of the registry up to date, until it is cancelled."""
    while True:
        await server.say(REGISTRY, serves=registry.answers())
        await asyncio.sleep(TELL_SECONDS)
