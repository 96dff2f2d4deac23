"""Cases in the embedded registry: one transaction each."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from coordinator.registry import shares
from coordinator.registry.case_room import charges_of, growth_of, has_room, take_left
from coordinator.registry.tally import Tally
from coordinator.registry.writes import Writes
from gateway.api.region.v1.case_service_pb2 import CaseHeader
from gateway.store.port import Store, Transaction
from gateway.time.clock import from_timestamp, to_microseconds


@dataclass(frozen=True)
class _CaseKept:
    """Published when a version of a case was stored."""

    region: str
    growth: int


class EmbeddedCases:
    """See the port."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tally = Tally()
        self._writes = Writes(shares.CASE_WRITES)
        store.subscribe(_CaseKept, lambda kept: self._tally.note(kept.region, kept.growth))

    async def keep(self, header: CaseHeader) -> bool:
        """See the port."""
        region, now = shares.region_of(header.ticket_id), asyncio.get_running_loop().time()
        await self._tally.refresh(region, shares.CASES, self._charges)
        with self._writes.change(region, now) as take:
            return await self._store.write(lambda tx: self._keep(tx, header, take))

    async def all(self) -> Sequence[CaseHeader]:
        """See the port."""
        return await self._store.read(_all)

    async def forget(self, decide: Callable[[Sequence[CaseHeader]], Sequence[CaseHeader]], region: str) -> int:
        """See the port."""
        mark = self._tally.mark()
        gone, left = await self._store.write(lambda tx: _forget(tx, decide, region))
        take_left(self._tally, left, region, mark)
        return gone

    def _keep(self, tx: Transaction, header: CaseHeader, take: Callable[[int], None]) -> bool:
        sql = "SELECT content FROM cases WHERE ticket_id = :ticket_id"
        before = tx.first(CaseHeader.FromString, sql, ticket_id=header.ticket_id)
        if before is not None and before.version >= header.version:
            return True
        if not has_room(self._tally, header, before):
            return False
        take(header.ByteSize())
        tx.execute(
            "INSERT INTO cases (ticket_id, version, ended, content) VALUES (:ticket_id, :version, :ended, :content)"
            " ON CONFLICT (ticket_id) DO UPDATE SET version = excluded.version, ended = excluded.ended,"
            " content = excluded.content",
            ticket_id=header.ticket_id,
            version=header.version,
            ended=to_microseconds(from_timestamp(header.end_time)) if header.HasField("end_time") else None,
            content=header.SerializeToString(),
        )
        tx.publish(_CaseKept(shares.region_of(header.ticket_id), growth_of(header, before)))
        return True

    async def _charges(self) -> Mapping[str, int]:
        return charges_of(await self.all())


def _all(tx: Transaction) -> Sequence[CaseHeader]:
    return tx.all(CaseHeader.FromString, "SELECT content FROM cases ORDER BY ticket_id")


def _of(tx: Transaction, region: str) -> Sequence[CaseHeader]:
    """The cases that a region leads: their ids begin with it and a slash, which the zero follows."""
    sql = "SELECT content FROM cases WHERE ticket_id > :first AND ticket_id < :behind ORDER BY ticket_id"
    return tx.all(CaseHeader.FromString, sql, first=f"{region}/", behind=f"{region}0")


def _forget(
    tx: Transaction, decide: Callable[[Sequence[CaseHeader]], Sequence[CaseHeader]], region: str
) -> tuple[int, Sequence[CaseHeader]]:
    """Removes the cases that `decide` names; returns how many, and the others that were read."""
    kept = _of(tx, region) if region else _all(tx)
    gone = {each.ticket_id for each in decide(kept)}
    tx.execute_many("DELETE FROM cases WHERE ticket_id = :ticket_id", [{"ticket_id": each} for each in sorted(gone)])
    return len(gone), [each for each in kept if each.ticket_id not in gone]
