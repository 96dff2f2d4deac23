"""A port for work that releases the interpreter's lock: signatures, and hashes of passwords."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from gateway.process.turns import Places
from gateway.rpc.admission import elsewhere

A = TypeVar("A")
B = TypeVar("B")

INLINE_LIMIT = 4  # signatures up to which a thread costs more time than it saves
# The time of one batch on the event loop: a forged proof costs a verification of its own, whatever it looks like.
INLINE_SECONDS = 0.005


class Workers(Protocol):
    """Does a piece of pure work for many items."""

    async def each(self, work: Callable[[A], B], items: Sequence[A], signatures: int) -> list[B]:
        """`[work(item) for item in items]`, which verifies a number of signatures in all.

        Raises the exceptions of `work`.
        """
        ...

    async def alone(self, work: Callable[[], B]) -> B:
        """`work()`, too slow for any event loop, in the turn of the task's owner. Raises the exceptions of `work`."""
        ...

    def close(self) -> None:
        """Releases its threads."""
        ...


class InlineWorkers:
    """Works on the event loop: for the simulation and for tests."""

    async def each(self, work: Callable[[A], B], items: Sequence[A], signatures: int) -> list[B]:
        """See the port."""
        return [work(item) for item in items]

    async def alone(self, work: Callable[[], B]) -> B:
        """See the port."""
        return work()

    def close(self) -> None:
        """See the port."""


class ThreadWorkers:
    """Works in a thread beside the event loop, so that a batch is checked on an idle core."""

    def __init__(self, inline_seconds: float = INLINE_SECONDS) -> None:
        self._inline_seconds = inline_seconds
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="signatures")
        # A thread of its own, so that no signature waits for a password.
        self._slow = ThreadPoolExecutor(1, thread_name_prefix="passwords")
        self._turns = Places(1)

    async def each(self, work: Callable[[A], B], items: Sequence[A], signatures: int) -> list[B]:
        """See the port."""
        loop, done = asyncio.get_running_loop(), list[B]()
        if signatures < INLINE_LIMIT:
            end = loop.time() + self._inline_seconds
            for item in items:
                done.append(work(item))
                if loop.time() > end:
                    break
        rest = items[len(done) :]
        if rest:
            done += await loop.run_in_executor(self._threads, lambda: [work(item) for item in rest])
        return done

    async def alone(self, work: Callable[[], B]) -> B:
        """See the port."""
        with elsewhere():
            await self._turns.acquire()
            try:
                return await asyncio.get_running_loop().run_in_executor(self._slow, work)
            finally:
                self._turns.release()

    def close(self) -> None:
        """See the port."""
        self._threads.shutdown(wait=False)
        self._slow.shutdown(wait=False)
