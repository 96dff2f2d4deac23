"""Fills columns of rows that an earlier version has written, page by page, while the node serves.

Such columns need keys, so that no SQL file can fill them, and nothing but lists looks at them. An earlier version that
runs beside writes further rows without them: a later look finds these. Each kind has an index of the rows to fill.
"""

import asyncio
import logging
from functools import partial

from gateway.errors import Refused
from gateway.store.port import Store, Transaction
from gateway.time.looks import until_look
from region_node.app.registered import KINDS
from region_node.node.context import RegionContext
from region_node.records.kinds import RowFill
from region_node.requests.open_work import rest_after

LOOK = 600.0
"""Seconds between two looks."""
_PAGE = 100  # rows in one transaction, for which everything else of the region waits
_REST = 4  # times as long as a page took: lists lack older rows until the end of a fill
_log = logging.getLogger(__name__)


class RowFilling:
    """A loop of each process of a region."""

    def __init__(self, context: RegionContext, store: Store) -> None:
        self._context = context
        self._store = store

    async def run(self) -> None:
        """Runs until cancelled. While the store does not respond, the rest waits for the next look."""
        while True:
            try:
                await self.look()
            except Refused as refused:
                _log.info("rows of an earlier version are filled later: %s", refused)
            await asyncio.sleep(until_look(LOOK))

    async def look(self) -> None:
        """Fills the rows of every kind. Raises Refused before the first configuration, and as the store does."""
        for kind in KINDS:
            for fill in kind.row_fills:
                await self._fill(kind.name, fill)

    async def _fill(self, name: str, fill: RowFill) -> None:
        loop, filled = asyncio.get_running_loop(), 0
        while True:
            began = loop.time()
            page = await self._store.write(partial(self._page, fill))
            if page and not filled:
                _log.info("rows of an earlier version are filled: %s", name)
            filled += page
            if page < _PAGE:
                break
            await asyncio.sleep(rest_after(loop.time() - began, _REST))
        if filled:
            _log.info("%d rows of an earlier version have been filled: %s", filled, name)

    def _page(self, fill: RowFill, tx: Transaction) -> int:
        return fill(tx, self._context, _PAGE)
