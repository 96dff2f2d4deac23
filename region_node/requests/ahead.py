"""Pieces of a caller's stream: some are processed ahead of the answers, which come in the order of the pieces."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import TypeVar

PIECES_AHEAD = 4  # submitted and not answered: enough to keep the store busy while the caller waits for answers

P = TypeVar("P")
A = TypeVar("A")


async def answered_in_order(pieces: AsyncIterator[P], submit: Callable[[P], Awaitable[A]]) -> AsyncGenerator[A, None]:
    """The answer to each piece, once it is there.

    Raises what reading or `submit` raises: earlier pieces are answered; that piece and later ones have no effect.
    """
    room = asyncio.Semaphore(PIECES_AHEAD)
    submitted: asyncio.Queue[asyncio.Future[A] | None] = asyncio.Queue()

    async def submit_all() -> None:
        try:
            async for each in pieces:
                await room.acquire()
                piece = asyncio.ensure_future(submit(each))
                # Where the caller is gone, or an earlier piece was refused, nobody reads the result.
                piece.add_done_callback(_take_note)
                submitted.put_nowait(piece)
        finally:
            submitted.put_nowait(None)

    reading = asyncio.create_task(submit_all())
    reading.add_done_callback(_take_note)
    try:
        while (piece := await submitted.get()) is not None:
            answer = await piece
            room.release()
            yield answer
        await reading
    finally:
        reading.cancel()


def _take_note(ended: asyncio.Future[P]) -> None:
    """Retrieves an exception that may have no other reader."""
    if not ended.cancelled():
        ended.exception()
