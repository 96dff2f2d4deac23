"""Records in the embedded registry: one transaction for a change."""

from collections.abc import Sequence
from typing import Generic, NamedTuple

from coordinator.registry.problem_port import Administered
from coordinator.registry.record_port import DecideRecord, M
from gateway.auditing import audit
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock


class RecordTable(NamedTuple):
    """The table of one kind of records: its name, and the column of their ids, beside `content`."""

    name: str
    key: str


RISKS = RecordTable("risks", "risk_id")
ENROLMENTS = RecordTable("enrolments", "enrolment_id")
RENEWALS = RecordTable("renewals", "renewal_id")


class EmbeddedRecords(Generic[M]):
    """See the port."""

    def __init__(self, store: Store, clock: Clock, table: RecordTable, kind: type[M]) -> None:
        self._store = store
        self._clock = clock
        self._kind = kind
        name, key = table
        self._all = f"SELECT content FROM {name} ORDER BY {key}"  # noqa: S608 - names of this module
        self._one = f"SELECT content FROM {name} WHERE {key} = :id"  # noqa: S608 - names of this module
        self._keep = (
            f"INSERT INTO {name} ({key}, content) VALUES (:id, :content)"  # noqa: S608 - names of this module
            f" ON CONFLICT ({key}) DO UPDATE SET content = excluded.content"
        )
        self._remove = f"DELETE FROM {name} WHERE {key} = :id"  # noqa: S608 - names of this module

    async def all(self) -> Sequence[M]:
        """See the port."""
        return await self._store.read(lambda tx: tx.all(self._kind.FromString, self._all))

    async def find(self, record_id: str) -> M | None:
        """See the port."""
        return await self._store.read(lambda tx: self._found(tx, record_id))

    async def change(self, record_id: str, decide: DecideRecord[M], by: Administered | None = None) -> M | None:
        """See the port."""
        return await self._store.write(lambda tx: self._change(tx, record_id, decide, by))

    async def remove(self, record_id: str) -> None:
        """See the port."""
        await self._store.write(lambda tx: tx.execute(self._remove, id=record_id))

    def _found(self, tx: Transaction, record_id: str) -> M | None:
        return tx.first(self._kind.FromString, self._one, id=record_id)

    def _change(self, tx: Transaction, record_id: str, decide: DecideRecord[M], by: Administered | None) -> M | None:
        before = self._found(tx, record_id)
        after = decide(before)
        if after is None:
            return before
        tx.execute(self._keep, id=record_id, content=after.SerializeToString(deterministic=True))
        if by is not None:
            now = self._clock.now()
            audit.append(tx, now=now, actor=by.actor, action=by.action, subject=by.subject, detail=by.detail)
        return after
