"""The start of a process: it retries a step that its store refuses, until the process has to stop."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gateway.errors import Refused, is_temporary
from gateway.process.ending import stop_signal

TRY_AGAIN = 1.0  # seconds between two tries of a step
T = TypeVar("T")
_log = logging.getLogger(__name__)


class StoppedWhileStarting(Exception):
    """The process received a stop signal before its start was complete."""


async def persistently(step: Callable[[], Awaitable[T]]) -> T:
    """Repeats a step of the start until it succeeds, and returns its result.

    Raises StoppedWhileStarting on a stop signal, and Refused for a permanent refusal.
    """
    stop = stop_signal()
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
