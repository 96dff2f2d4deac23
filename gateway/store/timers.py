"""Durable timers: each fires once at a time of day, also after a time in which the process was down."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from gateway.store.port import Transaction
from gateway.store.tables import Table
from gateway.time.clock import from_microseconds, to_microseconds

SWEEP_LIMIT = 100  # timers in one transaction
_SETS_KEPT = 64  # sets of kinds whose condition is kept: those of a process hardly ever change


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
        """The due rows, oldest first, at most `limit`, without those that wait for another attempt."""
        return tx.all(
            self._timer,
            f"SELECT {self.key}, due_time FROM {self.table} WHERE due_time <= :now"  # noqa: S608 - names of modules
            f" AND NOT {_failed(f':kind || {self.key}', self.table)} ORDER BY due_time, {self.key} LIMIT :limit",
            kind=f"{self.kind}/",
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

    def set_again(self, tx: Transaction, subject: str, due: datetime) -> None:
        """Sets the instant of a row without one."""
        tx.execute(
            f"UPDATE {self.table} SET due_time = :due WHERE {self.key} = :subject AND due_time IS NULL",  # noqa: S608
            due=to_microseconds(due),
            subject=subject,
        )
        tx.publish(TimerSet(due))

    def put_off(self, tx: Transaction, timer: Timer, due_time: int) -> int:
        """Gives a row another instant, in microseconds. Returns 0 where the row has another one, or none."""
        return tx.execute(
            f"UPDATE {self.table} SET due_time = :later"  # noqa: S608 - names of modules
            f" WHERE {self.key} = :subject AND due_time = :due",
            later=due_time,
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


def subject_of(tx: Transaction, timer_id: str) -> str | None:
    """The subject of the timer with this id; None where it is not set."""
    found = tx.find(TIMERS, timer_id)
    return None if found is None else found.subject


def due_timers(
    tx: Transaction, now: datetime, limit: int = SWEEP_LIMIT, *, of: Collection[str] | None = None
) -> list[Timer]:
    """The due timers, oldest first, at most `limit`, without those that wait for another attempt.

    Only those `of` some kinds, unless that is None.
    """
    listed = of_kinds(of)
    return tx.all(
        Timer,
        f"SELECT timer_id, kind, subject, due_time FROM timers WHERE due_time <= :now{listed}"  # noqa: S608 - names
        f" AND NOT {_failed('timers.timer_id', 'timers')} ORDER BY due_time, timer_id LIMIT :limit",
        now=to_microseconds(now),
        limit=limit,
    )


def first_due(tx: Transaction, of: Collection[str]) -> int | None:
    """The instant of the first timer of some kinds, in microseconds; None without one."""
    listed = of_kinds(of)
    found = f"SELECT due_time FROM timers WHERE due_time IS NOT NULL{listed} ORDER BY due_time LIMIT 1"  # noqa: S608
    return tx.first(int, found)


def first_unknown(tx: Transaction, now: datetime, known: Collection[str]) -> str | None:
    """The kind of the first due timer that is of none of the known kinds; None without one."""
    unknown = of_kinds(known, "NOT IN")
    found = f"SELECT kind FROM timers WHERE due_time <= :now{unknown} ORDER BY due_time LIMIT 1"  # noqa: S608 - names
    return tx.first(str, found, now=to_microseconds(now))


def of_kinds(of: Collection[str] | None, operator: str = "IN") -> str:
    """A condition for timers of some kinds, or of none of them; an empty one for None.

    The kinds are constants of modules and stand in the statement: to bind dozens of them takes longer than the query.
    """
    return "" if of is None else _of_kinds(frozenset(of), operator)


@lru_cache(_SETS_KEPT)
def _of_kinds(of: frozenset[str], operator: str) -> str:
    literals = ["'" + each.replace("'", "''") + "'" for each in sorted(of)]
    return f" AND kind {operator} ({', '.join(literals) or 'NULL'})"


def fire(
    tx: Transaction, timer: Timer, handlers: Mapping[str, TimerHandler], now: datetime, rows: DueRows | None = None
) -> bool:
    """Runs the handler of a timer, or of one of the due `rows`, in the transaction that removes it.

    Returns False for a missing timer.
    """
    removed = take(tx, timer) if rows is None else rows.take(tx, timer)
    if not removed:
        return False
    handlers[timer.kind](tx, timer, now)
    return True


def take(tx: Transaction, timer: Timer) -> int:
    """Removes a timer. Returns 0 where it has another instant, or is gone."""
    return tx.execute(
        "DELETE FROM timers WHERE timer_id = :timer_id AND due_time = :due", timer_id=timer.timer_id, due=timer.due_time
    )


def put_off(tx: Transaction, timer: Timer, due_time: int, rows: DueRows | None = None) -> int:
    """Gives a timer, or one of the due `rows`, another instant, in microseconds. Returns 0 where it has another one."""
    if rows is not None:
        return rows.put_off(tx, timer, due_time)
    return tx.execute(
        "UPDATE timers SET due_time = :later WHERE timer_id = :timer_id AND due_time = :due",
        later=due_time,
        timer_id=timer.timer_id,
        due=timer.due_time,
    )


def _failed(timer_id: str, table: str) -> str:
    """The condition that a due row waits for another attempt: `gateway.store.failed_timers`."""
    return (
        f"EXISTS (SELECT 1 FROM failed_timers WHERE failed_timers.timer_id = {timer_id}"  # noqa: S608 - names of modules
        f" AND failed_timers.retry_time = {table}.due_time)"
    )
