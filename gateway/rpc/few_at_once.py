"""Long work of which a process does few pieces at a time, so that no caller has it done a thousand times at once."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TypeVar

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process.finishing import Finishing
from gateway.process.turns import Places
from gateway.rpc.calls import current_call

T = TypeVar("T")


class FewAtOnce:
    """The places for one kind of work, which its callers get in turns. Used on one event loop."""

    def __init__(self, count: int, seconds: float) -> None:
        """`seconds` is the longest wait for a place."""
        self._places = Places(count)
        self._seconds = seconds
        self._finishing = Finishing()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place for the work of the current call. Raises Refused with TOO_BUSY where none becomes free in time."""
        await self._acquire()
        try:
            yield
        finally:
            self._places.release()

    async def whole(self, work: Callable[[], Coroutine[None, None, T]]) -> T:
        """The result of work in threads, which nobody interrupts: it keeps its place until it ends.

        A caller who goes away does not wait for that. Raises as `place`, and as the work.
        """
        await self._acquire()
        return await self._finishing.run(self._released_after(work))

    async def _acquire(self) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await self._places.acquire(current_call().identity.path)
        except TimeoutError:
            raise Refused(Reason.REASON_TOO_BUSY) from None

    async def _released_after(self, work: Callable[[], Coroutine[None, None, T]]) -> T:
        try:
            return await work()
        finally:
            self._places.release()
