"""Streams that are opened again when the node goes away and comes back."""

import asyncio
from collections.abc import Awaitable, Callable

import grpc

from region_node.cli.outcome import may_pass

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds between two attempts

Note = Callable[[], None]
"""Called by an attempt whenever it has got further."""


async def keep_trying(
    attempt: Callable[[Note], Awaitable[None]], patience: float, tell: Callable[[grpc.aio.AioRpcError], None]
) -> None:
    """Runs attempts until one ends by itself. `tell` is called at the first failure after each progress.

    Raises the AioRpcError of the last one where it says that trying again is in vain, and where there was no progress
    for `patience` seconds.
    """
    loop = asyncio.get_running_loop()
    end, pause, is_told = loop.time() + patience, _FIRST_PAUSE, False
    while True:
        progressed = False

        def note() -> None:
            nonlocal progressed
            progressed = True

        try:
            await attempt(note)
        except grpc.aio.AioRpcError as error:
            if progressed:
                end, pause, is_told = loop.time() + patience, _FIRST_PAUSE, False
            if not may_pass(error) or loop.time() >= end:
                raise
            if not is_told:
                tell(error)
                is_told = True
        else:
            return
        await asyncio.sleep(max(0.0, min(pause, end - loop.time())))
        pause = min(2 * pause, _LONGEST_PAUSE)
