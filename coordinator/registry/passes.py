"""Passes over records of the registry that make room where a report has none."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.time.clock import Clock

EVERY = timedelta(seconds=5)  # a pass reads all records
AGAIN = timedelta(minutes=2)  # where there was nothing to remove


@dataclass
class _Passes:
    """The passes for one region."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    last: datetime | None = None
    interval: timedelta = timedelta(0)


class Passes:
    """Passes of one kind: for each region one at a time, at intervals, and later where one has removed nothing."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._of: dict[str, _Passes] = {}

    async def make(self, region: str, remove: Callable[[datetime], Awaitable[bool]]) -> None:
        """Makes a pass for a region where one is due; a report without room waits for that of another report.

        `remove` is given the time, and returns whether it has removed anything.
        """
        own = self._of.setdefault(region, _Passes())
        async with own.turn:
            now = self._clock.now()
            if own.last is None or now - own.last >= own.interval:
                own.last, own.interval = now, EVERY
                if not await remove(now):
                    own.interval = AGAIN
