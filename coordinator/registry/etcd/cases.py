"""Cases in etcd: a key each, below `cases/`. No coordinator keeps a copy of them: there may be many."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from coordinator.registry import shares
from coordinator.registry.case_room import charges_of, growth_of, has_room, take_left
from coordinator.registry.etcd import values
from coordinator.registry.etcd.changes import Change, Found, Put
from coordinator.registry.etcd.keys import KeyRange
from coordinator.registry.etcd.problems import ProblemPorts, readable
from coordinator.registry.tally import Tally
from coordinator.registry.writes import Writes
from gateway.api.region.v1.case_service_pb2 import CaseHeader

_AT_ONCE = 100  # etcd takes 128 operations


class EtcdCases:
    """See the port."""

    def __init__(self, ports: ProblemPorts) -> None:
        self._ports = ports
        self._tally = Tally()
        self._writes = Writes(shares.CASE_WRITES)

    async def keep(self, header: CaseHeader) -> bool:
        """See the port."""
        key, region = self._ports.keys.case(header.ticket_id), shares.region_of(header.ticket_id)
        await self._tally.refresh(region, shares.CASES, self._charges)
        growth, is_kept, now = 0, True, asyncio.get_running_loop().time()

        def decide(found: Found) -> Change | None:
            nonlocal growth, is_kept
            is_kept = True
            before = values.decode_case(found[key].value) if key in found else None
            if before is not None and before.version >= header.version:
                return None  # an attempt without an answer may have written it, and its growth counts
            is_kept = has_room(self._tally, header, before)
            if not is_kept:
                return None
            take(header.ByteSize())
            growth = growth_of(header, before)
            return Change({key: Put(values.encode_case(header))})

        with self._writes.change(region, now) as take:
            await self._ports.make([key], decide, written=lambda: self._tally.note(region, growth))
        return is_kept

    async def all(self) -> Sequence[CaseHeader]:
        """See the port."""
        return await self._read(self._ports.keys.cases)

    async def forget(self, decide: Callable[[Sequence[CaseHeader]], Sequence[CaseHeader]], region: str) -> int:
        """See the port."""
        keys = self._ports.keys
        mark, kept = self._tally.mark(), await self._read(keys.cases_of(region) if region else keys.cases)
        gone = {keys.case(each.ticket_id): each for each in await asyncio.to_thread(decide, kept)}
        names = sorted(gone)
        for first in range(0, len(names), _AT_ONCE):
            for key in await self._delete({key: gone[key] for key in names[first : first + _AT_ONCE]}):
                del gone[key]
        take_left(self._tally, (each for each in kept if keys.case(each.ticket_id) not in gone), region, mark)
        return len(gone)

    async def _delete(self, cases: Mapping[bytes, CaseHeader]) -> Sequence[bytes]:
        """Deletes cases by their keys; returns the keys of those that stay, since they have changed."""
        changed: Sequence[bytes] = ()

        def decide(found: Found) -> Change | None:
            nonlocal changed
            changed = [key for key in found if values.decode_case(found[key].value) != cases[key]]
            unchanged = [key for key in found if key not in changed]
            return Change(deletes=unchanged) if unchanged else None

        await self._ports.make(list(cases), decide)
        return changed

    async def _read(self, cases: KeyRange) -> Sequence[CaseHeader]:
        found = (await self._ports.read([cases])).entries
        with readable():
            return await asyncio.to_thread(lambda: [values.decode_case(found[key].value) for key in sorted(found)])

    async def _charges(self) -> Mapping[str, int]:
        return charges_of(await self.all())
