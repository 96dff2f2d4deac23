"""The processes of regions in etcd: their heartbeats, the join of their region, and their removal."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from coordinator.registry import shares
from coordinator.registry.etcd import values
from coordinator.registry.etcd.changes import Change, Changes, Found, Noted, Put
from coordinator.registry.etcd.client import EtcdClient, Rejected, Unanswered
from coordinator.registry.etcd.copy import Copy
from coordinator.registry.etcd.fields import Unreadable
from coordinator.registry.etcd.keys import Keys
from coordinator.registry.etcd.leases import Leases, lease_of
from coordinator.registry.etcd.watch import Follower
from coordinator.registry.rules import Heartbeat, RegionFacts
from coordinator.registry.writes import Writes
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.security.sealing_keys import is_proven_by
from gateway.time.clock import Clock, to_microseconds

_RENEWAL_SECONDS = 1.0  # for a heartbeat of a process that is known to live: it counts in any case
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EndpointPorts:
    """The ports of the endpoints."""

    client: EtcdClient
    changes: Changes
    leases: Leases
    keys: Keys
    copy: Copy
    follower: Follower
    clock: Clock
    patience: Callable[[], float]
    """The seconds for all calls of one change together."""
    contain: Callable[[Awaitable[int]], Awaitable[int]]
    """Makes a change and waits until the copy contains it."""


class EtcdEndpoints:
    """Heartbeats of processes, each with its own lease."""

    def __init__(self, ports: EndpointPorts) -> None:
        self._ports = ports
        self._reports = Writes(shares.HEARTBEAT_WRITES)
        self._news = Writes(shares.NEWCOMER_WRITES)

    async def beat(self, region: str, heartbeat: Heartbeat) -> None:
        """See the port. Raises Refused with REGISTRY_UNAVAILABLE for a heartbeat with news that did not reach etcd.

        Of a region without room for changes, a known process lives on with its report before.
        """
        facts = self._ports.copy.snapshot.facts(region)
        known = facts.live.get(heartbeat.endpoint)
        is_new = facts.has_news_in(heartbeat, is_proven_by)
        key = self._ports.keys.live(region, heartbeat.endpoint)
        lease = lease_of(self._ports.keys.federation, region, heartbeat.endpoint)
        if self._ports.follower.has_gone_back and (known is None or is_new):
            raise Refused(Reason.REASON_REGISTRY_UNAVAILABLE)
        if self._ports.follower.has_gone_back:
            return
        loop = asyncio.get_running_loop()
        end = loop.time() + self._ports.patience()
        try:
            since = await self._living_since(region, heartbeat, end - loop.time())
            put = Put(values.encode_living(values.Living(heartbeat, since)), lease)
            is_join = is_new and facts.joined_by(heartbeat, is_proven_by) != facts
            if is_new:
                if not self._news.allows(region, len(put.value), loop.time()):
                    raise Refused(Reason.REASON_TOO_BUSY)
            elif not self._reports.allows(region, len(put.value), loop.time()) and await self._ports.leases.extend(
                lease, _RENEWAL_SECONDS
            ):
                return
            if is_join:
                await self._ports.leases.extend(put.lease, end - loop.time())
                await self._ports.contain(self._join(region, heartbeat, key, put, end - loop.time()))
            elif known is None:
                await self._contain(self._ports.leases.put(key, put.value, put.lease, end - loop.time()))
            else:
                await self._contain(self._ports.leases.put(key, put.value, put.lease, _RENEWAL_SECONDS))
        except (Unanswered, Rejected) as error:
            _log.debug("a heartbeat of %s at %s did not get to etcd: %s", region, heartbeat.endpoint, error)
            if known is None or is_new:
                raise Refused(Reason.REASON_REGISTRY_UNAVAILABLE) from None

    async def leave(self, region: str, endpoint: str) -> None:
        """See the port. Raises Refused with REGISTRY_UNAVAILABLE: it lives until its lease runs out then."""
        key = self._ports.keys.live(region, endpoint)
        lease = lease_of(self._ports.keys.federation, region, endpoint)
        if self._ports.follower.has_gone_back:
            raise Refused(Reason.REASON_REGISTRY_UNAVAILABLE)
        try:
            await self._contain(self._ports.leases.end(key, lease, self._ports.patience()))
        except (Unanswered, Rejected) as error:
            _log.warning("%s at %s lives until its lease runs out: %s", region, endpoint, error)
            raise Refused(Reason.REASON_REGISTRY_UNAVAILABLE) from None

    async def _contain(self, change: Awaitable[int]) -> None:
        """Makes a change without a decision, and waits until the copy contains it.

        Raises Forgotten where etcd has gone back behind the copy, and as the change.
        """
        follower, seen = self._ports.follower, self._ports.follower.revision
        revision = await change
        follower.require_onward(revision, seen)
        await follower.contains(revision)

    async def _living_since(self, region: str, heartbeat: Heartbeat, seconds: float) -> datetime:
        """Since when a region has had a process that lives, without a pause; this heartbeat is one of them.

        Raises Unanswered, or Rejected.
        """
        facts = self._ports.copy.snapshot.facts(region)
        if heartbeat.endpoint in facts.live and facts.presence_since is not None:
            return facts.presence_since
        # The copy of this coordinator may be older than that of the process's former coordinator.
        read = await self._ports.client.read([self._ports.keys.live_of(region)], seconds)
        since = [heartbeat.time]
        for key, entry in read.entries.items():
            try:
                since.append(values.decode_living(entry.value).since)
            except Unreadable as error:
                _log.error("%s in etcd %s", key.decode("utf-8", "replace"), error)
        return min(since)

    async def _join(self, region: str, heartbeat: Heartbeat, key: bytes, put: Put, seconds: float) -> int:
        """Stores a heartbeat with news: a first join, or another signing certificate or sealing key."""
        joined, now = self._ports.keys.joined(region), self._ports.clock.now()

        def decide(found: Found) -> Change | None:
            before = values.decode_joined(found[joined].value) if joined in found else None
            known = before.facts(region) if before is not None else None
            facts = (known or RegionFacts(region)).joined_by(heartbeat, is_proven_by)
            if facts == known:
                return Change({key: put})
            first_joined = before.first_joined if before is not None else to_microseconds(now)
            value = values.encode_joined(
                values.Joined(first_joined, facts.signing_certificate, facts.sealing_key, facts.capabilities)
            )
            action = facts.change_since(known)
            return Change({joined: Put(value), key: put}, noted=Noted(f"region/{region}", action, f"region/{region}"))

        return await self._ports.changes.make([joined], decide, now, seconds)
