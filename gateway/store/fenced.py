"""A fence before a store: while a loss of its database is open, no business reads or writes.

Everything that repeats after STORE_UNAVAILABLE repeats after this refusal, too, and goes on once the fence is open.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from gateway.store.losses import Loss, LossChanged, database_behind
from gateway.store.port import Operation, Store, StoreCounts, Transaction
from gateway.store.reading_ahead import Announced

T = TypeVar("T")
E = TypeVar("E")


class FencedStore:
    """A store for business. The parts that find, show and accept losses use the store behind it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loss: Loss | None = None
        self._noted: Loss | None = None
        self.incarnation = 0
        """The audit row with which the database went on after its last loss, as far as this process knows; else 0."""
        self.changes = 0
        """How often this process has learnt of a loss, or of its end."""
        self.is_accepted = False
        """Whether people have accepted the loss, so that the fence may be opened."""
        self._listeners: list[Callable[[], None]] = []
        store.subscribe(LossChanged, lambda changed: self.note(changed.loss))

    @property
    def loss(self) -> Loss | None:
        """The loss for which the fence is closed, as far as this process knows."""
        return self._loss

    @property
    def is_open(self) -> bool:
        """Whether business is served."""
        return self._loss is None and not self._store.lost_commits

    def note(self, loss: Loss | None) -> None:
        """Closes the fence for an open loss. After None or an accepted one it may be opened.

        A row that is noted again is no change: however often a process looks, the fence may be opened meanwhile.
        """
        if loss == self._noted:
            return
        self.changes += 1
        self._noted = loss
        if loss is not None:
            self.incarnation = loss.begin_sequence
        if loss is not None and loss.is_open:
            self.is_accepted = False
            self._set(loss)
        else:
            self.is_accepted = self._loss is not None

    def open(self) -> None:
        """Lets business in again where the loss is accepted."""
        if self.is_accepted:
            self.is_accepted = False
            self._set(None)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Calls the listener after each change of the open loss."""
        self._listeners.append(listener)

    def write(self, operation: Operation[T]) -> Awaitable[T]:
        """See the port. Raises Refused with DATABASE_BEHIND too."""
        if not self.is_open:
            refused: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            refused.set_exception(database_behind(self._loss))
            return refused
        if isinstance(operation, Announced):
            return self._store.write(Announced(partial(self._run, operation.operation), operation.reads))
        return self._store.write(partial(self._run, operation))

    async def read(self, operation: Operation[T]) -> T:
        """See the port. Raises Refused with DATABASE_BEHIND too."""
        if not self.is_open:
            raise database_behind(self._loss)
        return await self._store.read(operation)

    def subscribe(self, event: type[E], listener: Callable[[E], None]) -> None:
        """See the port."""
        self._store.subscribe(event, listener)

    @property
    def counts(self) -> StoreCounts:
        """See the port."""
        return self._store.counts

    @property
    def is_shared(self) -> bool:
        """See the port."""
        return self._store.is_shared

    @property
    def lost_commits(self) -> int:
        """See the port."""
        return self._store.lost_commits

    def forget_lost_commits(self, count: int) -> None:
        """See the port."""
        self._store.forget_lost_commits(count)

    async def scrub(self, tables: Sequence[str], *, since: str, is_quiet: bool) -> str:
        """See the port. Deleted keys are overwritten behind the fence, too."""
        return await self._store.scrub(tables, since=since, is_quiet=is_quiet)

    def accepts_new_work(self) -> bool:
        """See the port."""
        return self._store.accepts_new_work()

    async def close(self) -> None:
        """See the port."""
        await self._store.close()

    def _set(self, loss: Loss | None) -> None:
        before, self._loss = self._loss, loss
        if before != loss:
            for listener in self._listeners:
                listener()

    def _run(self, operation: Operation[T], tx: Transaction) -> T:
        """Looks again: the loss may have been found after the operation was queued."""
        if not self.is_open:
            raise database_behind(self._loss)
        return operation(tx)
