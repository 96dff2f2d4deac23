"""Streams that are opened again when the node goes away and comes back."""

import asyncio
from collections.abc import Awaitable, Callable

import grpc

from gateway.cli.exits import NOT_KNOWN, REFUSED
from gateway.wording.languages import translated
from region_node.cli.connection import Target
from region_node.cli.outcome import may_pass, told_by

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds between two attempts

Note = Callable[[], None]
"""Called by an attempt after each progress."""


async def keep_trying(
    attempt: Callable[[Note], Awaitable[None]], patience: float, tell: Callable[[grpc.aio.AioRpcError], None]
) -> None:
    """Repeats attempts until one ends by itself. `tell` is called at the first failure after each progress.

    Raises the last AioRpcError for a permanent error, and after `patience` seconds without progress.
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


def ended(
    target: Target, work: Callable[[grpc.aio.Channel], Awaitable[None]], again: str, *unreadable: type[Exception]
) -> tuple[str, int]:
    """Runs a stream to its end; returns the failure's text and exit code, or the empty text and 0.

    `again` describes how to continue. `unreadable` are the errors of an unreadable file.
    """

    async def run() -> None:
        async with target.channel() as channel:
            await work(channel)

    try:
        asyncio.run(run())
    except unreadable as error:
        return f"{error}\n{again}", NOT_KNOWN
    except grpc.aio.AioRpcError as error:
        problem = told_by(error, target.server)
        if may_pass(error):
            return f"{problem}\n{again}", NOT_KNOWN
        return translated("Refused: {problem}", problem=problem), REFUSED
    except KeyboardInterrupt:
        return again, NOT_KNOWN
    return "", 0
