"""Makes the due calls to the region's own system, and handles its answers. Each process of a region may do so."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from opentelemetry.trace import SpanKind

from gateway.errors import Refused, Unreachable
from gateway.process import failpoints
from gateway.process.tracing import Tracing
from gateway.relay.retry import FullJitter
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock, from_microseconds
from region_node.business.orders.provisioning_answers import Answer, Asked
from region_node.business.orders.provisioning_rows import LONGEST_WAIT, Task, TaskDue, ask_at_once, due_tasks, next_due
from region_node.business.providers.fulfilment import FulfilmentProvider
from region_node.node.deliveries import Deliveries

CONCURRENCY = 8  # orders or items with a call in progress
SHORTEST_SLEEP, LONGEST_SLEEP = 0.05, 1.0  # seconds between two looks; other processes make tasks, too
REST = 1.0  # seconds before the store is looked at again after it refused
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Provisioned:
    """A kind of work that the system carries out: parts of one transaction."""

    ask: Callable[[Transaction, Task, datetime], Asked | None]
    """Claims a due call for this process; None where it is not to be made yet."""
    answered: Callable[[Transaction, Asked, Answer, datetime], Asked | None]
    """Handles an answer; returns the next call for the same work, if it can be made at once."""
    unanswered: Callable[[Transaction, Asked, str, timedelta, datetime], None]
    """Notes the problem of a call without an answer, which is repeated after the time."""


@dataclass(frozen=True)
class WorkerPorts:
    """The ports of the worker."""

    number: int
    """The number of this process."""
    kinds: Mapping[str, Provisioned]
    """By the first part of the subject of a task."""
    store: Store
    clock: Clock
    provider: FulfilmentProvider
    source: random.Random
    tracing: Tracing


class FulfilmentWorker:
    """The loop of one process."""

    def __init__(self, ports: WorkerPorts) -> None:
        self.deliveries = Deliveries("fulfilment")
        self._ports = ports
        self._wait = FullJitter(ports.source, longest=LONGEST_WAIT)
        self._changed = asyncio.Event()
        self._in_flight: set[asyncio.Task[None]] = set()
        ports.store.subscribe(TaskDue, lambda _: self._changed.set())

    async def run(self) -> None:
        """Runs until cancelled. The next process repeats calls whose answers were not handled by then."""
        number, store, clock, begun = self._ports.number, self._ports.store, self._ports.clock, False
        try:
            while True:
                self._changed.clear()
                try:
                    if not begun:
                        await store.write(lambda tx: ask_at_once(tx, number, clock.now()))
                        begun = True
                    await self._ask_what_is_due()
                except Refused as refused:
                    _log.warning("the region's own system is asked again soon: %s", refused)
                    await asyncio.sleep(REST)
        finally:
            for task in self._in_flight:
                task.cancel()
            await asyncio.gather(*self._in_flight, return_exceptions=True)

    async def _ask_what_is_due(self) -> None:
        """Makes the due calls, then sleeps until the next one may be due."""
        store, now = self._ports.store, self._ports.clock.now()
        room = CONCURRENCY - len(self._in_flight)
        due = await store.read(next_due) if room else None
        seconds = LONGEST_SLEEP
        if due is not None:
            seconds = (from_microseconds(due) - now).total_seconds()
            if seconds <= 0 or seconds > LONGEST_WAIT:
                for asked in await store.write(lambda tx: self._take(tx, now, room)):
                    task = asyncio.get_running_loop().create_task(self._carry(asked))
                    self._in_flight.add(task)
                    task.add_done_callback(self._carried)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(max(seconds, SHORTEST_SLEEP), LONGEST_SLEEP)):
                await self._changed.wait()

    def _take(self, tx: Transaction, now: datetime, limit: int) -> list[Asked]:
        """Claims the due calls, at most `limit`, for this process."""
        asked = (self._kind(task).ask(tx, task, now) for task in due_tasks(tx, now, limit))
        return [each for each in asked if each is not None]

    def _kind(self, task: Task) -> Provisioned:
        return self._ports.kinds[task.subject.partition("/")[0]]

    async def _carry(self, asked: Asked) -> None:
        """Takes the work through the phases until one has no answer, or nothing is left to ask."""
        following: Asked | None = asked
        while following is not None:
            following = await self._ask(following)

    async def _ask(self, asked: Asked) -> Asked | None:
        kind, store, clock, phase = self._kind(asked.task), self._ports.store, self._ports.clock, asked.task.phase
        attributes = {"business": asked.work.business}
        name = f"fulfilment {phase.name.lower()}"
        with self._ports.tracing.span(name, SpanKind.CONSUMER, parent=asked.traceparent, attributes=attributes):
            try:
                with self.deliveries.delivery():
                    answer = await self._ports.provider.ask(phase, asked.work)
            except Unreachable as failure:
                _log.warning("%s of %s has no answer: %s", phase.name, asked.task.order_id, failure)
                told = f"{failure.status}: {failure}"
                wait = timedelta(seconds=self._wait.seconds(asked.task.failures + 1))
                await store.write(lambda tx: kind.unanswered(tx, asked, told, wait, clock.now()))
                return None
            failpoints.reach(f"F.{phase.name}.before-commit")
            following = await store.write(lambda tx: kind.answered(tx, asked, answer, clock.now()))
            failpoints.reach(f"F.{phase.name}.after-commit")
            return following

    def _carried(self, task: "asyncio.Task[None]") -> None:
        """Logs a call without a handled answer; it is repeated after the lease of the task."""
        self._in_flight.discard(task)
        self._changed.set()
        if task.cancelled():
            return
        failure = task.exception()
        if isinstance(failure, Refused):
            _log.warning("an answer of the region's own system is asked for again: %s", failure)
        elif failure is not None:
            _log.error("an answer of the region's own system could not be taken in", exc_info=failure)
