"""Long work of which a process does few pieces at a time, so that no caller has it done a thousand times at once."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TypeVar

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process.turns import Places
from gateway.rpc.calls import current_call

T = TypeVar("T")


class FewAtOnce:
    """The places for one kind of work, which its callers get in turns. Used on one event loop."""

    def __init__(self, count: int, seconds: float) -> None:
        """`seconds` is the longest wait for a place."""
        self._places = Places(count)
        self._seconds = seconds

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place for the work of the current call. Raises Refused with TOO_BUSY where none becomes free in time."""
        try:
            async with asyncio.timeout(self._seconds):
                await self._places.acquire(current_call().identity.path)
        except TimeoutError:
            raise Refused(Reason.REASON_TOO_BUSY) from None
        try:
            yield
        finally:
            self._places.release()

    async def whole(self, work: Callable[[], Coroutine[None, None, T]]) -> T:
        """The result of work in threads, which nobody interrupts: it keeps its place until it ends.

        Raises as `place`, and as the work.
        """
        async with self.place():
            working = asyncio.ensure_future(work())
            try:
                return await asyncio.shield(working)
            except asyncio.CancelledError:  # the caller has gone away
                await asyncio.gather(working, return_exceptions=True)
                raise
