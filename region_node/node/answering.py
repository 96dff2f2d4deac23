"""Responds to a stream of requests: many concurrently, in any order, with backpressure."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import TypeVar

from gateway.errors import Refused

Request = TypeVar("Request")
Response = TypeVar("Response")


async def answer_each(
    requests: AsyncIterator[Request],
    answer: Callable[[Request], Awaitable[Response]],
    at_most: int,
    places_of: Callable[[Request], int] = lambda _: 1,
) -> AsyncGenerator[Response, None]:
    """Responds to each request of a stream as soon as it can.

    Stops reading while the requests that are in progress or have unread responses hold `at_most` places, of which
    `places_of` gives the number for each: the transport then slows the caller. Where the stream of requests is refused,
    the requests read before are answered first. Raises the exceptions of `answer`, which has to turn refusals into
    responses.
    """
    places = _Places(at_most)
    answered: asyncio.Queue[tuple[Response, int] | None] = asyncio.Queue()

    async def answer_one(request: Request, taken: int) -> None:
        answered.put_nowait((await answer(request), taken))

    async def answer_all() -> None:
        refused: Refused | None = None
        async with asyncio.TaskGroup() as group:
            try:
                async for request in requests:
                    group.create_task(answer_one(request, await places.take(places_of(request))))
            except Refused as cut_short:
                refused = cut_short
        if refused is not None:
            raise refused

    answering = asyncio.get_running_loop().create_task(answer_all())
    answering.add_done_callback(lambda _: answered.put_nowait(None))
    try:
        while (each := await answered.get()) is not None:
            response, taken = each
            yield response
            places.give_back(taken)
        await answering
    finally:
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)


class _Places:
    """Places of which one taker at a time takes several."""

    def __init__(self, count: int) -> None:
        self._count = self._free = count
        self._freed = asyncio.Event()

    async def take(self, wanted: int) -> int:
        """Waits until so many are free, at most all, and takes them. Returns how many."""
        taken = min(wanted, self._count)
        while self._free < taken:
            self._freed.clear()
            await self._freed.wait()
        self._free -= taken
        return taken

    def give_back(self, taken: int) -> None:
        self._free += taken
        self._freed.set()
