"""Problems in etcd: a key for each event, problem and follower, and a key that every change of problems writes.

Transactions compare that key, so that of two coordinators the second decides anew. A large decision exceeds etcd's
limit and is written in parts. The state after each part is a valid basis for the next decision.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass

from coordinator.registry import shares
from coordinator.registry.etcd import values
from coordinator.registry.etcd.changes import Change, Changes, Found, Noted, Put
from coordinator.registry.etcd.client import Read
from coordinator.registry.etcd.fields import Unreadable
from coordinator.registry.etcd.keys import KeyRange, Keys
from coordinator.registry.problem_port import Administered, Book, Decide, Decision, growth_of
from coordinator.registry.tally import Tally
from coordinator.registry.writes import Writes
from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.time.clock import Clock

_log = logging.getLogger(__name__)
_PUTS_AT_ONCE = 100  # etcd takes 128 operations, comparisons apart
_BYTES_AT_ONCE = 1_000_000  # of 1.5 MiB


@dataclass(frozen=True)
class ProblemPorts:
    """The registry's functions for this part."""

    changes: Changes
    keys: Keys
    clock: Clock
    read: Callable[[Sequence[KeyRange]], Awaitable[Read]]
    """Raises Refused with REGISTRY_UNAVAILABLE."""
    patience: Callable[[], float]
    to_the_end: Callable[[Coroutine[object, object, int]], Awaitable[int]]

    async def make(
        self,
        keys: Sequence[bytes],
        decide: Callable[[Found], Change | None],
        *,
        is_noted: bool = False,
        written: Callable[[], None] = lambda: None,
    ) -> int:
        """Makes a change to its end, as `Changes.make`.

        Calls `written` after each change that was made or may be, even where nobody waits for it any more.
        """

        async def work() -> int:
            try:
                revision = await self.changes.make(keys, decide, self.clock.now(), self.patience(), is_noted=is_noted)
            except Refused as refused:
                if refused.reason == Reason.REASON_OUTCOME_UNKNOWN:
                    written()
                raise
            written()
            return revision

        return await self.to_the_end(work())


@contextmanager
def readable() -> Iterator[None]:
    """Raises Refused with REGISTRY_UNAVAILABLE for values of a later version: readers need all of them."""
    try:
        yield
    except Unreadable as error:
        _log.error("a value in etcd %s", error)
        raise Refused(Reason.REASON_REGISTRY_UNAVAILABLE) from None


class _Moved(Exception):
    """Something was written since the decision was made."""


