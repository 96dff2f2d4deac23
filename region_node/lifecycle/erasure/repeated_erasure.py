"""Repeats erasures: at the start of data restored by an older database, later of other processes' erasures."""

import asyncio
import logging
from datetime import timedelta
from functools import partial

from gateway.errors import Refused
from gateway.store.port import Store
from gateway.time.clock import Clock, from_microseconds
from region_node.lifecycle.erasure.operations import apply_erased
from region_node.lifecycle.registry import Registry
from region_node.node.erased_key_rows import erased_after

_PAGE = 500  # ids in one transaction
_LOOK_SECONDS = 5.0  # between two reads of other processes' erasures
_OVERLAP = timedelta(hours=1)  # tolerance for the clocks of two processes, or a long transaction
_BEGINNING = (from_microseconds(0), "")
_log = logging.getLogger(__name__)


class ErasedKeysKeeper:
    """Reconciles a process's own store of destroyed keys with its database, in both directions."""

    def __init__(self, registry: Registry, store: Store, clock: Clock) -> None:
        self._registry = registry
        self._remembered = registry.context.erased_keys
        self._store = store
        self._clock = clock
        self._seen = _BEGINNING

    async def start(self) -> None:
        """Destroys every remembered key that is present again, before the node serves. Raises Refused."""
        remembered = sorted(self._remembered.known)
        destroyed = 0
        for begin in range(0, len(remembered), _PAGE):
            page, now = remembered[begin : begin + _PAGE], self._clock.now()
            destroyed += await self._store.write(partial(apply_erased, registry=self._registry, key_ids=page, now=now))
        if destroyed:
            _log.warning("%d keys of erased data had come back with an older database, and are destroyed", destroyed)
        await self._follow()

    async def run(self) -> None:
        """Stores the erasures of the region's other processes. Never returns."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                await self._follow()
            except Refused as refused:
                _log.warning("erased keys are remembered later: %s", refused)

    async def _follow(self) -> None:
        after = max(_BEGINNING, (self._seen[0] - _OVERLAP, "")) if self._seen != _BEGINNING else _BEGINNING
        while found := await self._store.read(partial(erased_after, after=after, limit=_PAGE)):
            self._remembered.add(each.key_id for each in found)
            after = self._seen = (found[-1].time, found[-1].key_id)
