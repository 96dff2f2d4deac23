"""Timers whose handler failed: each waits for its own next attempt, and none keeps another one from firing."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from gateway.errors import Refused, is_temporary, reason_name
from gateway.store.port import Transaction
from gateway.store.tables import Table
from gateway.store.timers import DueRows, Timer, TimerHandler, fire, of_kinds, put_off, take
from gateway.time.clock import to_microseconds

SHORTEST_REST = 1.0  # seconds before the second attempt
LONGEST_REST = 600.0  # seconds between two attempts of a timer that keeps failing
ATTEMPTS_LIMIT = 10  # attempts in one sweep: so much of a commit may be undone by timers that have failed before


class HandlerRefused(Exception):
    """A handler refused. It has removed its timer before, so that the refusal itself would look like a defect."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(str(refused))
        self.refused = refused


class FailedTimer(NamedTuple):
    """A timer, or a due row where `is_row` is 1, that waits for another attempt. Instants are in microseconds."""

    timer_id: str
    kind: str
    subject: str
    is_row: int
    due_time: int
    """Of the attempt that failed first."""
    fail_time: int
    """Of the first failure."""
    attempts: int
    """That have failed."""
    retry_time: int

    @property
    def timer(self) -> Timer:
        """The timer as it waits."""
        return Timer(self.timer_id, self.kind, self.subject, self.retry_time)


_FAILED = Table("failed_timers", FailedTimer, key=("timer_id",))


def due_attempts(tx: Transaction, now: datetime, of: Collection[str], limit: int = ATTEMPTS_LIMIT) -> list[FailedTimer]:
    """The failed timers of some kinds whose next attempt is due, oldest first, at most `limit`."""
    listed = of_kinds(of)
    return tx.all(
        FailedTimer,
        "SELECT timer_id, kind, subject, is_row, due_time, fail_time, attempts, retry_time FROM failed_timers"  # noqa: S608
        f" WHERE retry_time <= :now{listed} ORDER BY retry_time, timer_id LIMIT :limit",
        now=to_microseconds(now),
        limit=limit,
    )


def waiting_again(tx: Transaction) -> dict[str, int]:
    """The number of failed timers that wait for another attempt, by kind."""
    return dict(tx.all(_pair, "SELECT kind, COUNT(*) FROM failed_timers GROUP BY kind"))


def attempt(
    tx: Transaction,
    failed: FailedTimer,
    handlers: Mapping[str, TimerHandler],
    now: datetime,
    rows: DueRows | None = None,
) -> bool:
    """Fires a failed timer. Returns False where it was cancelled, set again or fired by another process."""
    tx.remove(_FAILED, failed.timer_id)
    return fire(tx, failed.timer, handlers, now, rows)


def note_failure(
    tx: Transaction, timer: Timer, before: FailedTimer | None, rest: float, now: datetime, rows: DueRows | None = None
) -> FailedTimer | None:
    """Puts a timer off by `rest` seconds after a failure. None where it has changed meanwhile.

    `before` is the row by which it was attempted; None after its first attempt.
    """
    later = to_microseconds(now + timedelta(seconds=rest))
    if not put_off(tx, timer, later, rows):
        return None
    first = before or FailedTimer(
        timer.timer_id, timer.kind, timer.subject, int(rows is not None), timer.due_time, to_microseconds(now), 0, 0
    )
    failed = first._replace(attempts=first.attempts + 1, retry_time=later)
    tx.keep(_FAILED, failed)
    return failed


def end(tx: Transaction, failed: FailedTimer, rows: DueRows | None = None) -> bool:
    """Removes a failed timer without firing it. Returns False where it has changed meanwhile."""
    tx.remove(_FAILED, failed.timer_id)
    return bool(rows.take(tx, failed.timer) if rows is not None else take(tx, failed.timer))


def is_lasting(error: BaseException) -> bool:
    """Whether a failure is a defect: it will not end by waiting, as an absent store or a missing configuration does."""
    refused = _refusal(error)
    return refused is None or not is_temporary(refused.reason)


def problem_of(error: BaseException) -> str:
    """The problem of a failure in a word without personal data: a reason, or the name of an exception."""
    refused = _refusal(error)
    return type(error).__name__ if refused is None else reason_name(refused.reason)


def _pair(kind: str, count: int) -> tuple[str, int]:
    return kind, count


def _refusal(error: BaseException) -> Refused | None:
    found = error.refused if isinstance(error, HandlerRefused) else error
    return found if isinstance(found, Refused) else None
