"""The last agreed time of day, as the database keeps it for the next start of a process."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from gateway.errors import Refused
from gateway.store.port import Store, Transaction
from gateway.time.agreed_clock import AgreedClock
from gateway.time.clock import instant_or_none, to_microseconds
from gateway.time.looks import until_look

TABLE = "agreed_time"
KEEP_EVERY = 600.0  # seconds between two writes: a start tells days from years by them, not minutes
_LOOK = 1.0  # seconds between two looks at what others keep, far less than two clocks may differ
_log = logging.getLogger(__name__)


def last_agreed(tx: Transaction) -> datetime | None:
    """The agreed time that a process of this database has kept last; None before the first."""
    kept = tx.first(int, "SELECT time FROM agreed_time WHERE id = 1")
    return instant_or_none(kept)


def keep_agreed(tx: Transaction, now: datetime) -> None:
    """Keeps an agreed time, also one before the time that was kept: others have confirmed it since."""
    tx.execute(
        "INSERT INTO agreed_time (id, time) VALUES (1, :now) ON CONFLICT (id) DO UPDATE SET time = excluded.time",
        now=to_microseconds(now),
    )


@dataclass(frozen=True)
class _FirstLook:
    """The first look at the database while the clock waits."""

    kept: datetime | None
    """The time that it kept then."""


class AgreedTimeKeeper:
    """The loop of one process; any of several on a database may write."""

    def __init__(self, store: Store, clock: AgreedClock) -> None:
        self._store = store
        self._clock = clock

    async def run(self) -> None:
        """Keeps the time while it is settled. Never returns."""
        while True:
            await self._settled()
            try:
                await self._store.write(partial(keep_agreed, now=self._clock.now()))
            except Refused as refused:
                _log.info("the agreed time is kept later: %s", refused)
            await asyncio.sleep(until_look(KEEP_EVERY))

    async def _settled(self) -> None:
        """Returns once the clock is settled. Until then a time counts that somebody keeps: a person, or a process.

        The time of the first look counts for nothing: this clock may have kept it before it was wrong.
        """
        first: _FirstLook | None = None
        while not self._clock.is_settled():
            with contextlib.suppress(Refused):
                kept = await self._store.read(last_agreed)
                if first is None:
                    first = _FirstLook(kept)
                elif kept is not None and kept != first.kept:
                    self._clock.take_confirmed(kept)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK):
                    await self._clock.settled()
