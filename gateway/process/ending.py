"""The end of a process of its own, as its start and its loops know of it."""

import asyncio
import threading
from collections.abc import Callable
from contextvars import ContextVar


class Ending:
    """The end of a process: it takes some seconds at most, whatever still runs."""

    def __init__(self, seconds: float, give_up: Callable[[], None]) -> None:
        """`give_up` is called in a thread of its own so long after the begin."""
        self.told = asyncio.Event()
        """Set once the process has received a stop signal."""
        self._giving_up = threading.Timer(seconds, give_up)  # the event loop itself may wait for a thread
        self._giving_up.daemon = True

    def begin(self) -> None:
        """The process has to end. The first call counts."""
        if self._giving_up.ident is None:
            self._giving_up.start()

    def over(self) -> None:
        """All is closed."""
        self._giving_up.cancel()


own_ending: ContextVar[Ending | None] = ContextVar("own_ending", default=None)
"""The end of this process; None outside a process of its own."""


def stop_signal() -> asyncio.Event:
    """Set once this process has received a stop signal; outside a process of its own a new one, which nobody sets."""
    ending = own_ending.get()
    return asyncio.Event() if ending is None else ending.told
