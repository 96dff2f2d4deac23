"""Durable timers: each fires once at a time of day, also after a time in which the process was down."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple

from gateway.errors import Refused
from gateway.store.port import OutcomeLost, Store, Transaction
from gateway.store.tables import Table
from gateway.time.clock import Clock, from_microseconds, to_microseconds
from gateway.time.looks import until_look

SHORTEST_SLEEP = 0.05  # seconds: a failed timer stays due, and this delays the next look
LONGEST_SLEEP = 1.0  # seconds: a stepped clock is noticed after at most this
READ_AGAIN = 60.0  # seconds: a timer whose `TimerSet` was lost without a word is found after at most this
FAILED_REST = 1.0  # seconds before the retry of a timer whose handler failed
SWEEP_LIMIT = 100  # timers in one transaction
_NEVER = datetime.max.replace(tzinfo=UTC)
_log = logging.getLogger(__name__)


class Timer(NamedTuple):
    """A timer: `kind` names the handler, `subject` its subject."""

    timer_id: str
    kind: str
    subject: str
    due_time: int
    """In microseconds."""


TIMERS = Table("timers", Timer, key=("timer_id",))


@dataclass(frozen=True)
class TimerSet:
    """Published when a timer was set."""

    due_time: datetime


@dataclass(frozen=True)
class DueRows:
    """Rows of a table that fall due as timers do, by its column `due_time`: a row without an instant is never due.

    `kind` names the handler, `key` the column of the subject. The row stays when it fires, without its instant. An
    operation that sets an instant publishes TimerSet.
    """

    kind: str
    table: str
    key: str

    def due(self, tx: Transaction, now: datetime, limit: int) -> list[Timer]:
        """The due rows, oldest first, at most `limit`."""
        return tx.all(
            self._timer,
            f"SELECT {self.key}, due_time FROM {self.table} WHERE due_time <= :now"  # noqa: S608 - names of modules
            f" ORDER BY due_time, {self.key} LIMIT :limit",
            now=to_microseconds(now),
            limit=limit,
        )

    def first(self, tx: Transaction) -> int | None:
        """When the first row is due, in microseconds."""
        return tx.first(
            int,
            f"SELECT due_time FROM {self.table} WHERE due_time IS NOT NULL"  # noqa: S608 - names of modules
            " ORDER BY due_time LIMIT 1",
        )

    def take(self, tx: Transaction, timer: Timer) -> int:
        """Removes the instant of a row. Returns 0 where the row has another one, or none."""
        return tx.execute(
            f"UPDATE {self.table} SET due_time = NULL"  # noqa: S608 - names of modules
            f" WHERE {self.key} = :subject AND due_time = :due",
            subject=timer.subject,
            due=timer.due_time,
        )

    def _timer(self, subject: str, due_time: int) -> Timer:
        return Timer(f"{self.kind}/{subject}", self.kind, subject, due_time)


TimerHandler = Callable[[Transaction, Timer, datetime], None]


def set_timer(tx: Transaction, timer_id: str, *, kind: str, subject: str, due: datetime) -> None:
    """Sets a timer, and replaces one with the same id."""
    set_timers(tx, [Timer(timer_id, kind, subject, to_microseconds(due))])


def set_timers(tx: Transaction, timers: Sequence[Timer]) -> None:
    """Sets many timers, and replaces those with the same ids."""
    if not timers:
        return
    for each in timers:
        tx.keep(TIMERS, each)
    tx.publish(TimerSet(from_microseconds(min(each.due_time for each in timers))))


def cancel_timer(tx: Transaction, timer_id: str) -> None:
    """Removes a timer if it exists."""
    tx.remove(TIMERS, timer_id)


def is_set(tx: Transaction, timer_id: str) -> bool:
    """Whether a timer with this id exists."""
    return tx.find(TIMERS, timer_id) is not None


def due_timers(tx: Transaction, now: datetime, limit: int = SWEEP_LIMIT) -> list[Timer]:
    """The due timers, oldest first, at most `limit`."""
    return tx.all(
        Timer,
        "SELECT timer_id, kind, subject, due_time FROM timers WHERE due_time <= :now ORDER BY"
        " due_time, timer_id LIMIT :limit",
        now=to_microseconds(now),
        limit=limit,
    )


def fire(
    tx: Transaction, timer: Timer, handlers: Mapping[str, TimerHandler], now: datetime, rows: DueRows | None = None
) -> bool:
    """Runs the handler of a timer, or of one of the due `rows`, in the transaction that removes it.

    Returns False for a missing timer.
    """
    removed = _take(tx, timer) if rows is None else rows.take(tx, timer)
    if not removed:
        return False
    handlers[timer.kind](tx, timer, now)
    return True


def _take(tx: Transaction, timer: Timer) -> int:
    return tx.execute(
        "DELETE FROM timers WHERE timer_id = :timer_id AND due_time = :due", timer_id=timer.timer_id, due=timer.due_time
    )


class Scheduler:
    """Fires timers as they fall due. Every process may run one: a timer fires in one transaction only."""

    def __init__(
        self, store: Store, clock: Clock, handlers: Mapping[str, TimerHandler], rows: Sequence[DueRows] = ()
    ) -> None:
        self._store = store
        self._rows = rows
        self._clock = clock
        self._handlers = handlers
        self._changed = asyncio.Event()
        self._next_due = _NEVER
        self._awake_at: datetime | None = None
        self._read_at = 0.0  # when the table was read, in the loop's time
        self._resting: dict[str, float] = {}  # until when, in the loop's time, by timer
        store.subscribe(TimerSet, self._timer_set)
        store.subscribe(OutcomeLost, self._outcome_lost)

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            self._changed.clear()
            try:
                if not await self._sweep():
                    await self._sleep()
            except Refused as refused:
                _log.warning("no timer can be looked at now: %s", refused)
                await asyncio.sleep(FAILED_REST)

    def _timer_set(self, timer: TimerSet) -> None:
        self._next_due = min(self._next_due, timer.due_time)
        if self._awake_at is None or timer.due_time < self._awake_at:
            self._changed.set()

    def _outcome_lost(self, _: OutcomeLost) -> None:
        self._changed.set()

    async def _sweep(self) -> int:
        """Fires the due timers.

        A timer that just failed rests, so that it neither fills the log nor delays the others.
        """
        now, time = self._clock.now(), asyncio.get_running_loop().time()
        self._resting = {timer_id: until for timer_id, until in self._resting.items() if until > time}
        limit = SWEEP_LIMIT + len(self._resting)
        found = await self._store.read(lambda tx: self._due(tx, now, limit))
        due = [each for each in found if each[0].timer_id not in self._resting][:SWEEP_LIMIT]
        firing = [self._store.write(partial(self._fire, timer=timer, now=now, rows=rows)) for timer, rows in due]
        results = await asyncio.gather(*firing, return_exceptions=True)
        for (timer, _), result in zip(due, results, strict=True):
            if isinstance(result, BaseException):
                _log.error("timer %s of kind %s failed and stays due", timer.timer_id, timer.kind, exc_info=result)
                self._resting[timer.timer_id] = time + FAILED_REST
        return sum(1 for result in results if result is True)

    def _due(self, tx: Transaction, now: datetime, limit: int) -> list[tuple[Timer, DueRows | None]]:
        """The due timers and rows, oldest first."""
        found: list[tuple[Timer, DueRows | None]] = [(timer, None) for timer in due_timers(tx, now, limit)]
        for rows in self._rows:
            found += [(timer, rows) for timer in rows.due(tx, now, limit)]
        return sorted(found, key=lambda each: (each[0].due_time, each[0].timer_id))

    def _first(self, tx: Transaction) -> datetime:
        """When the first timer or row is due."""
        found = [tx.first(int, "SELECT due_time FROM timers ORDER BY due_time LIMIT 1")]
        found += [rows.first(tx) for rows in self._rows]
        return min((from_microseconds(each) for each in found if each is not None), default=_NEVER)

    def _fire(self, tx: Transaction, timer: Timer, now: datetime, rows: DueRows | None) -> bool:
        return fire(tx, timer, self._handlers, now, rows)

    async def _sleep(self) -> None:
        """Sleeps until a timer may be due, by this process's count.

        Other processes set timers unnoticed, and so does a write that was reported as failed and is committed.
        """
        self._next_due, self._read_at = _NEVER, asyncio.get_running_loop().time()
        self._next_due = min(await self._store.read(self._first), self._next_due)
        while await self._slept_on():
            pass

    async def _slept_on(self) -> bool:
        """Sleeps for a while; returns whether no timer can be due yet."""
        now = self._clock.now()
        left = (self._next_due - now).total_seconds()
        seconds = min(max(left, SHORTEST_SLEEP), until_look(LONGEST_SLEEP))
        self._awake_at = now + timedelta(seconds=seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        self._awake_at = None
        is_known = asyncio.get_running_loop().time() < self._read_at + READ_AGAIN and not self._store.is_shared
        return left > seconds and not self._changed.is_set() and is_known
