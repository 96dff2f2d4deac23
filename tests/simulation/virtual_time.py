"""Time that passes only when nothing is left to do: an event loop, processes on it that can be killed, and clocks."""

from __future__ import annotations

import asyncio
import contextvars
from asyncio.base_events import BaseEventLoop
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Sequence
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush
from typing import TypeVar

T = TypeVar("T")

_LONGEST = 3600.0  # seconds; the longest run takes a tenth of them
_RESOLUTION = 1e-9  # seconds: timers that are no further apart are due together
_MANY = 100  # timers, from which on those that are cancelled go before they are due


class Stalled(Exception):
    """Nothing is left to do and nothing will ever happen, or it goes on without end: the simulation hangs."""


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


class _Timer(asyncio.TimerHandle):
    """A callback that is due at an instant."""

    __slots__ = ("is_waiting",)

    def __init__(
        self,
        instant: float,
        callback: Callable[..., object],
        args: Sequence[object],
        loop: VirtualLoop,
        context: contextvars.Context | None,
    ) -> None:
        super().__init__(instant, callback, args, loop, context)
        self.is_waiting = True


class _Instant(float):
    """The instant of a timer: a heap compares it as a number, several times for each timer."""

    __slots__ = ("timer",)

    timer: _Timer


class VirtualLoop(BaseEventLoop):
    """An event loop whose time jumps to the next timer whenever nothing else is left to do.

    It waits for no file and no thread. Its order is that of asyncio's own loops, also among timers of one instant.
    """

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._due_now: deque[asyncio.Handle] = deque()
        self._instants: list[_Instant] = []
        self._cancelled = 0  # timers among them

    def close(self) -> None:
        """See asyncio. Lets go of all that would have come."""
        super().close()
        self._due_now.clear()
        self._instants.clear()

    def time(self) -> float:
        """Virtual seconds since the start."""
        return self._now

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

    def call_soon(
        self, callback: Callable[..., object], *args: object, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """See asyncio."""
        handle = asyncio.Handle(callback, args, self, context)
        self._due_now.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: object, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """See asyncio."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: object, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """See asyncio."""
        instant = _Instant(when)
        instant.timer = timer = _Timer(when, callback, args, self, context)
        heappush(self._instants, instant)
        return timer

    def _timer_handle_cancelled(self, handle: _Timer) -> None:
        """Is called by asyncio."""
        self._cancelled += handle.is_waiting

    def _run_once(self) -> None:
        """Is called by asyncio: all that is due now, or at the next instant at which anything is."""
        self._drop_cancelled()
        due, instants = self._due_now, self._instants
        if self._now > _LONGEST or not (due or instants):
            raise Stalled(f"after {self._now:.0f} s")
        if not due:
            self._now += max(instants[0] - self._now, 0.0)
        end = self._now + _RESOLUTION
        while instants and instants[0] < end:
            timer = heappop(instants).timer
            timer.is_waiting = False
            due.append(timer)
        for _ in range(len(due)):
            handle = due.popleft()
            if not handle.cancelled():
                handle._run()

    def _drop_cancelled(self) -> None:
        instants = self._instants
        if len(instants) > _MANY and self._cancelled * 2 > len(instants):
            self._instants = [each for each in instants if not each.timer.cancelled()]
            heapify(self._instants)
            self._cancelled = 0
            return
        while instants and instants[0].timer.cancelled():
            heappop(instants)
            self._cancelled -= 1


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
        else:
            self._call()

    def _come_again(self) -> None:
        self._loop.call_soon(self._call, context=self.context)

    def _call(self) -> None:
        handle, self.handle = self.handle, None  # each holds the other: both would wait for the collector
        if handle is None or not handle.cancelled():
            self._callback(*self._args)


class WallTime:
    """The true time of day: it runs with the loop, and can leap over a time in which nothing happens."""

    def __init__(self, loop: asyncio.AbstractEventLoop, start: datetime) -> None:
        self._loop = loop
        self._start = self._now = start
        self._read_at = 0.0

    def now(self) -> datetime:
        """The true instant. Much happens in one: it is counted once."""
        seconds = self._loop.time()
        if seconds != self._read_at:
            self._read_at, self._now = seconds, self._start + timedelta(seconds=seconds)
        return self._now

    def leap(self, duration: timedelta) -> None:
        """Lets a time pass in which no message travels."""
        self._start += duration
        self._now += duration


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
