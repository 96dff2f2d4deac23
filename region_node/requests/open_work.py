"""The count of open work, by which `Room` refuses what goes beyond the share of an operator system."""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from functools import partial

from gateway.errors import Refused
from gateway.store.port import Store
from gateway.time.looks import until_look
from region_node.node.context import RegionContext
from region_node.node.open_work import OPEN_WORK, OpenRows, Place

LOOK = 10.0
"""Seconds between two counts."""
_REST = 100  # times as long as a page took: no database works for this more than a hundredth of the time
_log = logging.getLogger(__name__)


class OpenWorkWatch:
    """A loop of each process of a region."""

    def __init__(self, context: RegionContext, store: Store, kinds: Sequence[OpenRows]) -> None:
        self._context = context
        self._store = store
        self._kinds = kinds

    async def run(self) -> None:
        """Runs until cancelled. While the store does not respond, the last count stays."""
        while True:
            try:
                await self.look()
            except Refused as refused:
                _log.info("open work is counted again soon: %s", refused)
            await asyncio.sleep(until_look(LOOK))

    async def look(self) -> None:
        """Counts once. Raises Refused where the store does not respond, or before the first configuration."""
        found, counted = self._context.open_work, Counter[str]()
        for kind in self._kinds:
            await self._count(kind, counted)
        found.by_operator = counted
        found.most = self._context.figure(OPEN_WORK, self._context.region)

    async def _count(self, kind: OpenRows, counted: Counter[str]) -> None:
        loop, region, place = asyncio.get_running_loop(), self._context.region, Place()
        while True:
            began = loop.time()
            page = await self._store.read(partial(kind.page, after=place))
            if not page:
                return
            counted.update(each.operator for each in page if each.origin == region)
            place = page[-1].place
            await asyncio.sleep(_REST * (loop.time() - began))
