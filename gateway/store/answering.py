"""The watch of a store: whether it answers."""

import asyncio
import logging
import time
from collections.abc import Callable

from gateway.store.port import Store, nothing
from gateway.time.looks import until_look

LOOK_SECONDS = 2.0  # between two commits of the watch
PATIENCE = 5.0  # seconds for one of them: a read waits no longer for a connection either
_log = logging.getLogger(__name__)


class StoreWatch:
    """Asks a store for an empty commit again and again: it needs the connection that writes, and no disk."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._since: float | None = None
        self._listeners: list[Callable[[], None]] = []

    @property
    def answers(self) -> bool:
        """Whether the last commit was answered in time; true before the first one."""
        return self._since is None

    def unanswered(self) -> float:
        """Seconds since the first commit without an answer began; 0 while the store answers. From any thread."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    def on_change(self, listener: Callable[[], None]) -> None:
        """Calls the listener once the store answers no more, and once it answers again."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            await asyncio.sleep(until_look(LOOK_SECONDS))
            began = time.monotonic()
            asked = asyncio.ensure_future(self._store.write(nothing))
            asked.add_done_callback(lambda done: done.cancelled() or done.exception())
            _, late = await asyncio.wait([asked], timeout=PATIENCE)
            if late:
                self._note(began)
                await asyncio.wait([asked])
            self._note(began if asked.cancelled() or asked.exception() is not None else None)

    def _note(self, unanswered_since: float | None) -> None:
        before = self.answers
        if unanswered_since is None or self._since is None:
            self._since = unanswered_since
        if before != self.answers:
            _log.warning("the store answers again" if self.answers else "the store does not answer")
            for listener in self._listeners:
                listener()
