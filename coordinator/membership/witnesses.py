"""Other coordinators' view of the registry: whether it responds to them while it does not respond to this one."""

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

REGISTRY = "crossregion.registry"  # the name of the registry in the health service
ASK_SECONDS = 0.5
TELL_SECONDS = 0.25  # between updates of the health service


class Witnesses:
    """Queries other coordinators."""

    def __init__(self, dialer: Dialer, federation: str) -> None:
        self._dialer = dialer
        self._name = server_name(Role.ROLE_COORDINATOR, "", federation)

    async def say_it_answers(self, others: Collection[Replica]) -> bool:
        """Whether at least one of them reports it. Unreachable and uncertain ones do not count."""
        return any(await asyncio.gather(*(self._ask(each.endpoint) for each in others)))

    async def _ask(self, endpoint: str) -> bool:
        try:
            async with self._dialer.dial(endpoint, self._name) as channel:
                told = await health_of(channel, REGISTRY, ASK_SECONDS)
        except (grpc.aio.AioRpcError, CredentialsUnusable):
            return False
        return bool(told.status == HealthCheckResponse.SERVING)


async def tell_of_registry(server: Server, registry: Registry) -> None:
    """Keeps the registry's state in the health service up to date, until it is cancelled."""
    while True:
        await server.say(REGISTRY, serves=registry.answers())
        await asyncio.sleep(TELL_SECONDS)
