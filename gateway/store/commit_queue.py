"""The way into a store: operations wait here, are committed together, and their callers are notified.

Operations of several owners take turns (`gateway.process.turns`). While there are several, a commit takes fewer
operations, so that the next one comes soon. With the only operation of an owner it takes fewest, though never twice in
a row.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, reason_name
from gateway.process.turns import Turns, owner
from gateway.store.group_commit import Outcome
from gateway.store.port import Operation, OutcomeLost, StoreCounts, nothing, store_unavailable

T = TypeVar("T")
E = TypeVar("E")

BATCH_LIMIT = 256  # operations in one commit: beyond this the wait of the first outweighs the shared fsync
SHARED_LIMIT = 12  # operations in one commit while several owners are present: another owner waits for no more
SINGLE_LIMIT = 3  # operations in a commit with the only one of an owner beside another with many: it waits for no more

_FAILURES = (Reason.REASON_STORE_UNAVAILABLE, Reason.REASON_STORE_UNCONFIRMED, Reason.REASON_OUTCOME_UNKNOWN)
_Waiting = tuple[Operation[object], "asyncio.Future[Any]", bool]
"""An operation, its outcome, and whether it is for a caller of the server who may go away."""
Commit = Callable[[Sequence[Operation[object]]], Awaitable[list[Outcome]]]
_log = logging.getLogger(__name__)


class CommitQueue:
    """Commits all waiting operations together, up to a limit; later ones form the next commit.

    Made on the event loop of its use. `commit` returns the outcome of each operation. An exception of `broken` means
    that the database is unusable.
    """

    def __init__(self, commit: Commit, broken: type[Exception]) -> None:
        self._commit = commit
        self._broken = broken
        self._loop = asyncio.get_running_loop()
        self._waiting: Turns[_Waiting] = Turns()
        self._begun: list[asyncio.Future[Any]] = []
        self._is_shared = self._was_single = False
        self._arrived = asyncio.Event()
        self._closing = False
        self._counts = StoreCounts()
        self._listeners: dict[type, list[Callable[[Any], None]]] = {}
        self._writer = self._loop.create_task(self._write_forever())
        self._writer.add_done_callback(self._ended)

    def write(self, operation: Operation[T]) -> "asyncio.Future[T]":
        """The port's `write`."""
        future: asyncio.Future[T] = self._loop.create_future()
        if self._closing:
            future.set_exception(store_unavailable())
        else:
            of = owner.get()
            self._is_shared = self._waiting.is_shared(of, self._loop.time())
            self._waiting.put(of, (operation, future, bool(of)))
            self._arrived.set()
        return future

    def subscribe(self, event: type[E], listener: Callable[[E], None]) -> None:
        """The port's `subscribe`."""
        self._listeners.setdefault(event, []).append(listener)

    def tell(self, event: object) -> None:
        """Notifies listeners. The loop calls each singly, so that no listener can stop the store."""
        for listener in self._listeners.get(type(event), ()):
            self._loop.call_soon(listener, event)

    @property
    def counts(self) -> StoreCounts:
        """The port's `counts`."""
        return replace(self._counts, waiting=len(self._waiting))

    async def close(self) -> None:
        """Finishes the submitted operations and accepts no more."""
        self._closing = True
        self._arrived.set()
        await self._writer

    async def _write_forever(self) -> None:
        while self._waiting or not self._closing:
            if not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            taken = self._waiting.take(self._limit())
            batch = [
                (operation, future) for operation, future, is_called in taken if not (is_called and future.cancelled())
            ]
            if not batch:  # the callers have gone
                continue
            self._begun = [future for _, future in batch]
            begun = self._loop.time()
            try:
                outcomes = await self._commit([operation for operation, _ in batch])
            except self._broken:
                _log.critical("the database is broken", exc_info=True)
                outcomes = [Outcome(error=store_unavailable()) for _ in batch]
            if any(operation is not nothing for operation, _ in batch):  # else its time says nothing of others
                self._counts.commits += 1
                self._counts.operations += len(batch)
                self._counts.seconds += self._loop.time() - begun
            if reason := next(filter(None, map(_failure, outcomes)), None):
                self._counts.failed[reason_name(reason)] += 1
            self._settle([(future, outcome) for (_, future), outcome in zip(batch, outcomes, strict=True)])

    def _limit(self) -> int:
        """How many operations the next commit takes."""
        if not self._is_shared:
            return BATCH_LIMIT
        self._was_single = not self._was_single and self._waiting.has_single(SINGLE_LIMIT)
        return SINGLE_LIMIT if self._was_single else SHARED_LIMIT

    def _ended(self, writer: asyncio.Task[None]) -> None:
        """Fails the callers of a writer that a defect has ended."""
        self._closing = True
        if not writer.cancelled() and writer.exception() is not None:
            _log.critical("the store takes nothing more", exc_info=writer.exception())
            for future in self._begun:
                if not future.done():
                    future.set_exception(Refused(Reason.REASON_OUTCOME_UNKNOWN))
        for _, future, _ in self._waiting.take(len(self._waiting)):
            if not future.done():
                future.set_exception(store_unavailable())

    def _settle(self, settled: list[tuple["asyncio.Future[Any]", Outcome]]) -> None:
        """Notifies listeners first, then the waiting callers."""
        if any(_is_unknown(outcome) for _, outcome in settled):
            self.tell(OutcomeLost())
        for future, outcome in settled:
            for event in outcome.events:
                self.tell(event)
            if future.cancelled():
                continue
            if outcome.error is not None:
                future.set_exception(outcome.error)
            else:
                future.set_result(outcome.result)


def _failure(outcome: Outcome) -> Reason.ValueType | None:
    """The reason for which the store could not commit an operation; None for one that it has committed or refused."""
    reason = outcome.error.reason if isinstance(outcome.error, Refused) else None
    return reason if reason in _FAILURES else None


def _is_unknown(outcome: Outcome) -> bool:
    return isinstance(outcome.error, Refused) and outcome.error.reason == Reason.REASON_OUTCOME_UNKNOWN
