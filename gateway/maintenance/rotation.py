"""Rotation of the region's keys while a node serves: it notices a changed file, and wraps all keys anew.

Each process watches its file and works as long as keys are left, one page per transaction. Other processes, or its own
restart, continue the work of a killed process.
"""

import asyncio
import logging
from pathlib import Path

from opentelemetry.metrics import Meter

from gateway.errors import Refused
from gateway.process import failpoints
from gateway.process.files import stamp_of
from gateway.process.metrics import observe
from gateway.security.region_keys import KeySet, RegionKeys, RegionKeysUnusable
from gateway.store import vault
from gateway.store.port import Store, Transaction
from gateway.time.looks import until_look

LOOK_SECONDS = 1.0  # between two checks of the file
PAGE = 250  # keys of subjects in one transaction
BREATH_SECONDS = 0.05  # between two pages: orders go first

_log = logging.getLogger(__name__)


class KeyFile:
    """The file of the region's keys, as a process follows it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # The stamp comes first, so that the next check notices a change in between.
        self._stamp = stamp_of(path)
        self.keys = RegionKeys(KeySet.load(path), look=self.look)
        """The keys in use. Making the object raises RegionKeysUnusable where the file cannot be used."""

    def look(self) -> bool:
        """Takes over a changed file; returns whether it has. A broken or foreign file is logged and ignored."""
        stamp = stamp_of(self._path)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        before = self.keys.set
        try:
            self.keys.replace(KeySet.load(self._path))
        except RegionKeysUnusable as error:
            _log.error("the region's keys stay as they are: %s", error)
            return False
        if self.keys.set == before:
            return False
        _log.info("the region's key %s is in use, of %d", self.keys.set.in_use.id, len(self.keys.set.wrapping))
        return True


class Rotation:
    """Wraps the keys of all subjects by the region's key in use."""

    def __init__(self, file: KeyFile, store: Store) -> None:
        self._file = file
        self._store = store
        self._left = 0
        self._in_use = ""

    def observe(self, meter: Meter) -> None:
        """Registers the metric of keys that are still to be wrapped anew."""
        observe(meter, "crossregion.keys.to_wrap", "{key}", lambda: [(self._left, {})])

    async def run(self) -> None:
        """Watches the file and does the work of a new key. Never returns."""
        while True:
            self._file.look()
            # An operation that needed the new key may have put it in use in between.
            if self._in_use != self._file.keys.set.in_use.id and await self._wrap_all():
                self._in_use = self._file.keys.set.in_use.id
            await asyncio.sleep(until_look(LOOK_SECONDS))

    async def _wrap_all(self) -> bool:
        """Wraps all keys; returns False where a retry is needed: the store refuses, or a key is missing."""
        in_use = self._file.keys.set.in_use.id
        try:
            self._left = total = await self._store.read(self._count_left)
            if total:
                _log.info("%d keys of subjects are to be wrapped by the region's key %s", total, in_use)
            while await self._store.write(_wrap_page):
                failpoints.reach("keys.after-page")
                self._left = await self._store.read(self._count_left)
                await asyncio.sleep(BREATH_SECONDS)
        except vault.SealBroken as error:
            _log.error("keys of subjects cannot be wrapped by the region's key %s: %s", in_use, error)
            return False
        except Refused as refused:
            _log.warning("keys of subjects are wrapped by the region's key %s later: %s", in_use, refused)
            return False
        self._left = 0
        if total:
            _log.info("all keys of subjects are wrapped by the region's key %s", in_use)
        # A change of the file meanwhile requires another pass.
        return in_use == self._file.keys.set.in_use.id

    def _count_left(self, tx: Transaction) -> int:
        in_use = self._file.keys.set.in_use.id
        return sum(keys for key_id, keys in vault.count_wrapped(tx).items() if key_id != in_use)


def _wrap_page(tx: Transaction) -> int:
    wrapped = vault.rewrap_page(tx, PAGE)
    if wrapped:
        failpoints.reach("keys.before-commit")
    return wrapped
