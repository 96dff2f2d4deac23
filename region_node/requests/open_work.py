"""The count of open work, by which `Room` refuses what goes beyond the share of an operator system."""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from functools import partial

from gateway.errors import Refused
from gateway.federation.policies import OPEN_WORK
from gateway.store.port import Store
from gateway.time.looks import until_look
from region_node.node.context import RegionContext
from region_node.node.open_work import OpenRows, Place, counted, is_last

LOOK = 10.0
"""Seconds between two counts."""
_REST = 100  # times as long as a page took, as far as the longest rest goes: the store has other work
LONGEST_REST = 1.0
"""Seconds between two pages at most: a page also waits for its turn, and work under a flood has to end."""

_log = logging.getLogger(__name__)


def rest_after(taken: float, times: int = _REST) -> float:
    """The seconds between a page that took so long and the next one: `times` as long, or the longest rest."""
    return min(LONGEST_REST, times * taken)


class OpenWorkWatch:
    """A loop of each process of a region."""

    def __init__(self, context: RegionContext, store: Store, kinds: Sequence[OpenRows]) -> None:
        self._context = context
        self._store = store
        self._kinds = kinds
        self._is_first = True

    async def run(self) -> None:
        """Runs until cancelled. While the store does not respond, the last count stays, and goes on afterwards."""
        while True:
            try:
                await self.look()
            except Refused as refused:
                _log.info("open work is counted again soon: %s", refused)
            await asyncio.sleep(until_look(LOOK))

    async def look(self) -> None:
        """Counts once. Raises Refused before the first configuration.

        The first count holds as far as it has come: until its end the figures are too low, never too high.
        """
        found, sums = self._context.open_work, Counter[str]()
        found.most = self._context.figure(OPEN_WORK, self._context.region)
        for kind in self._kinds:
            await self._count(kind, sums)
        found.by_operator = sums
        self._is_first = False

    async def _count(self, kind: OpenRows, sums: Counter[str]) -> None:
        """Goes on behind the last page where the store has not responded."""
        loop, region, place = asyncio.get_running_loop(), self._context.region, Place()
        while True:
            began, rest = loop.time(), LOOK
            try:
                page = await self._store.read(partial(kind.page, after=place))
            except Refused as refused:
                _log.info("open work is counted on soon: %s", refused)
            else:
                sums.update(counted(page, region))
                if self._is_first:
                    self._context.open_work.by_operator = sums.copy()
                if is_last(page):
                    return
                place = page[-1].place
                rest = rest_after(loop.time() - began)
            await asyncio.sleep(rest)
