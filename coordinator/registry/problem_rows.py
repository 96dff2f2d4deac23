"""Problems in the embedded registry. Decisions are made beside the store: a storm takes long."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from coordinator.registry import shares
from coordinator.registry.problem_port import Administered, Book, Decide, Decision, growth_of
from coordinator.registry.tally import Tally
from coordinator.registry.writes import Writes
from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent, Problem
from gateway.auditing import audit
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock


@dataclass(frozen=True)
class _Read:
    """The book, and how many changes it contains."""

    book: Book
    changes: int


@dataclass(frozen=True)
class _EventKept:
    """Published when an event was stored."""

    region: str
    growth: int


class EmbeddedProblems:
    """See the port."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._tally = Tally()
        self._writes = Writes(shares.EVENT_WRITES)
        self._turn = asyncio.Lock()  # of simultaneous changes only one could succeed, and the last count is the newest
        store.subscribe(_EventKept, lambda kept: self._tally.note(kept.region, kept.growth))

    async def keep_event(self, event: NetworkEvent) -> bool:
        """See the port."""
        region, now = shares.region_of(event.id), asyncio.get_running_loop().time()
        await self._tally.refresh(region, shares.EVENTS, self._charges)
        with self._writes.change(region, now) as take:
            return await self._store.write(lambda tx: self._keep_event(tx, event, take))

    async def book(self) -> Book:
        """See the port."""
        return (await self._store.read(_read)).book

    async def change(self, decide: Decide, by: Administered | None = None) -> Book:
        """See the port."""
        async with self._turn:
            while True:
                mark = self._tally.mark()
                read = await self._store.read(_read)
                decision = await asyncio.to_thread(decide, read.book)
                if decision.is_empty or await self._store.write(lambda tx: self._write(tx, read, decision, by)):  # noqa: B023
                    after = read.book.after(decision)
                    self._tally.take(await asyncio.to_thread(lambda: after.charges), mark)  # noqa: B023
                    return after

    async def followed(self) -> Mapping[tuple[str, str], int]:
        """See the port."""
        return dict(await self._store.read(_followed))

    async def note_followed(self, problem: str, region: str, version: int) -> None:
        """See the port."""
        await self._store.write(lambda tx: _note_followed(tx, problem, region, version))

    async def _charges(self) -> Mapping[str, int]:
        return (await self.book()).charges

    def _keep_event(self, tx: Transaction, event: NetworkEvent, take: Callable[[int], None]) -> bool:
        sql = "SELECT content FROM network_events WHERE event_id = :event_id"
        before = tx.first(NetworkEvent.FromString, sql, event_id=event.id)
        if before is not None and before.version >= event.version:
            return True
        region, growth = shares.region_of(event.id), growth_of(event, before)
        if not self._tally.has_room(region, growth, shares.EVENTS):
            return False
        take(event.ByteSize())
        tx.execute(
            "INSERT INTO network_events (event_id, version, content) VALUES (:event_id, :version, :content)"
            " ON CONFLICT (event_id) DO UPDATE SET version = excluded.version, content = excluded.content",
            event_id=event.id,
            version=event.version,
            content=event.SerializeToString(),
        )
        tx.publish(_EventKept(region, growth))
        return True

    def _write(self, tx: Transaction, read: _Read, decision: Decision, by: Administered | None) -> bool:
        """Writes a decision about what was read; returns False after another decision in between.

        An event to delete stays where its region has reported a later version.
        """
        is_ours = tx.execute(
            "INSERT INTO problem_changes (only_one, changes) VALUES (1, :following)"
            " ON CONFLICT (only_one) DO UPDATE SET changes = excluded.changes WHERE problem_changes.changes = :changes",
            following=read.changes + 1,
            changes=read.changes,
        )
        if not is_ours:
            return False
        tx.execute_many(
            "INSERT INTO problems (problem_id, content) VALUES (:problem_id, :content)"
            " ON CONFLICT (problem_id) DO UPDATE SET content = excluded.content",
            [{"problem_id": each.header.id, "content": each.SerializeToString()} for each in decision.problems],
        )
        gone = [read.book.events[each] for each in decision.forgotten_events]
        tx.execute_many(
            "DELETE FROM network_events WHERE event_id = :event_id AND version = :version",
            [{"event_id": each.id, "version": each.version} for each in gone],
        )
        for table in ("problems", "problem_followers"):
            tx.execute_many(
                f"DELETE FROM {table} WHERE problem_id = :problem_id",  # noqa: S608 - names from above
                [{"problem_id": each} for each in decision.forgotten_problems],
            )
        if by is not None:
            now = self._clock.now()
            audit.append(tx, now=now, actor=by.actor, action=by.action, subject=by.subject, detail=by.detail)
        return True


def _read(tx: Transaction) -> _Read:
    events = tx.all(NetworkEvent.FromString, "SELECT content FROM network_events")
    problems = tx.all(Problem.FromString, "SELECT content FROM problems")
    changes = tx.first(int, "SELECT changes FROM problem_changes WHERE only_one = 1")
    book = Book({each.id: each for each in events}, {each.header.id: each for each in problems})
    return _Read(book, changes or 0)


def _followed(tx: Transaction) -> list[tuple[tuple[str, str], int]]:
    return tx.all(
        lambda problem, region, version: ((str(problem), str(region)), int(version)),
        "SELECT problem_id, region, version FROM problem_followers",
    )


def _note_followed(tx: Transaction, problem: str, region: str, version: int) -> None:
    tx.execute(
        "INSERT INTO problem_followers (problem_id, region, version) VALUES (:problem, :region, :version)"
        " ON CONFLICT (problem_id, region) DO UPDATE SET version = excluded.version"
        " WHERE excluded.version > problem_followers.version",
        problem=problem,
        region=region,
        version=version,
    )
