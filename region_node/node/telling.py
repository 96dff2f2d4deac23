"""The loop that sends this region's changes to coordinators: at once after a change, and again until one has it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, Unreachable, retry_seconds
from gateway.store.port import Store, Transaction

T = TypeVar("T")
_AGAIN = 1.0  # seconds until the next attempt
_LOOK = 60.0  # seconds in which another process may have died before it told
_log = logging.getLogger(__name__)


class Telling:
    """A loop of each process of a region. Two may send the same, which the receiver takes once."""

    def __init__(self, what: str, tell_all: Callable[[], Awaitable[bool]]) -> None:
        """`tell_all` sends all of `what`, and returns whether the rest can wait.

        It raises Refused where the store does not respond, and Unreachable where nobody answers.
        """
        self._what = what
        self._tell_all = tell_all
        self._changed = asyncio.Event()

    def wake(self, change: object = None) -> None:
        """There is something new to send."""
        self._changed.set()

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            self._changed.clear()
            try:
                is_all_told = await self._tell_all()
            except (Refused, Unreachable) as failure:
                _log.info("%s are told again soon: %s", self._what, failure)
                is_all_told = False
                if isinstance(failure, Refused) and is_busy(failure):
                    await asyncio.sleep(retry_seconds(failure))  # whatever is queued meanwhile
                    continue
            try:
                async with asyncio.timeout(_LOOK if is_all_told else _AGAIN):
                    await self._changed.wait()
            except TimeoutError:
                continue


class Queue(Generic[T]):
    """Messages that wait for coordinators. A pass over it ends with the first refusal for want of room.

    The next pass begins behind that, so that nothing waits for ever behind what has no room.
    """

    def __init__(
        self, store: Store, read: Callable[[Transaction, str], Sequence[T]], place: Callable[[T], str]
    ) -> None:
        """`read` reads a page behind a place."""
        self._store = store
        self._read = read
        self._place = place
        self._begin = ""
        self._last = ""

    async def tell_pages(self, tell_page: Callable[[Sequence[T]], Awaitable[bool]]) -> bool:
        """Sends everything queued, page by page; returns whether the rest can wait. Raises Refused for want of room."""
        self._last, is_all_told, self._begin = self._begin, not self._begin, ""
        while page := await self._store.read(lambda tx: self._read(tx, self._last)):
            self._last = self._place(page[-1])
            try:
                is_all_told &= await tell_page(page)
            except Refused as refused:
                self._begin = self._last if is_busy(refused) else ""
                raise
        return is_all_told

    async def tell_each(self, tell_one: Callable[[T], Awaitable[bool]]) -> bool:
        """As `tell_pages`, one after the other."""

        async def tell_page(page: Sequence[T]) -> bool:
            told = list[bool]()
            for each in page:
                self._last = self._place(each)
                told.append(await tell_one(each))
            return all(told)

        return await self.tell_pages(tell_page)


def is_busy(refused: Refused) -> bool:
    """Whether a coordinator has no room, so that a pause comes before the next message."""
    return refused.reason in (Reason.REASON_TOO_BUSY, Reason.REASON_NUMBERS_GIVEN_TOO_MANY)
