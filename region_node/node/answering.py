"""Responds to a stream of requests: many concurrently, in any order, with backpressure."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import TypeVar

from gateway.errors import Refused

Request = TypeVar("Request")
Response = TypeVar("Response")


async def answer_each(
    requests: AsyncIterator[Request], answer: Callable[[Request], Awaitable[Response]], at_most: int
) -> AsyncGenerator[Response, None]:
    """Responds to each request of a stream as soon as it can.

    Stops reading while `at_most` requests are in progress or have unread responses: the transport then slows the
    caller. Where the stream of requests is refused, the requests read before are answered first. Raises the exceptions
    of `answer`, which has to turn refusals into responses.
    """
    places = asyncio.Semaphore(at_most)
    answered: asyncio.Queue[Response | None] = asyncio.Queue()

    async def answer_one(request: Request) -> None:
        answered.put_nowait(await answer(request))

    async def answer_all() -> None:
        refused: Refused | None = None
        async with asyncio.TaskGroup() as group:
            try:
                async for request in requests:
                    await places.acquire()
                    group.create_task(answer_one(request))
            except Refused as cut_short:
                refused = cut_short
        if refused is not None:
            raise refused

    answering = asyncio.get_running_loop().create_task(answer_all())
    answering.add_done_callback(lambda _: answered.put_nowait(None))
    try:
        while (response := await answered.get()) is not None:
            yield response
            places.release()
        await answering
    finally:
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
