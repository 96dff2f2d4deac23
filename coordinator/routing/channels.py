"""The connections of a coordinator to the processes of all regions."""

import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from gateway.api.federation.v1.federation_pb2 import Member
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import Unreachable
from gateway.process.metrics import CallMetrics
from gateway.process.tracing import Tracing
from gateway.relay.grpc_carrier import GrpcCarrier
from gateway.rpc.channels import Attempt, Dialer, Replicas
from gateway.security.identity import server_name
from gateway.security.revocations import Revocations
from gateway.security.tls import CredentialsUnusable

_log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class ChannelPorts:
    """The ports of connections."""

    federation: str
    dialer: Dialer
    tracing: Tracing
    metrics: CallMetrics
    source: random.Random


@dataclass(frozen=True)
class _Way:
    """The way to one region."""

    replicas: Replicas
    carrier: GrpcCarrier


class RegionChannels:
    """Follows the endpoints of regions. A region is connected at its first use."""

    def __init__(self, ports: ChannelPorts) -> None:
        self._ports = ports
        self._wanted: dict[str, tuple[str, ...]] = {}
        self._ways: dict[str, _Way] = {}

    def update(self, members: Mapping[str, Member]) -> None:
        """Replaces the endpoints."""
        self._wanted = {region: tuple(member.endpoints) for region, member in members.items()}
        for region in self._ways:
            try:
                self._way_to(region)
            except CredentialsUnusable as error:
                _log.error("the connections to %s stay as they were: %s", region, error)

    def carrier_to(self, region: str) -> GrpcCarrier:
        """A carrier of batches to a region. Raises Unreachable without a connection."""
        return self._connected(region).carrier

    async def call(self, region: str, attempt: Attempt[T], timeout: float) -> T:
        """Makes a call to one of the region's processes, as `Replicas.call` does. Raises Unreachable."""
        return await self._connected(region).replicas.call(attempt, timeout)

    async def leave_out_revoked(self, revocations: Revocations) -> None:
        """Looks for servers whose certificate was revoked, which are not called then, until it is cancelled."""
        await self._ports.dialer.revoked.follow(revocations)

    async def close(self) -> None:
        """Closes all connections."""
        ways, self._ways, self._wanted = self._ways, {}, {}
        for way in ways.values():
            await way.replicas.close()

    def _connected(self, region: str) -> _Way:
        try:
            return self._way_to(region)
        except CredentialsUnusable as error:
            raise Unreachable(str(error)) from error

    def _way_to(self, region: str) -> _Way:
        way = self._ways.get(region)
        if way is None:
            name = server_name(Role.ROLE_REGION, region, self._ports.federation)
            replicas = Replicas(self._ports.dialer, name, self._ports.source)
            way = self._ways[region] = _Way(replicas, GrpcCarrier(replicas, self._ports.tracing, self._ports.metrics))
        wanted = self._wanted.get(region, ())
        if way.replicas.endpoints != wanted:
            way.replicas.update(wanted)
        return way
