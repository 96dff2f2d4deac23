"""Turns: the callers of one process get their work done in turns, however much of it each one brings.

The owner of work is the operator system, or the member of staff, that calls for it; at a coordinator it is the region.
The process's own work has the empty owner.
"""

import asyncio
from collections import OrderedDict, deque
from contextvars import ContextVar
from typing import Generic, TypeVar

T = TypeVar("T")

SHARED_SECONDS = 60.0
"""The time for which an owner counts as present after it has brought something."""

owner: ContextVar[str] = ContextVar("crossregion_owner", default="")
"""The owner of the current task's work."""


class Turns(Generic[T]):
    """Items that wait: in their order for each owner, and by turns between owners."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, deque[T]] = OrderedDict()
        self._count = 0
        self._present: dict[str, float] = {}

    def __len__(self) -> int:
        return self._count

    def put(self, owner: str, item: T) -> None:
        """Adds an item behind the others of its owner."""
        line = self._lines.get(owner)
        if line is None:
            line = self._lines[owner] = deque()
        line.append(item)
        self._count += 1

    def take(self, most: int) -> list[T]:
        """Takes at most so many items, one of each owner in turn; the next call goes on with the next owner."""
        taken: list[T] = []
        while self._lines and len(taken) < most:
            owner, line = self._lines.popitem(last=False)
            # An owner that waits alone takes all turns.
            several = 1 if self._lines else min(len(line), most - len(taken))
            taken += [line.popleft() for _ in range(several)]
            if line:
                self._lines[owner] = line
        self._count -= len(taken)
        return taken

    def remove(self, owner: str, item: T) -> None:
        """Removes an item of an owner that needs no turn any more, if it still waits."""
        line = self._lines.get(owner, deque())
        if item in line:
            line.remove(item)
            self._count -= 1
            if not line:
                del self._lines[owner]

    def of(self, owner: str) -> int:
        """How many items of an owner wait."""
        return len(self._lines.get(owner, ()))

    def has_single(self, many: int) -> bool:
        """Whether an owner waits with one item, beside another one with at least so many.

        The process itself does not count: its own work comes singly, and all the time.
        """
        counts = [len(line) for owner, line in self._lines.items() if owner]
        return len(counts) > 1 and min(counts) == 1 and max(counts) >= many

    def ahead_of(self, owner: str) -> int:
        """How many items at most are taken before another one of an owner."""
        return min(self._count, (self.of(owner) + 1) * len(self._lines))

    def is_shared(self, owner: str, now: float) -> bool:
        """Whether several owners were present lately; notes that this one is, at `now` (monotonic seconds).

        The process itself does not count: its own work has other bounds.
        """
        if owner:
            self._present[owner] = now
        if len(self._present) < 2:
            return False
        since = now - SHARED_SECONDS
        if min(self._present.values()) < since:
            self._present = {each: seen for each, seen in self._present.items() if seen >= since}
        return len(self._present) > 1


class Places:
    """A number of places for work, which owners get in turns. Used on one event loop."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: Turns[asyncio.Future[None]] = Turns()

    async def acquire(self, by: str = "") -> None:
        """Takes a place for an owner, by default that of the current task, once there is one."""
        if self._free:
            self._free -= 1
            return
        place, whose = asyncio.get_running_loop().create_future(), by or owner.get()
        self._waiting.put(whose, place)
        try:
            await place
        except asyncio.CancelledError:
            self._waiting.remove(whose, place)
            if place.done() and not place.cancelled():  # given in the moment in which the task was cancelled
                self.release()
            raise

    def release(self) -> None:
        """Gives a place back."""
        while following := self._waiting.take(1):
            if not following[0].done():
                following[0].set_result(None)
                return
        self._free += 1
