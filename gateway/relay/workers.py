"""A port for work that releases the interpreter's lock: signatures, and hashes of passwords."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

A = TypeVar("A")
B = TypeVar("B")

INLINE_LIMIT = 4  # signatures up to which a thread costs more time than it saves


class Workers(Protocol):
    """Does a piece of pure work for many items."""

    async def each(self, work: Callable[[A], B], items: Sequence[A], signatures: int) -> list[B]:
        """`[work(item) for item in items]`, which verifies a number of signatures in all.

        Raises the exceptions of `work`.
        """
        ...

    async def alone(self, work: Callable[[], B]) -> B:
        """`work()`, too slow for any event loop. Raises the exceptions of `work`."""
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

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="signatures")
        # A thread of its own, so that no signature waits for a password.
        self._slow = ThreadPoolExecutor(1, thread_name_prefix="passwords")

    async def each(self, work: Callable[[A], B], items: Sequence[A], signatures: int) -> list[B]:
        """See the port."""
        if signatures < INLINE_LIMIT:
            return [work(item) for item in items]
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: [work(item) for item in items])

    async def alone(self, work: Callable[[], B]) -> B:
        """See the port."""
        return await asyncio.get_running_loop().run_in_executor(self._slow, work)

    def close(self) -> None:
        """See the port."""
        self._threads.shutdown(wait=False)
        self._slow.shutdown(wait=False)
