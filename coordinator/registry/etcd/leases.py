"""Entries of etcd that live only while their lease is extended: the processes of regions, and this coordinator."""

import asyncio
import contextlib
import hashlib
import logging
import math
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import grpc
from etcd3.etcdrpc import rpc_pb2

from coordinator.registry.etcd import values
from coordinator.registry.etcd.client import (
    ATTEMPT_SECONDS,
    CALL_SECONDS,
    DELETE,
    GRANT,
    PUT,
    REVOKE,
    EtcdClient,
    Rejected,
    Unanswered,
)
from coordinator.registry.etcd.keys import Keys
from coordinator.registry.port import Replica
from gateway.api.federation.v1.federation_pb2 import ProcessVersion

_LEASE_ID_BITS = 63
_RENEWALS_IN_LEASE = 3
_PATIENCE_OF_LEASE = 2 / 3
_LEAVING_SECONDS = 1.0
_AGAIN_SECONDS = 0.5  # between attempts that fail
_log = logging.getLogger(__name__)


class Leases:
    """Leases of one duration. etcd counts in whole seconds, and grants none shorter than its elections need."""

    def __init__(self, client: EtcdClient, lease: timedelta) -> None:
        self._client = client
        self._seconds = math.ceil(lease.total_seconds())

    async def extend(self, lease: int, seconds: float = CALL_SECONDS) -> None:
        """Extends a lease for its full time from now on, or grants it, within `seconds`.

        Raises Unanswered, or Rejected.
        """
        end = _now() + seconds
        if await self._client.keep_alive(lease, seconds):
            return
        try:
            await self._client.call(GRANT, rpc_pb2.LeaseGrantRequest(ID=lease, TTL=self._seconds), end - _now())
        except Rejected as error:
            # Another replica was faster, or an own attempt with a lost response.
            if error.code != grpc.StatusCode.FAILED_PRECONDITION:
                raise

    async def put(self, key: bytes, value: bytes, lease: int, seconds: float = CALL_SECONDS) -> int:
        """Puts a value that vanishes with its lease, which is extended, within `seconds`. Returns the revision.

        Raises Unanswered, or Rejected.
        """
        end = _now() + seconds
        await self.extend(lease, seconds)
        request = rpc_pb2.PutRequest(key=key, value=value, lease=lease)
        try:
            return (await self._client.call(PUT, request, end - _now())).header.revision
        except Rejected as error:
            if error.code != grpc.StatusCode.NOT_FOUND:
                raise
        # The lease expired in between.
        await self.extend(lease, end - _now())
        return (await self._client.call(PUT, request, end - _now())).header.revision

    async def end(self, key: bytes, lease: int, seconds: float = CALL_SECONDS) -> int:
        """Removes a key and its lease, within `seconds`. Returns the revision. Raises Unanswered, or Rejected."""
        end = _now() + seconds
        response = await self._client.call(DELETE, rpc_pb2.DeleteRangeRequest(key=key), seconds)
        try:
            await self._client.call(REVOKE, rpc_pb2.LeaseRevokeRequest(ID=lease), end - _now())
        except Rejected as error:
            if error.code != grpc.StatusCode.NOT_FOUND:
                raise
        return response.header.revision


def lease_of(federation: str, region: str, endpoint: str) -> int:
    """The lease id of a process: the same at every coordinator, so that each can extend it."""
    digest = hashlib.sha256(f"{federation}/{region}/{endpoint}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % (1 << _LEASE_ID_BITS) or 1


class OwnReplica:
    """This coordinator's entry for the others. It is written again after each loss of its lease.

    `patience` returns the seconds that a call to etcd may take.
    """

    def __init__(self, client: EtcdClient, keys: Keys, lease: timedelta, patience: Callable[[], float]) -> None:
        self._client = client
        self._leases = Leases(client, lease)
        self._keys = keys
        self._patience = patience
        self._lease_seconds = lease.total_seconds()
        self._lease = _random_lease()
        self._own: Replica | None = None
        self._is_put = False
        self._renewed = 0.0
        self._missing = asyncio.Event()
        self._lock = asyncio.Lock()

    @property
    def replica(self) -> Replica | None:
        """The entry of this coordinator; None before the first `enter`."""
        return self._own

    async def enter(self, name: str, endpoint: str, version: ProcessVersion | None = None) -> int:
        """Enters this coordinator as serving. Returns the revision; 0 while etcd has not stored it."""
        self._own = Replica(name, endpoint, 0, version or ProcessVersion())
        return await self._put_soon()

    async def confirm(self, change: int) -> int:
        """Confirms the change in force here. Returns the revision; 0 while etcd has not stored it."""
        if self._own is None or change <= self._own.confirmed:
            return 0
        self._own = replace(self._own, confirmed=change)
        return await self._put_soon()

    def look_at(self, replicas: Mapping[str, Replica]) -> None:
        """Takes the list of live coordinators: where this one is missing, it enters again immediately."""
        if self._own is not None and self._is_put and self._own.name not in replicas:
            self._is_put = False
            self._missing.set()

    async def run(self) -> None:
        """Extends the lease until it is cancelled."""
        pause = regular = self._lease_seconds / _RENEWALS_IN_LEASE
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._missing.wait()
            self._missing.clear()
            pause = regular if await self.renew() else _AGAIN_SECONDS

    async def renew(self) -> bool:
        """Extends the lease; where it may be lost, this coordinator enters again. Returns whether that was done."""
        if self._own is None:
            return True
        now = _now()
        if self._is_put and now - self._renewed <= self._lease_seconds * _PATIENCE_OF_LEASE:
            try:
                if await self._client.keep_alive(self._lease, ATTEMPT_SECONDS):
                    self._renewed = now
                    return True
            except (Unanswered, Rejected) as error:
                _log.info("the lease of %s was not extended: %s", self._own.name, error)
                return False
        await self._put()
        return self._is_put

    async def leave(self) -> None:
        """This coordinator serves no more."""
        own, self._own = self._own, None
        if own is None:
            return
        async with self._lock:
            try:
                await self._leases.end(self._keys.replica(own.name), self._lease, _LEAVING_SECONDS)
            except (Unanswered, Rejected) as error:
                _log.warning("%s counts as live until its lease runs out: %s", own.name, error)

    async def _put_soon(self) -> int:
        """Puts it now, or as soon as etcd answers."""
        revision = await self._put()
        if not self._is_put:
            self._missing.set()
        return revision

    async def _put(self) -> int:
        async with self._lock:
            own = self._own
            if own is None:
                return 0
            now = _now()
            try:
                revision = await self._leases.put(
                    self._keys.replica(own.name), values.encode_replica(own), self._lease, self._patience()
                )
            except (Unanswered, Rejected) as error:
                self._is_put = False
                _log.warning("%s is not entered in etcd yet: %s", own.name, error)
                return 0
            self._is_put, self._renewed = True, now
            return revision


def _random_lease() -> int:
    return secrets.randbits(_LEASE_ID_BITS) or 1


def _now() -> float:
    return asyncio.get_running_loop().time()
