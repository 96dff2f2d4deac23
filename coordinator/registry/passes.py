"""Passes over records of the registry that make room where a report has none."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from gateway.time.clock import Clock

EVERY = timedelta(seconds=5)  # a pass reads all records
AGAIN = timedelta(minutes=2)  # where there was nothing to remove


class Passes:
    """Passes of one kind: one at a time, at intervals, and later where one has removed nothing."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turn = asyncio.Lock()
        self._last: datetime | None = None
        self._interval = EVERY

    async def make(self, remove: Callable[[datetime], Awaitable[bool]]) -> None:
        """Makes a pass where one is due; a report without room waits for the one that another report makes.

        `remove` is given the time, and returns whether it has removed anything.
        """
        async with self._turn:
            now = self._clock.now()
            if self._last is None or now - self._last >= self._interval:
                self._last, self._interval = now, EVERY
                if not await remove(now):
                    self._interval = AGAIN
