"""Work that goes on to its end though its caller goes away."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeVar

T = TypeVar("T")


def _passed_over(error: BaseException) -> None:
    """The caller has the error, unless it has gone."""


class Finishing:
    """The pieces of such work that are under way."""

    def __init__(self, failed: Callable[[BaseException], None] = _passed_over) -> None:
        """`failed` is given the error of each piece, whether or not its caller is still there."""
        self._failed = failed
        self._under_way: set[asyncio.Task[object]] = set()

    async def run(self, work: Coroutine[object, object, T]) -> T:
        """The result of a piece of work, which a cancelled caller does not end."""
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    async def all_done(self) -> None:
        """Waits for all that is under way."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _done(self, task: "asyncio.Task[object]") -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)
