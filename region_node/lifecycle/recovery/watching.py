"""The look at what is left after a loss: regions whose report is incomplete, and commands that wait for people."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime

from gateway.errors import Refused
from gateway.store import catch_ups
from gateway.store.port import Store
from gateway.time.looks import until_look
from region_node.lifecycle.recovery.operations import count_lost
from region_node.node.context import RegionContext

LOOK = 600.0
"""Seconds between two looks: each opens the receipts of listed commands."""
_log = logging.getLogger(__name__)


class RecoveryWatch:
    """A loop of each process of a region, and what it has found at its last look."""

    def __init__(self, context: RegionContext, store: Store) -> None:
        self._context = context
        self._store = store
        self.unfinished: Mapping[str, datetime] = {}
        """The regions of the federation whose report is incomplete, each with the acceptance of the loss."""
        self.lost = 0
        """The listed commands, as far as they are counted."""

    async def run(self) -> None:
        """Runs until cancelled. While the store does not respond, the last look stays."""
        while True:
            try:
                await self.look()
            except Refused as refused:
                _log.info("what is left after a loss is looked for again soon: %s", refused)
            await asyncio.sleep(until_look(LOOK))

    async def look(self) -> None:
        """Looks once. Raises Refused where the store does not respond, or is behind."""
        unfinished, self.lost = await self._store.read(
            lambda tx: (catch_ups.unfinished(tx), count_lost(tx, self._context.region))
        )
        # Nobody can end the report of a region that has left.
        self.unfinished = {each: since for each, since in unfinished.items() if self._context.takes_part(each)}
