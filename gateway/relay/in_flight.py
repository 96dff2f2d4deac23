"""The batches of one destination that are in flight, and whether another one is worth sending.

Small batches cost each party more than they gain: beside one in flight, arriving contents collect. A second batch goes
once enough contents wait for it, or where the way is long: one alone would then leave the way empty for most of the
time.
"""

import asyncio
from collections.abc import Callable

BATCHES_IN_FLIGHT = 2  # one is in transit while the destination works on the other; more would only split batches
LONG_ON_THE_WAY = 0.1  # seconds for a delivery there and back, from which a second batch may be of any size


class BatchesInFlight:
    """The tasks that carry batches, each with its number of contents. Used on one event loop."""

    def __init__(self, changed: Callable[[], None]) -> None:
        """`changed` is called once a batch has been in flight for long."""
        self._changed = changed
        self._sizes: dict[asyncio.Task[None], int] = {}
        self._timers: dict[asyncio.Task[None], asyncio.TimerHandle] = {}
        self._late = set[asyncio.Task[None]]()
        self._was_long = False

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """The tasks, the oldest first."""
        return list(self._sizes)

    @property
    def contents(self) -> int:
        """The number of contents of all batches."""
        return sum(self._sizes.values())

    def has_room(self, waiting: int, enough: int) -> bool:
        """Whether another batch may go while so many contents wait for it, and `enough` are worth a batch."""
        if not self._sizes:
            return True
        return len(self._sizes) < BATCHES_IN_FLIGHT and (self._was_long or bool(self._late) or waiting >= enough)

    def add(self, task: asyncio.Task[None], contents: int) -> None:
        """A batch of so many contents leaves; it is in flight until its task ends."""
        self._sizes[task] = contents
        self._timers[task] = asyncio.get_running_loop().call_later(LONG_ON_THE_WAY, self._is_late, task)
        task.add_done_callback(self._landed)

    def note_answer(self) -> None:
        """The batch of the present task was answered."""
        self._was_long = asyncio.current_task() in self._late

    def cancel(self) -> None:
        """Cancels the tasks of all batches."""
        for task in self._sizes:
            task.cancel()

    def _is_late(self, task: asyncio.Task[None]) -> None:
        self._late.add(task)
        self._changed()

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._timers.pop(task).cancel()
        self._late.discard(task)
        del self._sizes[task]
