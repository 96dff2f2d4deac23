"""Other coordinators' view of the registry: whether it responds to them while it does not respond to this one."""

import asyncio
from collections.abc import Collection
from datetime import timedelta

import grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse

from coordinator.registry.embedded import EmbeddedRegistry
from coordinator.registry.etcd.registry import EtcdRegistry
from coordinator.registry.port import Registry, Replica
from coordinator.settings import CoordinatorSettings
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import Unreachable
from gateway.rpc.channels import Dialer, health_of
from gateway.rpc.server import Server
from gateway.security.identity import server_name
from gateway.security.revocations import Revocations
from gateway.security.tls import CredentialsUnusable
from gateway.store.port import Store
from gateway.time.agreed_clock import AgreedClock

REGISTRY = "crossregion.registry"  # the name of the registry in the health service
ASK_SECONDS = 0.5
TELL_SECONDS = 0.25  # between updates of the health service


class Witnesses:
    """Queries other coordinators."""

    def __init__(self, dialer: Dialer, federation: str, revocations: Revocations) -> None:
        self._dialer = dialer
        self._revocations = revocations
        self._name = server_name(Role.ROLE_COORDINATOR, "", federation)

    async def say_it_answers(self, others: Collection[Replica]) -> bool:
        """Whether at least one of them reports it. Unreachable and uncertain ones do not count.

        Neither does one with a revoked certificate.
        """
        return any(await asyncio.gather(*(self._ask(each.endpoint) for each in others)))

    async def _ask(self, endpoint: str) -> bool:
        try:
            async with self._dialer.dial(endpoint, self._name) as channel:
                told = await health_of(channel, REGISTRY, ASK_SECONDS)
                if told.status != HealthCheckResponse.SERVING:
                    return False
                # Nobody else may be connected to it: whether its certificate was revoked shows in this connection.
                await self._dialer.revoked.look(self._revocations)
        except (grpc.aio.AioRpcError, Unreachable, CredentialsUnusable):
            return False
        return endpoint not in self._dialer.revoked.endpoints


async def open_registry(
    settings: CoordinatorSettings, clock: AgreedClock, store: Store, witnesses: Witnesses
) -> Registry:
    """Opens the registry that the settings name. Raises as the registry's own `open`."""
    lease, anchor = timedelta(seconds=settings.lease), settings.anchor()
    if settings.etcd is None:
        return await EmbeddedRegistry.open(store, clock, lease, anchor)
    return await EtcdRegistry.open(
        settings.etcd, settings.federation, settings.data, clock, lease, witnesses.say_it_answers, anchor
    )


async def tell_of_registry(server: Server, registry: Registry) -> None:
    """Keeps the registry's state in the health service up to date, until it is cancelled."""
    while True:
        await server.say(REGISTRY, serves=registry.answers())
        await asyncio.sleep(TELL_SECONDS)
