"""Reads for watchers: one read serves all of them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Generic, TypeVar

from gateway.store.port import Store, Transaction
from region_node.records.stored import FIRST, GONE, Events, StateEvent
from region_node.requests.changes import Changes

K = TypeVar("K", bound=Hashable)
P = TypeVar("P")
T = TypeVar("T")
_EVENTS_AT_ONCE = 100


class SharedReads(Generic[K, P]):
    """The reads since the last change, by what they are about: a place in a list of changes, or a record."""

    def __init__(self, store: Store, changes: Changes, read: Callable[[Transaction, K], P]) -> None:
        self._store = store
        self._changes = changes
        self._read = read
        self._round = changes.round
        self._reads: dict[K, asyncio.Task[P]] = {}

    async def of(self, key: K) -> P:
        """The result of `read` for a key. Raises Refused as the store does."""
        if self._round != self._changes.round:
            self._round = self._changes.round
            self._reads.clear()
        reading = self._reads.get(key)
        if reading is None:
            reading = asyncio.get_running_loop().create_task(self._read_once(key))
            self._reads[key] = reading
            reading.add_done_callback(partial(self._done, key))
        # The first caller may leave before the others.
        return await asyncio.shield(reading)

    async def _read_once(self, key: K) -> P:
        return await self._store.read(lambda tx: self._read(tx, key))

    def _done(self, key: K, reading: "asyncio.Task[P]") -> None:
        """Drops a failed read, so that the next caller reads anew."""
        if (reading.cancelled() or reading.exception() is not None) and self._reads.get(key) is reading:
            del self._reads[key]


class ChangeKind(Enum):
    """The part of a record that has changed."""

    DELETED = auto()
    CREATED = auto()
    STATE = auto()
    ATTRIBUTE = auto()


_ANY = (ChangeKind.STATE, ChangeKind.ATTRIBUTE, ChangeKind.CREATED)


@dataclass(frozen=True)
class Change(Generic[T]):
    """A change of a record: its name, and its current state; None for a state that nobody may see."""

    sequence: int
    name: str
    now: T | None
    kinds: Sequence[ChangeKind] = ()
    """All that has changed, the most telling first: several changes in a row are one."""
    time: int = 0
    """In microseconds."""


def changes_after(
    tx: Transaction, events: Events, sequence: int, name: str, now: Callable[[str], T | None]
) -> Sequence[Change[T]]:
    """Changes after a sequence number, each with the state of `now`; of all records for an empty id.

    Events of a record in a row are one change. It is left out where later changes of the record are of all its kinds,
    since all of them read the same row. A reader that stops between two changes misses no kind thereby.
    """
    found, later, states = list[Change[T]](), dict[str, set[ChangeKind]](), dict[str, T | None]()
    in_rows = groupby(events.states_after(tx, sequence, name, _EVENTS_AT_ONCE), attrgetter("name"))
    for of, each in reversed([(of, list(row)) for of, row in in_rows]):
        kinds, known = _kinds(each), later.setdefault(of, set())
        if not known >= {*kinds} and ChangeKind.DELETED not in known:
            if of not in states:
                states[of] = now(of)
            found.append(Change(each[-1].sequence, of, states[of], kinds, each[-1].time))
            known.update(kinds)
    return found[::-1]


def _kinds(events: Sequence[StateEvent]) -> Sequence[ChangeKind]:
    """What events have changed; any kind, but rather another state, for an event of an older version."""
    if events[-1].state == GONE:  # nothing else counts any more
        return [ChangeKind.DELETED]
    # A record that was gone and has come back is new.
    known = {_kind(each) for each in events if each.former_state is not None and each.state != GONE}
    kinds = [kind for kind in ChangeKind if kind in known]
    return kinds if all(each.former_state is not None for each in events) else [*kinds, *_ANY]


def _kind(event: StateEvent) -> ChangeKind:
    if event.former_state == FIRST:
        return ChangeKind.CREATED
    return ChangeKind.ATTRIBUTE if event.former_state == event.state else ChangeKind.STATE


@dataclass(frozen=True)
class Feed(Generic[T]):
    """How the changes of one kind are read."""

    after: Callable[[Transaction, int, str], Sequence[Change[T]]]
    """Changes after a sequence number, in order: of one record by its name, or of all for an empty one."""
    last: Callable[[Transaction], int]
    """The sequence number of the last change."""


def _last_of_each(changes: Sequence[Change[T]]) -> Sequence[Change[T]]:
    """The last change of each record: a watch tells the state, which all of them read."""
    last = dict[str, Change[T]]()
    for each in changes:
        last.pop(each.name, None)
        last[each.name] = each
    return list(last.values())


class Follower(Generic[T]):
    """Distributes the changes of one kind to all watchers."""

    def __init__(self, store: Store, changes: Changes, feed: Feed[T]) -> None:
        self._store = store
        self._changes = changes
        self._feed = feed
        self._shared: SharedReads[int, Sequence[Change[T]]] = SharedReads(
            store, changes, lambda tx, sequence: _last_of_each(feed.after(tx, sequence, ""))
        )

    async def follow(self, changed: asyncio.Event, sequence: int, name: str = "") -> AsyncIterator[Change[T]]:
        """The changes after a sequence number, of one thing or of all, until the process stops.

        `changed` is that of the watch. Raises Refused as the store does.
        """
        if name:  # its changes so far; later ones come from the common read
            is_behind = True
            while is_behind:
                seen, last = await self._store.read(partial(self._behind, sequence=sequence, name=name))
                for change in seen:
                    yield change
                is_behind, sequence = bool(seen), seen[-1].sequence if seen else last
        while not self._changes.closed:
            changed.clear()
            page = await self._shared.of(sequence)
            for change in page:
                sequence = change.sequence
                if not name or change.name == name:
                    yield change
            if not page:
                await changed.wait()

    def _behind(self, tx: Transaction, sequence: int, name: str) -> tuple[Sequence[Change[T]], int]:
        seen = _last_of_each(self._feed.after(tx, sequence, name))
        return seen, max(sequence, self._feed.last(tx))
