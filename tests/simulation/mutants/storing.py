"""Defects of the store, and of what is remembered in it."""

import asyncio
from collections.abc import Collection, Hashable, Mapping, Sequence
from datetime import datetime
from functools import partial

import pytest

from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.auditing.audit import AUDIT
from gateway.store import scheduler
from gateway.store.commit_queue import CommitQueue, _is_unknown
from gateway.store.group_commit import Outcome, run_alone
from gateway.store.pending_rows import WriteRows
from gateway.store.port import Database, Operation, Transaction
from gateway.store.scheduler import Scheduler
from gateway.store.sqlite import SqliteTransaction
from gateway.store.timers import DueRows, Timer, TimerHandler, due_timers, fire, take
from gateway.store.unit_of_work import UnitOfWork
from region_node.business.orders import handling, intake
from region_node.business.orders.application import OrderApplication
from region_node.requests.caller import Caller, note
from region_node.requests.rows import RequestKey
from tests.simulation import batch
from tests.simulation.disk import Disk

_DELAY = 0.5  # seconds by which a commit comes too late


def answer_before_the_commit(patch: pytest.MonkeyPatch) -> None:
    """A commit returns before it is durable, as with `synchronous=OFF` and a power loss."""
    begin, commit = Disk.begin, Disk.commit

    def begin_or_go_on(self: Disk) -> None:
        if not self.connection.in_transaction:
            begin(self)

    def commit_later(self: Disk) -> None:
        def flush() -> None:
            if self.connection.in_transaction:
                self.connection.execute("COMMIT")

        asyncio.get_running_loop().call_later(_DELAY, flush)

    assert commit is not commit_later
    patch.setattr(Disk, "begin", begin_or_go_on)
    patch.setattr(Disk, "commit", commit_later)


def failed_commit_told_as_done(patch: pytest.MonkeyPatch) -> None:
    """Callers are told the results of a batch whose commit has failed."""

    def tell_anyway(
        database: Database, operations: Sequence[Operation[object]], started: list[Outcome] | None
    ) -> list[Outcome]:
        if started is None:
            return run_alone(database, operations)
        try:
            database.commit()
        except database.errors:
            database.rollback()
        return started

    patch.setattr(batch, "finish_batch", tell_anyway)


def lost_answer_told_as_done(patch: pytest.MonkeyPatch) -> None:
    """The queue takes a commit whose answer is lost for done."""
    settle = CommitQueue._settle

    def settle_as_done(self: CommitQueue, settled: "list[tuple[asyncio.Future[object], Outcome]]") -> None:
        settle(self, [(future, Outcome() if _is_unknown(outcome) else outcome) for future, outcome in settled])

    patch.setattr(CommitQueue, "_settle", settle_as_done)


def requests_not_remembered(patch: pytest.MonkeyPatch) -> None:
    """Operators' earlier requests are not stored."""

    def insert_nothing(tx: Transaction, key: RequestKey, order_id: str, *, settled: bool, now: datetime) -> None:
        return None

    for module in (handling, intake):
        patch.setattr(module, "insert_request", insert_nothing)


def put_rows_of_a_table_dropped(patch: pytest.MonkeyPatch) -> None:
    """The commit does not write the rows that were put into one table."""
    write = UnitOfWork.write

    def write_others(self: UnitOfWork, names: Collection[str], write_rows: WriteRows) -> None:
        self.pending.pop(AUDIT.name, None)
        write(self, names, write_rows)

    patch.setattr(UnitOfWork, "write", write_others)


def known_values_survive_a_rollback(patch: pytest.MonkeyPatch) -> None:
    """The end of the audit chain and the numbers of events are remembered beyond their commit, though it may fail."""
    transaction = Disk.transaction
    known: dict[Disk, dict[str, dict[Hashable, object]]] = {}

    def remembering(self: Disk, unit: UnitOfWork | None = None) -> SqliteTransaction:
        if unit is not None:
            unit.known = known.setdefault(self, {})
            unit.names.update(unit.known)
        return transaction(self, unit)

    patch.setattr(Disk, "transaction", remembering)


def audit_after_an_await(patch: pytest.MonkeyPatch) -> None:
    """The audit row of an order follows its commit: a caller who gives up cancels the handler before it is written."""
    submit, append = OrderApplication.submit, note
    held: dict[Caller, Operation[None]] = {}

    def hold(tx: Transaction, caller: Caller, action: str, order_id: str, now: datetime) -> None:
        held[caller] = lambda tx: append(tx, caller, action, order_id, now)

    async def submit_then_audit(self: OrderApplication, caller: Caller, request: OrderRequest, wait: float) -> Order:
        order = await submit(self, caller, request, wait)
        if caller in held:
            await self._ports.store.write(held.pop(caller))
        return order

    patch.setattr(intake, "note", hold)
    patch.setattr(OrderApplication, "submit", submit_then_audit)


def timer_removed_in_another_transaction(patch: pytest.MonkeyPatch) -> None:
    """A timer is removed after the commit of its work."""
    sweep = Scheduler._sweep

    def fire_and_leave(
        tx: Transaction, timer: Timer, handlers: Mapping[str, TimerHandler], now: datetime, rows: DueRows | None
    ) -> bool:
        handlers[timer.kind](tx, timer, now)
        return True

    async def sweep_and_remove(self: Scheduler) -> bool:
        now = self._clock.now()
        due = await self._store.read(lambda tx: self._due(tx, now))
        fired = await sweep(self)
        for each in due:
            await self._store.write(partial(_remove, timer=each.timer, rows=each.rows))
        return fired

    patch.setattr(scheduler, "fire", fire_and_leave)
    patch.setattr(Scheduler, "_sweep", sweep_and_remove)


def _remove(tx: Transaction, timer: Timer, rows: DueRows | None) -> None:
    if rows is not None:
        rows.take(tx, timer)
        return
    tx.execute("DELETE FROM timers WHERE timer_id = :id AND due_time = :due", id=timer.timer_id, due=timer.due_time)


def failing_timers_come_first(patch: pytest.MonkeyPatch) -> None:
    """The oldest due timers fire first, and one that fails stays what it is."""

    async def sweep_the_oldest(self: Scheduler) -> bool:
        now = self._clock.now()
        due = await self._store.read(lambda tx: due_timers(tx, now, of=self._handlers.keys()))
        firing = [self._store.write(partial(fire, timer=each, handlers=self._handlers, now=now)) for each in due]
        await asyncio.gather(*firing, return_exceptions=True)
        await asyncio.sleep(_DELAY if due else 0.0)
        return bool(due)

    patch.setattr(Scheduler, "_sweep", sweep_the_oldest)


def timer_fired_though_another_process_has(patch: pytest.MonkeyPatch) -> None:
    """A process fires each timer that it has read, whoever has taken it since."""

    def fire_anyway(
        tx: Transaction, timer: Timer, handlers: Mapping[str, TimerHandler], now: datetime, rows: DueRows | None
    ) -> bool:
        take(tx, timer) if rows is None else rows.take(tx, timer)
        handlers[timer.kind](tx, timer, now)
        return True

    patch.setattr(scheduler, "fire", fire_anyway)
