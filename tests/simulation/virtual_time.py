"""Time that passes only when nothing is left to do: an event loop, processes on it that can be killed, and clocks."""

from __future__ import annotations

import asyncio
import contextvars
import selectors
from collections.abc import Coroutine, Generator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

T = TypeVar("T")

_LONGEST = 3600.0  # seconds; the longest run takes a tenth of them


class Stalled(Exception):
    """Nothing is left to do and nothing will ever happen, or it goes on without end: the simulation hangs."""


class _Selector(selectors.BaseSelector):
    """Waits for no file: lets virtual time pass instead."""

    def __init__(self) -> None:
        self.now = 0.0
        self._keys: dict[FileDescriptorLike, selectors.SelectorKey] = {}

    def register(self, fileobj: FileDescriptorLike, events: int, data: object = None) -> selectors.SelectorKey:
        self._keys[fileobj] = selectors.SelectorKey(fileobj, 0, events, data)
        return self._keys[fileobj]

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or self.now > _LONGEST:
            raise Stalled(f"after {self.now:.0f} s")
        self.now += max(timeout, 0.0)
        return []

    def get_map(self) -> Mapping[FileDescriptorLike, selectors.SelectorKey]:
        return self._keys


class Process:
    """The tasks of one process. A task made in it belongs to it and ends with it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self._tasks: dict[asyncio.Task[object], None] = {}

    def spawn(self, work: Coroutine[object, object, T]) -> asyncio.Task[T]:
        """Runs something in this process."""
        context = contextvars.copy_context()
        context.run(_process.set, self)
        return asyncio.get_running_loop().create_task(work, context=context)

    def kill(self) -> None:
        """Ends everything in it: no line of its code does anything after this that others can see."""
        self.alive = False
        for task in list(self._tasks):
            task.cancel()

    def take_in(self, task: asyncio.Task[object]) -> None:
        """A task was made in this process."""
        if not self.alive:
            task.cancel()
        self._tasks[task] = None
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[object]) -> None:
        self._tasks.pop(task, None)


_process: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


def running_process() -> Process | None:
    """The process whose code runs now; None for what stands outside of all processes."""
    return _process.get()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer whenever nothing else is left to do."""

    def __init__(self) -> None:
        self._passing = _Selector()
        super().__init__(self._passing)

    def time(self) -> float:
        """Virtual seconds since the start."""
        return self._passing.now

    def create_task(
        self,
        coro: Generator[object, None, T] | Coroutine[object, object, T],
        *,
        name: object = None,
        context: contextvars.Context | None = None,
    ) -> asyncio.Task[T]:
        """A task of the process in which it is made."""
        task = super().create_task(coro, name=name, context=context)
        process = _process.get() if context is None else context.get(_process)
        if process is not None:
            process.take_in(task)
        return task


class WallTime:
    """The true time of day: it runs with the loop, and can leap over a time in which nothing happens."""

    def __init__(self, loop: asyncio.AbstractEventLoop, start: datetime) -> None:
        self._loop = loop
        self._start = start

    def now(self) -> datetime:
        """The true instant."""
        return self._start + timedelta(seconds=self._loop.time())

    def leap(self, duration: timedelta) -> None:
        """Lets a time pass in which no message travels."""
        self._start += duration


class NodeClock:
    """The clock of one machine: the true time and an error that steps change."""

    def __init__(self, wall: WallTime) -> None:
        self._wall = wall
        self.error = timedelta(0)
        self.wild = timedelta(0)
        """An error of years, besides: people see it, and the node must not follow it."""

    def now(self) -> datetime:
        """See the port."""
        return self.of_people() + self.wild

    def of_people(self) -> datetime:
        """The time of the people beside the machine."""
        return self._wall.now() + self.error

    def steady(self) -> float:
        """See the port."""
        return self._wall.now().timestamp()
