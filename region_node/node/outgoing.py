"""Sends stored rows to an external system, each until it is accepted. Each process of a region may do so."""

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
    """The notification to other processes after a row was added."""
    added: type[object]
    """The type of the event published after a row was added."""
    next_due: Callable[[Transaction], datetime | None]
    """When the next row that waits is due."""
    claim: Callable[[Transaction, datetime], Sequence[T]]
    """Claims the rows that are due, so that no other process sends them for a while."""


class Outgoing(Generic[T]):
    """Sends the rows of a queue.

    A row belongs to its claimant; after the claimant's death the claim ends, and another process sends it.
    """

    def __init__(self, store: Store, clock: Clock, queue: Queue[T], bring: Callable[[T], Awaitable[bool]]) -> None:
        """`bring` returns whether the system has accepted the row."""
        self._store = store
        self._clock = clock
        self._queue = queue
        self._bring = bring
        self._changed = asyncio.Event()
        store.subscribe(queue.added, lambda _: self.wake())
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

    def wake(self) -> None:
        """Has the rows looked at now."""
        self._changed.set()

    async def keep(self, operation: Operation[None]) -> None:
        """Stores the result of a row. Where the store refuses, the claim ends by itself and the row is sent again."""
        try:
            await self._store.write(operation)
        except Refused as refused:
            _log.warning("one of %s is brought again: %s", self._queue.about, refused)

    def _committed_elsewhere(self, event: CommittedElsewhere) -> None:
        if not event.subjects or self._queue.about in event.subjects:
            self.wake()

    async def _bring_due(self) -> list[bool]:
        """Sends the due rows; returns for each whether it was accepted."""
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
