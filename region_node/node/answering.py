"""Responds to a stream of requests: many concurrently, in any order, with backpressure."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import TypeVar

from gateway.errors import Refused

Request = TypeVar("Request")
Response = TypeVar("Response")


async def answer_each(
    requests: AsyncIterator[Request],
    answer: Callable[[Request], Awaitable[Response]],
    places_of: "Callable[[Request], tuple[Places, int]]",
) -> AsyncGenerator[Response, None]:
    """Responds to each request of a stream as soon as it can.

    A request holds places, which `places_of` names with their number, while it is in progress or its response is
    unread. Stops reading while the next request has no places: the transport then slows the caller. Where the stream
    of requests is refused, the requests read before are answered first. Raises the exceptions of `answer`, which has to
    turn refusals into responses.
    """
    answered: asyncio.Queue[tuple[Response, Places, int] | None] = asyncio.Queue()
    held: Counter[Places] = Counter()

    async def answer_one(request: Request, places: Places, taken: int) -> None:
        answered.put_nowait((await answer(request), places, taken))

    async def answer_all() -> None:
        refused: Refused | None = None
        async with asyncio.TaskGroup() as group:
            try:
                async for request in requests:
                    places, wanted = places_of(request)
                    taken = await places.take(wanted)
                    held[places] += taken
                    group.create_task(answer_one(request, places, taken))
            except Refused as cut_short:
                refused = cut_short
        if refused is not None:
            raise refused

    def give_all_back(_: "asyncio.Task[None]") -> None:
        for places, taken in held.items():
            places.give_back(taken)

    answering = asyncio.get_running_loop().create_task(answer_all())
    answering.add_done_callback(lambda _: answered.put_nowait(None))
    try:
        while (each := await answered.get()) is not None:
            response, places, taken = each
            yield response
            held[places] -= taken
            places.give_back(taken)
        await answering
    finally:
        answering.cancel()
        answering.add_done_callback(give_all_back)  # also where the caller is cancelled once more
        await asyncio.gather(answering, return_exceptions=True)


class Places:
    """Places that streams share. Takers are served in the order in which they ask."""

    def __init__(self, count: int) -> None:
        self._count = self._free = count
        self._freed = asyncio.Event()
        self._turn = asyncio.Lock()

    async def take(self, wanted: int) -> int:
        """Waits until so many are free, at most all, and takes them. Returns how many."""
        taken = min(wanted, self._count)
        async with self._turn:
            while self._free < taken:
                self._freed.clear()
                await self._freed.wait()
            self._free -= taken
        return taken

    def give_back(self, taken: int) -> None:
        """Frees places that were taken."""
        self._free += taken
        self._freed.set()


def at_most(count: int) -> Callable[[object], tuple[Places, int]]:
    """The places of a stream that has at most `count` requests in progress."""
    places = Places(count)
    return lambda _: (places, 1)
