"""Scrubs the database after erasures, until nothing of their keys and indexes is left in its files.

Archive and backups lose by themselves what is old; the scrub ends once they have nothing of before it.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from gateway.errors import Refused
from gateway.store import vault
from gateway.store.port import Store
from gateway.time.clock import Clock
from gateway.time.looks import until_look
from region_node.lifecycle.erasure.scrub_rows import (
    begin_scrub,
    end_scrubs,
    first_waiting,
    is_scrub_due,
    keep_attempt,
)
from region_node.lifecycle.registry import Registry
from region_node.records.kinds import RecordKind

LOOK_SECONDS = 2.0  # between two looks: erasures close to each other share a scrub
_WORK = ("known_statuses", "timers", "failed_timers", "quarantined_work")
"""The tables of no kind with an index of a number: reports of other regions, and work that names its subject."""
_QUIET_HOURS = range(3, 5)  # of the region: after the nightly purge
_log = logging.getLogger(__name__)


def tables_to_scrub(kinds: Sequence[RecordKind]) -> Sequence[str]:
    """Returns the tables from which erasures remove keys, and what somebody with the region's keys tries numbers by."""
    tables = [vault.KEYS, *_WORK]
    for kind in kinds:
        tables += kind.erasure.indexed
        tables += [] if kind.retention.table is None else [kind.retention.table.name]
    return tables


class Scrubber:
    """The loop of one process. Of several processes on a database, one makes each attempt."""

    def __init__(
        self,
        registry: Registry,
        store: Store,
        clock: Clock,
        moved: Path,
        oldest: Callable[[datetime], datetime] | None,
    ) -> None:
        """`moved` is the former file of a database that was moved to another engine, with the keys of that time.

        `oldest` gives the age of archive and backups at a time: since when they have commits. Without it another
        process ends scrubs.
        """
        self._context = registry.context
        self._tables = tables_to_scrub(registry.kinds)
        self._store = store
        self._clock = clock
        self._moved = moved
        self._oldest = oldest

    async def run(self) -> None:
        """Scrubs whenever something was destroyed, as soon as the clock is settled. Never returns.

        By a wrong time of a start a scrub would end before its backups do, or be repeated years later.
        """
        await self._context.border.clock.settled()
        while True:
            await asyncio.sleep(until_look(LOOK_SECONDS))
            try:
                await self.scrub()
                await self.end()
            except Refused as refused:
                _log.warning("what erasures have left is removed later: %s", refused)

    async def scrub(self) -> None:
        """Makes one attempt if a scrub is due. Raises Refused."""
        if not await self._store.read(lambda tx: is_scrub_due(tx, self._clock.now())):
            return
        scrub = await self._store.write(lambda tx: begin_scrub(tx, self._clock.now()))
        if scrub is None:
            return
        if self._moved.exists():
            _log.warning("%s still has the keys of erased data: delete it, and its copies", self._moved)
            return
        since = await self._store.scrub(self._tables, since=scrub.since, is_quiet=self._is_quiet())
        await self._store.write(partial(keep_attempt, scrub=scrub, since=since, now=self._clock.now()))

    async def end(self) -> None:
        """Ends the scrubs of which archive and backups have nothing more. Raises Refused."""
        if self._oldest is None or (waiting := await self._store.read(first_waiting)) is None:
            return
        now = self._clock.now()
        oldest = await asyncio.to_thread(self._oldest, now)
        if waiting <= oldest:
            await self._store.write(partial(end_scrubs, oldest=oldest, now=now))

    def _is_quiet(self) -> bool:
        try:
            zone = ZoneInfo(self._context.time_zone)
        except Refused:  # no configuration yet
            return False
        return self._clock.now().astimezone(zone).hour in _QUIET_HOURS
