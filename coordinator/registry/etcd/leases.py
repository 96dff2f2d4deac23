"""Entries of etcd that live only while their lease is extended."""

import asyncio
import hashlib
import math
import time
from datetime import timedelta

import grpc
from etcd3.etcdrpc import rpc_pb2

from coordinator.registry.etcd.client import CALL_SECONDS, DELETE, GRANT, PUT, REVOKE, EtcdClient, Rejected

LEASE_ID_BITS = 63


def seconds_since_boot() -> float:
    """A clock that runs while this process is stopped or the machine sleeps, and is never set."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Leases:
    """Leases of one duration. etcd counts in whole seconds, and grants none shorter than its elections need."""

    def __init__(self, client: EtcdClient, lease: timedelta) -> None:
        self._client = client
        self._seconds = math.ceil(lease.total_seconds())

    async def extend(self, lease: int, seconds: float = CALL_SECONDS) -> bool:
        """Extends a lease for its full time from now on, or grants it, within `seconds`. Returns whether it stood.

        Raises Unanswered, or Rejected.
        """
        end = _now() + seconds
        if await self._client.keep_alive(lease, seconds):
            return True
        try:
            await self._client.call(GRANT, rpc_pb2.LeaseGrantRequest(ID=lease, TTL=self._seconds), end - _now())
        except Rejected as error:
            # Another replica was faster, or an own attempt with a lost response.
            if error.code != grpc.StatusCode.FAILED_PRECONDITION:
                raise
        return False

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
        await self.revoke(lease, end - _now())
        return response.header.revision

    async def revoke(self, lease: int, seconds: float = CALL_SECONDS) -> None:
        """Ends a lease, if it stands, with all that lives by it. Raises Unanswered, or Rejected."""
        try:
            await self._client.call(REVOKE, rpc_pb2.LeaseRevokeRequest(ID=lease), seconds)
        except Rejected as error:
            if error.code != grpc.StatusCode.NOT_FOUND:
                raise


def lease_of(federation: str, region: str, endpoint: str) -> int:
    """The lease id of a process: the same at every coordinator, so that each can extend it."""
    digest = hashlib.sha256(f"{federation}/{region}/{endpoint}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % (1 << LEASE_ID_BITS) or 1


def _now() -> float:
    return asyncio.get_running_loop().time()
