"""The connections of a coordinator to the processes of all regions."""

import asyncio
import logging
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import grpc

from gateway.api.federation.v1.federation_pb2 import Member
from gateway.api.types.v1.access_pb2 import Role
from gateway.channels import Dialer, Replicas
from gateway.identity import server_name
from gateway.relay.grpc_transport import GrpcTransport
from gateway.relay.transport import Unreachable
from gateway.tls import Credentials, CredentialsUnusable
from gateway.tracing import Tracing

CLOSING_SECONDS = 10.0  # for calls on a connection that is no longer used: as long as a delivery may take
STAMP_INTERVAL = 1.0  # seconds between looks at the certificate files
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ChannelPorts:
    """What connections are made with."""

    federation: str
    credentials: Credentials
    dialer: Dialer
    tracing: Tracing
    source: random.Random


@dataclass(frozen=True)
class _Way:
    """The way to one region."""

    endpoints: tuple[str, ...]
    replicas: Replicas
    transport: GrpcTransport


class RegionChannels:
    """Follows the endpoints of regions as they come and go, and the certificate files as they are replaced."""

    def __init__(self, ports: ChannelPorts) -> None:
        self._ports = ports
        self._wanted: dict[str, tuple[str, ...]] = {}
        self._ways: dict[str, _Way] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._stamp = ports.credentials.stamp()
        self._stamp_checked = 0.0

    def update(self, members: Mapping[str, Member]) -> None:
        """Takes over the endpoints that exist now."""
        self._wanted = {region: tuple(member.endpoints) for region, member in members.items()}
        for region, way in list(self._ways.items()):
            if self._wanted.get(region, ()) != way.endpoints:
                try:
                    self._way_to(region)
                except CredentialsUnusable as error:
                    _log.error("the connections to %s stay as they were: %s", region, error)

    def transport_to(self, region: str) -> GrpcTransport:
        """Carries batches to a region. Raises Unreachable where no connection can be made."""
        return self._connected(region).transport

    def channel_to(self, region: str) -> grpc.aio.Channel:
        """A connection to one of the region's processes. Raises Unreachable."""
        return self._connected(region).replicas.pick().channel

    async def close(self) -> None:
        """Closes all connections."""
        ways, self._ways, self._wanted = self._ways, {}, {}
        for way in ways.values():
            await way.replicas.close()
        for task in self._closing:
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)

    def _connected(self, region: str) -> _Way:
        try:
            self._follow_credentials()
            return self._way_to(region)
        except CredentialsUnusable as error:
            raise Unreachable(str(error)) from error

    def _way_to(self, region: str) -> _Way:
        endpoints, known = self._wanted.get(region, ()), self._ways.get(region)
        if known is not None and known.endpoints == endpoints:
            return known
        replicas = known.replicas if known is not None else self._new_replicas(region)
        self._close_later(replicas.update(endpoints))
        way = _Way(endpoints, replicas, GrpcTransport(replicas, self._ports.tracing))
        self._ways[region] = way
        return way

    def _new_replicas(self, region: str) -> Replicas:
        name = server_name(Role.ROLE_REGION, region, self._ports.federation)
        return Replicas(lambda endpoint: self._ports.dialer.dial(endpoint, name), self._ports.source)

    def _follow_credentials(self) -> None:
        """Connects anew where certificate files were replaced: a channel keeps those it was made with."""
        now = asyncio.get_running_loop().time()
        if now - self._stamp_checked < STAMP_INTERVAL:
            return
        self._stamp_checked, stamp = now, self._ports.credentials.stamp()
        if stamp == self._stamp:
            return
        former, self._ways, self._stamp = self._ways, {}, stamp
        for way in former.values():
            self._close_later(way.replicas.update(()))

    def _close_later(self, channels: Iterable[grpc.aio.Channel]) -> None:
        for channel in channels:
            task = asyncio.get_running_loop().create_task(channel.close(CLOSING_SECONDS))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
