"""The readiness of a process: whether it can serve business now, as its health service reports.

Health keeps nobody away: envelopes of peers, and the help for catching up, reach a process that is not ready. A process
that cannot serve business lives, and to start it again would bring nothing.
"""

import asyncio
from collections.abc import Callable
from typing import NoReturn

from opentelemetry.metrics import Meter

from gateway.rpc.server import Server
from gateway.store.answering import StoreWatch
from gateway.store.metrics import observe_answers
from gateway.store.port import Store


class Readiness:
    """Business is served while the store answers, and the fence before it is open."""

    def __init__(self, store: Store, meter: Meter, is_open: Callable[[], bool]) -> None:
        """`store` is the one behind the fence. `is_open` says whether the fence is; `look` is called at its changes."""
        self._watch = StoreWatch(store)
        self._is_open = is_open
        self._changed = asyncio.Event()
        self._watch.on_change(self.look)
        observe_answers(meter, self._watch)

    def look(self) -> None:
        """Called after a change of the fence."""
        self._changed.set()

    async def show(self, server: Server) -> None:
        """Shows the present state; before the server starts, too."""
        await server.show(serves=self._watch.answers and self._is_open())

    async def run(self, server: Server) -> None:
        """Shows each change until it is cancelled."""
        await asyncio.gather(self._watch.run(), self._tell(server))

    async def _tell(self, server: Server) -> NoReturn:
        while True:
            self._changed.clear()
            await self.show(server)
            await self._changed.wait()
