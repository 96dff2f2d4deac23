"""The start of a process: what its store refuses at the moment is tried again, until the process is told to stop."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TypeVar

from gateway.errors import Refused, is_temporary

TRY_AGAIN = 1.0  # seconds between two tries of a step
T = TypeVar("T")
_log = logging.getLogger(__name__)

told_to_stop: ContextVar[asyncio.Event | None] = ContextVar("told_to_stop", default=None)
"""Set once the process was told to stop; None where it is no process of its own."""


class StoppedWhileStarting(Exception):
    """The process was told to stop before it has started."""


async def persistently(step: Callable[[], Awaitable[T]]) -> T:
    """What a step of the start gives, which may be done more than once.

    Raises StoppedWhileStarting where the process is told to stop meanwhile, and Refused for what does not pass.
    """
    stop = told_to_stop.get() or asyncio.Event()
    while True:
        try:
            return await step()
        except Refused as refused:
            if not is_temporary(refused.reason):
                raise
            _log.warning("the start is tried again soon: %s", refused)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TRY_AGAIN):
                await stop.wait()
                raise StoppedWhileStarting
