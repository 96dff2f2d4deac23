"""The configurations that are or were in force, as etcd has them, and when they came into force."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime

from etcd3.etcdrpc import rpc_pb2

from coordinator.registry.etcd import values
from coordinator.registry.etcd.client import RANGE, EtcdClient, Forgotten, Unanswered
from coordinator.registry.etcd.copy import Entry
from coordinator.registry.etcd.fields import Unreadable
from coordinator.registry.etcd.keys import KeyRange, Keys
from coordinator.registry.etcd.plans import Plans
from coordinator.registry.etcd.values import Applied
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused

_KEPT_TIMES = 1000  # those of twenty comparisons of 50 revisions
_log = logging.getLogger(__name__)


class History:
    """The configurations of a federation in etcd. `seconds` bounds each request to etcd."""

    def __init__(self, client: EtcdClient, keys: Keys, plans: Plans) -> None:
        self._client, self._keys, self._plans = client, keys, plans
        self._times: dict[tuple[bytes, int], datetime | None] = {}  # by key and etcd's revision: the last ones read

    async def applied(self, key: bytes, seconds: float) -> Applied | None:
        """A configuration with its number plan.

        Raises Unanswered, Rejected, or Refused with REGISTRY_UNAVAILABLE for one that this version cannot read.
        """
        entry = await self._entry(key, seconds)
        if entry is None:
            return None
        entry = await self._plans.complete(entry, seconds)
        try:
            return values.decode_applied(entry.value)
        except Unreadable as error:
            _log.error("%s in etcd %s", key.decode("utf-8", "replace"), error)
            raise Refused(Reason.REASON_REGISTRY_UNAVAILABLE) from None

    async def times(self, revisions: range, seconds: float) -> Mapping[int, datetime]:
        """When revisions came into force; see the port. Raises Unanswered, or Rejected.

        A time stands beside a configuration of up to 700 KiB: no value whose time is kept is read again. The newest
        come first. Those that etcd does not give within `seconds` in all are left out, and the next call reads them.
        """
        now = asyncio.get_running_loop().time
        end = now() + seconds
        at = self._keys.configuration_at
        request = rpc_pb2.RangeRequest(key=at(revisions.start), range_end=at(revisions.stop), keys_only=True)
        stored = [(pair.key, pair.mod_revision) for pair in (await self._client.call(RANGE, request, seconds)).kvs]
        found = {each: self._times[each] for each in stored if each in self._times}
        try:
            for each in reversed(stored):
                if each not in found:
                    found[each] = await self._time(each[0], end - now())
                    self._keep(each, found[each])
        except Forgotten:
            raise
        except Unanswered as error:
            _log.warning("etcd does not give the times of all revisions: %s", error)
        told = {key: time for (key, _), time in found.items() if time is not None}
        return {each: told[at(each)] for each in revisions if at(each) in told}

    def _keep(self, stored: tuple[bytes, int], time: datetime | None) -> None:
        self._times[stored] = time
        if len(self._times) > _KEPT_TIMES:
            del self._times[next(iter(self._times))]

    async def _time(self, key: bytes, seconds: float) -> datetime | None:
        entry = await self._entry(key, seconds)
        return values.applied_time(entry.value) if entry is not None else None

    async def _entry(self, key: bytes, seconds: float) -> Entry | None:
        return (await self._client.read([KeyRange(key, key + b"\0")], seconds)).entries.get(key)
