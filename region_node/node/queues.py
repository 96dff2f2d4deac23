"""Queues for systems beside the region's database: how many entries wait in each, and for how long."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.errors import Refused
from gateway.store.port import Store, Transaction, Value
from gateway.time.clock import SteadyClock
from gateway.time.looks import until_look

LOOK_SECONDS = 30.0
FOLLOWED = 1000  # entries of a queue whose age is measured; the others are counted only
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Waiting:
    """The entries of a queue at one look."""

    count: int
    keys: Sequence[str]
    """Of at most FOLLOWED entries. The key stays the same until the other system has accepted something."""


Look = Callable[[Transaction, datetime], Waiting]
"""Reads a queue, by the present time."""


def waiting_rows(tx: Transaction, rows: str, key: str, **parameters: Value) -> Waiting:
    """The entries of a queue among `rows`, a table with its condition; `key` is an SQL expression."""
    count = tx.first(int, f"SELECT COUNT(*) FROM {rows}", **parameters)  # noqa: S608 - constants of the callers
    sql = f"SELECT {key} AS entry FROM {rows} ORDER BY entry LIMIT :followed"  # noqa: S608 - as above
    return Waiting(count or 0, tx.all(str, sql, followed=FOLLOWED, **parameters) if count else ())


class QueueWatch:
    """A loop of each process of a region, and the queues at its last look.

    An age is the time for which this process has seen an entry: not every queue stores when an entry was added.
    """

    def __init__(self, store: Store, clock: SteadyClock, looks: Mapping[str, Look]) -> None:
        self._store = store
        self._clock = clock
        self._looks = looks
        self._since: Mapping[str, Mapping[str, float]] = {}
        self.counts: Mapping[str, int] = {}
        """How many entries wait, by queue; empty before the first look."""

    async def run(self) -> None:
        """Runs until cancelled. While the store does not respond, the entries of the last look get older."""
        while True:
            try:
                await self.look()
            except Refused as refused:
                _log.info("queues are looked at again soon: %s", refused)
            await asyncio.sleep(until_look(LOOK_SECONDS))

    async def look(self) -> None:
        """Looks once. Raises Refused where the store does not respond."""
        found = await self._store.read(self._read)
        now = self._clock.steady()
        self.counts = {queue: each.count for queue, each in found.items()}
        self._since = {
            queue: {key: self._since.get(queue, {}).get(key, now) for key in each.keys} for queue, each in found.items()
        }

    def ages(self) -> Mapping[str, float]:
        """For how many seconds the oldest entry of each queue waits; 0 for an empty queue."""
        now = self._clock.steady()
        return {queue: now - min(since.values(), default=now) for queue, since in self._since.items()}

    def _read(self, tx: Transaction) -> Mapping[str, Waiting]:
        now = self._clock.now()
        return {queue: look(tx, now) for queue, look in self._looks.items()}
