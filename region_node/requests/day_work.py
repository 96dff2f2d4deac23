"""The count of a day's work, by which a region refuses what goes beyond the share of an operator system."""

import asyncio
import logging
from functools import partial

from gateway.errors import Refused
from gateway.federation.policies import DAY_WORK
from gateway.store.port import Store
from gateway.time.clock import Clock, to_microseconds
from gateway.time.looks import until_look
from region_node.node.context import RegionContext
from region_node.node.day_work import HOUR, HOURS, day_page, row_before
from region_node.requests.open_work import LOOK, rest_after

_log = logging.getLogger(__name__)


class DayWorkWatch:
    """A loop of each process of a region."""

    def __init__(self, context: RegionContext, store: Store, clock: Clock) -> None:
        self._context = context
        self._store = store
        self._clock = clock
        self._after: int | None = None  # the number of the last row that was counted

    async def run(self) -> None:
        """Runs until cancelled. While the store does not respond, the last count stays, and goes on afterwards."""
        while True:
            try:
                await self.look()
            except Refused as refused:
                _log.info("the work of a day is counted on soon: %s", refused)
            await asyncio.sleep(until_look(LOOK))

    async def look(self) -> None:
        """Counts what has come since the last look. The first count holds as far as it has come.

        Each page takes the bound and the hour anew: a count under a flood may last for hours. Raises Refused before
        the first configuration, and while the store does not respond.
        """
        found, loop = self._context.day_work, asyncio.get_running_loop()
        if self._after is None:
            since = (self._hour() - HOURS + 1) * HOUR
            self._after = await self._store.read(lambda tx: row_before(tx, since))
        while True:
            began = loop.time()
            found.most = self._context.figure(DAY_WORK, self._context.region)
            page = await self._store.read(partial(day_page, after=self._after))
            self._after = self._after if page.last is None else page.last
            found.add(page, self._context.region)
            found.sum_up(self._hour())
            if page.is_last:
                return
            await asyncio.sleep(rest_after(loop.time() - began))

    def _hour(self) -> int:
        return to_microseconds(self._clock.now()) // HOUR
