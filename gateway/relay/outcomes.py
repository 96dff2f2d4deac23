"""Waits for the results of many operations of one commit."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar

T = TypeVar("T")


async def outcomes(awaited: Sequence[Awaitable[T]]) -> list[T | Exception]:
    """The result of each, or its exception. Ends all of them where the caller is cancelled.

    Operations of one commit are done together: most are done once the first is, and need no waiting.
    """
    futures = [asyncio.ensure_future(each) for each in awaited]
    try:
        for future in futures:
            if not future.done():
                await asyncio.wait((future,))
    finally:
        for future in futures:
            future.cancel()  # nothing for one that is done
    found = list[T | Exception]()
    for future in futures:
        error = future.exception()
        if error is None:
            found.append(future.result())
        elif isinstance(error, Exception):
            found.append(error)
        else:
            raise error
    return found
