"""Many operations, one commit.

A refusal comes before the first write of its operation and leaves the batch alone. Any other exception, and an
interruption, rolls the batch back. Each operation then runs again by itself, so that one defect cannot fail the others.
Rows that operations put are written at the end; an error of a row counts as an error of its operation in the same way.
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.errors import Interrupted, Refused
from gateway.store.port import Database, Operation, RunningTransaction, WriteAfterRefusal, store_unavailable
from gateway.store.unit_of_work import UnitOfWork

_log = logging.getLogger(__name__)


@dataclass
class Outcome:
    """The outcome of an operation: its result, or its exception."""

    result: object = None
    error: Exception | None = None
    events: list[object] = field(default_factory=list)


def start_batch(database: Database, operations: Sequence[Operation[object]]) -> list[Outcome] | None:
    """Runs operations in one transaction, for `finish_batch`; nothing is durable before.

    None where they cannot share one: everything is rolled back.
    """
    try:
        database.begin()
    except database.failures:
        database.rollback()
        return None
    return run_together(database, operations)


def run_together(database: Database, operations: Sequence[Operation[object]]) -> list[Outcome] | None:
    """As `start_batch`, in a transaction that the caller has begun. All put rows are written."""
    unit, outcomes = UnitOfWork(), list[Outcome]()
    try:
        for operation in operations:
            outcomes.append(_run(database, operation, unit))
            if _is_undone(outcomes[-1]):
                break
        else:
            written = _run(database, lambda tx: tx.flush(), unit)
            if written.error is None:
                return outcomes
            if not isinstance(written.error, Interrupted):  # else whoever lacks something has told it
                _log.warning("%d operations cannot share a commit and run alone: %s", len(operations), written.error)
    except database.failures:
        pass
    database.rollback()
    return None


def finish_batch(
    database: Database,
    operations: Sequence[Operation[object]],
    started: list[Outcome] | None,
    *,
    seconds: float = math.inf,
) -> list[Outcome]:
    """Commits operations that have `started` in one transaction. If they cannot share it, `run_alone` runs them."""
    if started is not None:
        try:
            database.commit()
        except database.errors as failure:
            _log.warning("the store could not commit: %s", failure)
            database.rollback()
        except Refused as unknown:
            return [Outcome(error=unknown) for _ in operations]
        else:
            return started
    return run_alone(database, operations, seconds=seconds)


def run_alone(
    database: Database, operations: Sequence[Operation[object]], *, seconds: float = math.inf
) -> list[Outcome]:
    """Runs each operation in its own commit. Refuses operations that have not begun within `seconds`."""
    end = time.monotonic() + seconds
    return [
        _run_alone(database, operation) if time.monotonic() < end else Outcome(error=store_unavailable())
        for operation in operations
    ]


def _run_alone(database: Database, operation: Operation[object]) -> Outcome:
    try:
        database.begin()
        outcome = _run(database, operation, None)
        if _is_undone(outcome):
            database.rollback()
        else:
            database.commit()
    except database.errors as failure:
        _log.warning("the store could not commit: %s", failure)
        database.rollback()
        return Outcome(error=store_unavailable())
    except Refused as unknown:
        return Outcome(error=unknown)
    return outcome


def _run(database: Database, operation: Callable[[RunningTransaction], object], unit: UnitOfWork | None) -> Outcome:
    """Runs an operation of a unit of work; without one, its rows are written at once, so that errors are its own."""
    transaction = database.transaction(unit)
    try:
        result = operation(transaction)
        if unit is None:
            transaction.flush()
    except Refused as refused:
        if transaction.has_written() and not isinstance(refused, Interrupted):
            return Outcome(error=WriteAfterRefusal(str(refused)))
        return Outcome(error=refused)
    except database.failures:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to this operation's caller alone
        return Outcome(error=error)
    return Outcome(result=result, events=transaction.events)


def _is_undone(outcome: Outcome) -> bool:
    """Whether the writes of the operation are to be undone."""
    return isinstance(outcome.error, Interrupted) or (
        outcome.error is not None and not isinstance(outcome.error, Refused)
    )
