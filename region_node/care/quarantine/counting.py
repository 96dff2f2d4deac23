"""The amount of quarantined work, as every process of a region knows it for its metrics."""

import asyncio
import logging
from collections.abc import Mapping

from gateway.api.region.v1.quarantine_service_pb2 import QuarantineSource
from gateway.errors import Refused
from gateway.store.port import CommittedElsewhere, Store
from gateway.store.quarantine import ABOUT, QuarantineChanged, waiting_by_source

READ_AGAIN = 10.0  # seconds until the store is read again after it could not be
_log = logging.getLogger(__name__)


class WaitingWork:
    """Counts what waits for people, whichever process has left it to them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changed = asyncio.Event()
        self.by_source: Mapping[QuarantineSource.ValueType, int] = {}
        """The pieces of work, by source; empty before the first count."""
        store.subscribe(QuarantineChanged, self._note)
        store.subscribe(CommittedElsewhere, self._note_elsewhere)

    async def run(self) -> None:
        """Counts after each change until cancelled."""
        while True:
            self._changed.clear()
            try:
                self.by_source = await self._store.read(waiting_by_source)
            except Refused as refused:
                _log.warning("quarantined work cannot be counted now: %s", refused)
                await asyncio.sleep(READ_AGAIN)
                continue
            await self._changed.wait()

    def _note(self, _: QuarantineChanged) -> None:
        self._changed.set()

    def _note_elsewhere(self, committed: CommittedElsewhere) -> None:
        if not committed.subjects or ABOUT in committed.subjects:
            self._changed.set()
