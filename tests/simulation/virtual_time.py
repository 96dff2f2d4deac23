"""Time that passes only when nothing is left to do: an event loop, processes on it that can be killed, and clocks."""

from __future__ import annotations

import asyncio
import contextvars
import selectors
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
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
        self.is_frozen = False
        self._tasks: dict[asyncio.Task[object], None] = {}
        self._held: list[Callable[[], None]] = []

    def spawn(self, work: Coroutine[object, object, T]) -> asyncio.Task[T]:
        """Runs something in this process. It has nothing of the context of the process that asks for it."""
        context = contextvars.Context()
        context.run(_process.set, self)
        return asyncio.get_running_loop().create_task(work, context=context)

    def kill(self) -> None:
        """Ends everything in it: no line of its code does anything after this that others can see."""
        self.alive = False
        for task in list(self._tasks):
            task.cancel()

    def freeze(self) -> None:
        """Stands still as kill -STOP does, on a `FreezingLoop`: what is due meanwhile comes afterwards."""
        self.is_frozen = True

    def thaw(self) -> None:
        """Goes on."""
        self.is_frozen = False
        held, self._held = self._held, []
        for each in held:
            each()

    def hold(self, go_on: Callable[[], None]) -> None:
        """Something is due while it stands still. `go_on` has it come."""
        self._held.append(go_on)

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


class FreezingLoop(VirtualLoop):
    """A loop whose processes may stand still, and on which threads are beside nothing: their work is done at once."""

    def call_soon(
        self, callback: Callable[..., object], *args: object, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """See asyncio."""
        due = self._due(callback, args, context)
        due.handle = handle = super().call_soon(due.come, context=due.context)
        return handle

    def call_at(
        self, when: float, callback: Callable[..., object], *args: object, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """See asyncio."""
        due = self._due(callback, args, context)
        due.handle = handle = super().call_at(when, due.come, context=due.context)
        return handle

    def run_in_executor(self, executor: object, func: Callable[..., T], *args: object) -> asyncio.Future[T]:
        """See asyncio. Raises what the work raises."""
        done: asyncio.Future[T] = self.create_future()
        done.set_result(func(*args))
        return done

    def _due(
        self, callback: Callable[..., object], args: Sequence[object], context: contextvars.Context | None
    ) -> _Due:
        return _Due(self, callback, args, contextvars.copy_context() if context is None else context)


class _Due:
    """A callback that comes once its process does not stand still, unless it was cancelled."""

    def __init__(
        self,
        loop: FreezingLoop,
        callback: Callable[..., object],
        args: Sequence[object],
        context: contextvars.Context,
    ) -> None:
        self._loop, self._callback, self._args = loop, callback, args
        self.context = context
        self.handle: asyncio.Handle | None = None

    def come(self) -> None:
        """Is called by the loop."""
        process = self.context.get(_process)
        if process is not None and process.is_frozen:
            process.hold(self._come_again)
        elif self.handle is None or not self.handle.cancelled():
            self._callback(*self._args)

    def _come_again(self) -> None:
        self._loop.call_soon(self._again, context=self.context)

    def _again(self) -> None:
        if self.handle is None or not self.handle.cancelled():
            self._callback(*self._args)


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
