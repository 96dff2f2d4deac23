"""The loop that sends this region's changes to coordinators: at once after a change, and again until one has it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from gateway.errors import Refused, Unreachable
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
            try:
                async with asyncio.timeout(_LOOK if is_all_told else _AGAIN):
                    await self._changed.wait()
            except TimeoutError:
                continue


async def tell_pages(
    store: Store,
    read: Callable[[Transaction, str], Sequence[T]],
    place: Callable[[T], str],
    tell_page: Callable[[Sequence[T]], Awaitable[bool]],
) -> bool:
    """Sends everything queued, page by page; returns whether the rest can wait. `read` reads behind a place."""
    after, is_all_told = "", True
    while page := await store.read(lambda tx, after=after: read(tx, after)):  # type: ignore[misc]
        is_all_told &= await tell_page(page)
        after = place(page[-1])
    return is_all_told


async def tell_each(
    store: Store,
    read: Callable[[Transaction, str], Sequence[T]],
    place: Callable[[T], str],
    tell_one: Callable[[T], Awaitable[bool]],
) -> bool:
    """As `tell_pages`, one after the other."""

    async def tell_page(page: Sequence[T]) -> bool:
        return all([await tell_one(each) for each in page])

    return await tell_pages(store, read, place, tell_page)
