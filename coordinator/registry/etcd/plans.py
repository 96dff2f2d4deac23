"""Number plans stored apart from their configurations: written part by part, and fetched on demand."""

from etcd3.etcdrpc import rpc_pb2

from coordinator.registry.etcd import values
from coordinator.registry.etcd.client import CALL_SECONDS, PUT, RANGE, EtcdClient
from coordinator.registry.etcd.copy import Entry
from coordinator.registry.etcd.fields import Unreadable
from coordinator.registry.etcd.keys import Keys
from coordinator.registry.etcd.packing import Packed


class Plans:
    """The number plans of a federation in etcd. Parts never change, so no part is read twice."""

    def __init__(self, client: EtcdClient, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def write(self, packed: Packed, seconds: float = CALL_SECONDS) -> None:
        """Writes the parts of a number plan; `seconds` bounds each of them. Raises Unanswered, or Rejected.

        A configuration that names them must not be written before.
        """
        if packed.plan is None:
            return
        keys = self._keys.plan_parts(packed.plan.digest)
        request = rpc_pb2.RangeRequest(key=keys.first, range_end=keys.end, keys_only=True)
        held = {pair.key for pair in (await self._client.call(RANGE, request, seconds)).kvs}
        for number, part in enumerate(packed.parts):
            key = self._keys.plan_part(packed.plan.digest, number)
            if key not in held:
                await self._client.call(PUT, rpc_pb2.PutRequest(key=key, value=part), seconds)

    async def complete(self, entry: Entry, seconds: float = CALL_SECONDS) -> Entry:
        """The entry of a configuration with all parts of its number plan. Raises Unanswered, or Rejected.

        An entry of a later version stays unchanged.
        """
        try:
            plan = values.missing_plan(entry.value)
        except Unreadable:
            return entry
        if plan is None:
            return entry
        read = await self._client.read([self._keys.plan_parts(plan.digest)], seconds)
        return Entry(
            values.whole(entry.value, [read.entries[key].value for key in sorted(read.entries)]), entry.revision
        )