class EtcdProblems:
    """See the port."""

    def __init__(self, ports: ProblemPorts) -> None:
        self._ports = ports
        self._tally = Tally()
        self._writes = Writes(shares.EVENT_WRITES)
        self._turn = asyncio.Lock()  # of simultaneous changes of one coordinator only one could succeed

    async def keep_event(self, event: NetworkEvent) -> bool:
        """See the port."""
        await self._tally.refresh(shares.region_of(event.id), shares.EVENTS, self._charges)
        key, region = self._ports.keys.network_event(event.id), shares.region_of(event.id)
        growth, has_room, now = 0, True, asyncio.get_running_loop().time()

        def decide(found: Found) -> Change | None:
            nonlocal growth, has_room
            has_room = True
            before = values.decode_network_event(found[key].value) if key in found else None
            if before is not None and before.version >= event.version:
                return None  # an attempt without an answer may have written it, and its growth counts
            wanted = growth_of(event, before)
            has_room = self._tally.has_room(region, wanted, shares.EVENTS)
            if not has_room:
                return None
            take(event.ByteSize())
            growth = wanted
            return Change({key: Put(values.encode_network_event(event))})

        with self._writes.change(region, now) as take:
            await self._ports.make([key], decide, written=lambda: self._tally.note(region, growth))
        return has_room

    async def book(self) -> Book:
        """See the port."""
        return (await self._read())[0]

    async def change(self, decide: Decide, by: Administered | None = None) -> Book:
        """See the port."""
        async with self._turn:
            while True:
                mark = self._tally.mark()
                book, at = await self._read()
                decision = await asyncio.to_thread(decide, book)
                try:
                    for part in self._parts(decision, by):
                        at = await self._write(part, at, book)
                except _Moved:
                    continue
                break
            await self._forget_followers(frozenset(decision.forgotten_problems))
            after = book.after(decision)
            self._tally.take(await asyncio.to_thread(lambda: after.charges), mark)
            return after

    async def followed(self) -> Mapping[tuple[str, str], int]:
        """See the port."""
        keys = self._ports.keys
        found = (await self._ports.read([keys.problem_followers])).entries
        with readable():
            return {keys.problem_follower_of(key): values.decode_number(entry.value) for key, entry in found.items()}

    async def note_followed(self, problem: str, region: str, version: int) -> None:
        """See the port."""
        key = self._ports.keys.problem_follower(problem, region)

        def decide(found: Found) -> Change | None:
            if key in found and values.decode_number(found[key].value) >= version:
                return None
            return Change({key: Put(values.encode_number(version))})

        await self._ports.make([key], decide)

    async def _charges(self) -> Mapping[str, int]:
        return (await self.book()).charges

    async def _forget_followers(self, problems: Set[str]) -> None:
        keys = self._ports.keys
        found = (await self._ports.read([keys.problem_followers])).entries if problems else {}
        for key in found:
            if keys.problem_follower_of(key)[0] in problems:
                await self._ports.make([key], lambda _, key=key: Change(deletes=[key]))  # type: ignore[misc]

    async def _read(self) -> tuple[Book, int]:
        """The book, and the revision of the key that every change writes; 0 where none has."""
        keys = self._ports.keys
        head = keys.problem_changes
        read = await self._ports.read([keys.network_events, keys.problems, KeyRange(head, head + b"\0")])
        events, problems = keys.network_events, keys.problems
        with readable():
            told = [values.decode_network_event(read.entries[key].value) for key in read.entries if events.holds(key)]
            kept = [values.decode_problem(read.entries[key].value) for key in read.entries if problems.holds(key)]
        book = Book({each.id: each for each in told}, {each.header.id: each for each in kept})
        return book, read.entries[head].revision if head in read.entries else 0

    def _parts(self, decision: Decision, by: Administered | None) -> Iterator[Change]:
        """The transactions of a decision; the first notes the administrator's action."""
        noted = Noted(by.actor, by.action, by.subject, by.detail) if by is not None else None
        keys = self._ports.keys
        puts: dict[bytes, Put] = {}
        size = 0
        for each in decision.problems:
            value = values.encode_problem(each)
            if puts and (len(puts) >= _PUTS_AT_ONCE or size + len(value) > _BYTES_AT_ONCE):
                yield Change(puts, noted=noted)
                puts, size, noted = {}, 0, None
            puts[keys.problem(each.header.id)] = Put(value)
            size += len(value)
        if puts:
            yield Change(puts, noted=noted)
        gone = [keys.network_event(each) for each in decision.forgotten_events]
        gone += [keys.problem(each) for each in decision.forgotten_problems]
        for first in range(0, len(gone), _PUTS_AT_ONCE):
            yield Change(deletes=gone[first : first + _PUTS_AT_ONCE])

    async def _write(self, part: Change, at: int, book: Book) -> int:
        """Writes a part if no decision was written since a revision; returns its own. Raises _Moved.

        An event to delete stays where its region has reported a later version than that in the book.
        """
        head, events = self._ports.keys.problem_changes, self._ports.keys.network_events

        def is_as_decided(key: bytes, found: Found) -> bool:
            event = values.decode_network_event(found[key].value) if key in found else None
            return event is None or event == book.events.get(event.id)

        def decide(found: Found) -> Change | None:
            if (found[head].revision if head in found else 0) != at:
                raise _Moved
            deletes = [key for key in part.deletes if is_as_decided(key, found)]
            return Change({**part.puts, head: Put(values.encode_number(at))}, deletes, part.noted)

        told = [key for key in part.deletes if events.holds(key)]
        return await self._ports.make([head, *told], decide, is_noted=part.noted is not None)
