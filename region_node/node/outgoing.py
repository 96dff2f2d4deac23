"""Stored rows that are brought to a system outside, each until it is taken. Every process of a region may do so."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from gateway.errors import Refused
from gateway.store.port import CommittedElsewhere, Operation, Store, Transaction
from gateway.time.clock import Clock

LONGEST_SLEEP = 60.0  # seconds: a clock may be set
REST = 1.0  # seconds after the store refused, or nothing of a batch was taken
T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Queue(Generic[T]):
    """Rows that wait."""

    about: str
    """What other processes are told of where a row was added."""
    added: type[object]
    """What is published where a row was added."""
    next_due: Callable[[Transaction], datetime | None]
    """When the next row that waits is due."""
    claim: Callable[[Transaction, datetime], Sequence[T]]
    """Takes what is due now, so that nobody else does for a while."""


class Outgoing(Generic[T]):
    """A row belongs to who claimed it. Where a process dies with one, the claim ends, and another brings it again."""

    def __init__(self, store: Store, clock: Clock, queue: Queue[T], bring: Callable[[T], Awaitable[bool]]) -> None:
        """`bring` returns whether what it was given was taken."""
        self._store = store
        self._clock = clock
        self._queue = queue
        self._bring = bring
        self._changed = asyncio.Event()
        store.subscribe(queue.added, lambda _: self._changed.set())
        store.subscribe(CommittedElsewhere, self._committed_elsewhere)

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            self._changed.clear()
            try:
                tried = await self._bring_due()
                if not tried:
                    await self._sleep()
                elif not any(tried):
                    await asyncio.sleep(REST)
            except Refused as refused:
                _log.warning("%s are looked at again soon: %s", self._queue.about, refused)
                await asyncio.sleep(REST)

    async def keep(self, operation: Operation[None]) -> None:
        """Notes what became of a row. Where the store refuses, the claim ends by itself and it is brought again."""
        try:
            await self._store.write(operation)
        except Refused as refused:
            _log.warning("one of %s is brought again: %s", self._queue.about, refused)

    def _committed_elsewhere(self, event: CommittedElsewhere) -> None:
        if not event.subjects or self._queue.about in event.subjects:
            self._changed.set()

    async def _bring_due(self) -> list[bool]:
        """Tries what is due; whether each was taken."""
        now = self._clock.now()
        due = await self._store.read(self._queue.next_due)
        if due is None or due > now:
            return []
        claimed = await self._store.write(lambda tx: self._queue.claim(tx, now))
        return await asyncio.gather(*(self._bring(each) for each in claimed))

    async def _sleep(self) -> None:
        due = await self._store.read(self._queue.next_due)
        seconds = LONGEST_SLEEP
        if due is not None:
            seconds = min(max((due - self._clock.now()).total_seconds(), 0.0), LONGEST_SLEEP)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
