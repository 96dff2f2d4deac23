"""Passes over records of the registry that make room where a report has none."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from math import inf

from gateway.time.agreed_clock import AgreedClock

EVERY = 5.0  # seconds: a pass reads all records
AGAIN = 120.0  # seconds, where there was nothing to remove


@dataclass
class _Passes:
    """The passes for one region."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    last: float = -inf
    """In seconds of the steady clock."""
    interval: float = 0.0


class Passes:
    """Passes of one kind: for each region one at a time, at intervals, and later where one has removed nothing."""

    def __init__(self, clock: AgreedClock) -> None:
        self._clock = clock
        self._of: dict[str, _Passes] = {}

    async def make(self, region: str, remove: Callable[[datetime], Awaitable[bool]]) -> None:
        """Makes a pass for a region where one is due; a report without room waits for that of another report.

        None is due while the clock is not settled: by a wrong one, all records are old. `remove` is given the time, and
        returns whether it has removed anything.
        """
        own = self._of.setdefault(region, _Passes())
        async with own.turn:
            steady = self._clock.steady()
            if self._clock.is_settled() and steady - own.last >= own.interval:
                own.last, own.interval = steady, EVERY
                if not await remove(self._clock.now()):
                    own.interval = AGAIN
