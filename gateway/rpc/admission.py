"""The order in which admitted calls begin.

Where several operator systems call at once, their calls begin in turns. So a call waits for few others, however many
another operator has sent. Where one operator calls alone, its calls begin at once.

gRPC brings calls one by one, in the order in which they came: calls of a flood that it still holds would begin before
any later one. So no call begins while further ones come, up to a limit.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.process.turns import Turns

AT_ONCE = 8  # calls that are served, or begin, together: another operator may have to wait for so many
# gRPC takes three rounds of the event loop, and a wake-up of its thread, for a call that it holds.
LOOK = 0.001  # seconds between two looks
QUIET_LOOKS = 3  # in a row that bring no call, after which gRPC is taken to hold none
LOOKS = 64  # in a row, after which some calls begin nevertheless


class Admission:
    """Lets the calls of one server begin. Used on one event loop."""

    def __init__(self) -> None:
        self._waiting: Turns[asyncio.Future[None]] = Turns()
        self._served = 0
        self._looks = self._quiet = 0

    async def turn(self, owner: str) -> None:
        """Returns when a call of the owner may begin."""
        loop = asyncio.get_running_loop()
        self._quiet = 0
        is_shared = self._waiting.is_shared(owner, loop.time())
        if self._waiting or (is_shared and self._served >= AT_ONCE):
            turn = loop.create_future()
            if not self._waiting:
                loop.call_later(LOOK, self._look, loop)
            self._waiting.put(owner, turn)
            await turn

    @contextmanager
    def served(self) -> Iterator[None]:
        """Counts a call among those that are served. A stream counts for none: it may be open for days."""
        self._served += 1
        try:
            yield
        finally:
            self._served -= 1

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._looks += 1
        self._quiet += 1
        if self._quiet > QUIET_LOOKS or self._looks > LOOKS:
            self._looks = self._quiet = begun = 0
            while self._waiting and begun < AT_ONCE:
                (turn,) = self._waiting.take(1)
                if not turn.done():  # its caller may have gone away
                    turn.set_result(None)
                    begun += 1
        if self._waiting:
            loop.call_later(LOOK, self._look, loop)
