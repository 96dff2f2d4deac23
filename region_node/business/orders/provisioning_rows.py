"""The work that the region's own system is carrying out, as stored: one row for each order or item of a joint order."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import IntEnum

from gateway.store import vault
from gateway.store.port import Transaction
from gateway.time.clock import to_microseconds
from gateway.values.plain_text import visible
from region_node.node.subjects import order_subject

# The time of a call and the commit of its answer. After that any process repeats the call.
LEASE = timedelta(seconds=15)
LONGEST_WAIT = 30.0  # seconds between two calls without an answer
_COLUMNS = "order_id, subject, phase, attempts, failures, due_time, sealed_results, sealed_problem"
_RESULTS, _PROBLEM = "fulfilment_tasks.results", "fulfilment_tasks.problem"
_PROBLEM_LIMIT = 256


class Phase(IntEnum):
    """The next call to the system. None is made of what is idle: other regions, or people, act first."""

    CHECK = 1
    PROVISION = 2
    TEST = 3
    UNDO = 4
    IDLE = 5


@dataclass(frozen=True)
class Task:
    """Work at the region's own system. `due_time` in microseconds; None while the region's staff have to decide.

    `order_id` is the id by which the system knows the work; `subject` names the key that seals its answers.
    """

    order_id: str
    subject: str
    phase: Phase
    attempts: int
    failures: int
    due_time: int | None
    results: Mapping[str, str] = field(repr=False)
    problem: str = field(repr=False)


@dataclass(frozen=True)
class _AtRest:
    order_id: str
    subject: str
    phase: int
    attempts: int
    failures: int
    due_time: int | None
    results: bytes | None
    problem: bytes | None


@dataclass(frozen=True)
class TaskDue:
    """Published when a call is due immediately."""


def add_task(tx: Transaction, order_id: str, now: datetime, subject: str = "") -> None:
    """Begins with the check. `subject` is that of the order unless it is given."""
    tx.execute(
        "INSERT INTO fulfilment_tasks"
        " (order_id, subject, phase, attempts, failures, asked_by, due_time, results, problem)"
        " VALUES (:order_id, :subject, :phase, 0, 0, -1, :due, '{}', '')",
        order_id=order_id,
        subject=subject,
        phase=Phase.CHECK,
        due=to_microseconds(now),
    )
    tx.publish(TaskDue())


def find_task(tx: Transaction, order_id: str) -> Task | None:
    """The task of an order; None without one, or after its end."""
    row = tx.first(_AtRest, f"SELECT {_COLUMNS} FROM fulfilment_tasks WHERE order_id = :id", id=order_id)  # noqa: S608
    return None if row is None else _opened(tx, row)


def remove_task(tx: Transaction, order_id: str) -> None:
    """Removes an order's task; an outstanding answer is ignored."""
    tx.execute("DELETE FROM fulfilment_tasks WHERE order_id = :id", id=order_id)


def due_tasks(tx: Transaction, now: datetime, limit: int) -> list[Task]:
    """The due calls, oldest first.

    A task due later than the longest wait was postponed before the clock was set back.
    """
    latest = now + max(LEASE, timedelta(seconds=LONGEST_WAIT))
    rows = tx.all(
        _AtRest,
        f"SELECT {_COLUMNS} FROM fulfilment_tasks WHERE due_time <= :now OR due_time > :latest"  # noqa: S608 - constants
        " ORDER BY due_time, order_id LIMIT :limit",
        now=to_microseconds(now),
        latest=to_microseconds(latest),
        limit=limit,
    )
    return [_opened(tx, row) for row in rows]


def next_due(tx: Transaction) -> int | None:
    """The time of the next call, in microseconds; None without one."""
    return tx.first(int, "SELECT due_time FROM fulfilment_tasks WHERE due_time IS NOT NULL ORDER BY due_time LIMIT 1")


def count_call(tx: Transaction, task: Task, number: int, now: datetime) -> Task:
    """Postpones the task while the process of that number calls, so that no other process does."""
    due = to_microseconds(now + LEASE)
    tx.execute(
        "UPDATE fulfilment_tasks SET attempts = attempts + 1, asked_by = :number, due_time = :due WHERE order_id = :id",
        id=task.order_id,
        number=number,
        due=due,
    )
    return replace(task, attempts=task.attempts + 1, due_time=due)


def put_off(tx: Transaction, task: Task, due: datetime, problem: str) -> None:
    """Postpones the call of a task without an answer."""
    tx.execute(
        "UPDATE fulfilment_tasks SET failures = failures + 1, due_time = :due, sealed_problem = :problem"
        " WHERE order_id = :id",
        id=task.order_id,
        due=to_microseconds(due),
        problem=_seal_told(tx, task.subject, _PROBLEM, _short(problem)),
    )


def give_to_staff(tx: Transaction, task: Task, problem: str) -> None:
    """Hands a rejected task to the region's staff: no call is made until they decide."""
    tx.execute(
        "UPDATE fulfilment_tasks SET failures = 0, due_time = NULL, sealed_problem = :problem WHERE order_id = :id",
        id=task.order_id,
        problem=_seal_told(tx, task.subject, _PROBLEM, _short(problem)),
    )


def enter_phase(tx: Transaction, task: Task, phase: Phase, now: datetime, results: Mapping[str, str]) -> Task:
    """Enters `phase`; outstanding answers to earlier calls are ignored."""
    due = to_microseconds(now)
    tx.execute(
        "UPDATE fulfilment_tasks SET phase = :phase, attempts = attempts + 1, failures = 0, due_time = :due,"
        " sealed_results = :results WHERE order_id = :id",
        id=task.order_id,
        phase=phase,
        due=due,
        results=_seal_told(tx, task.subject, _RESULTS, json.dumps(dict(results))),
    )
    tx.publish(TaskDue())
    return replace(task, phase=phase, attempts=task.attempts + 1, failures=0, due_time=due, results=results)


def rest(tx: Transaction, task: Task) -> None:
    """Makes no call until another phase is entered; outstanding answers are ignored."""
    tx.execute(
        "UPDATE fulfilment_tasks SET phase = :phase, attempts = attempts + 1, failures = 0, due_time = NULL"
        " WHERE order_id = :id",
        id=task.order_id,
        phase=Phase.IDLE,
    )


def ask_at_once(tx: Transaction, number: int, now: datetime) -> None:
    """Makes the former calls of a restarted process due immediately, without their leases."""
    tx.execute(
        "UPDATE fulfilment_tasks SET due_time = :now WHERE asked_by = :number AND due_time > :now",
        number=number,
        now=to_microseconds(now),
    )


@dataclass(frozen=True)
class _Clear:
    order_id: str
    results: str = field(repr=False)
    problem: str = field(repr=False)


def seal_clear_tasks(tx: Transaction, limit: int) -> int:
    """Seals at most so many tasks that a version without sealing has written; returns how many."""
    rows = tx.all(
        _Clear,
        "SELECT order_id, results, problem FROM fulfilment_tasks WHERE results <> '{}' OR problem <> ''"
        " ORDER BY order_id LIMIT :limit",
        limit=limit,
    )
    tx.execute_many(
        "UPDATE fulfilment_tasks SET sealed_results = :results, sealed_problem = :problem, results = '{}', problem = ''"
        " WHERE order_id = :id",
        [
            {
                "id": row.order_id,
                "results": _seal_told(tx, order_subject(row.order_id), _RESULTS, row.results),
                "problem": _seal_told(tx, order_subject(row.order_id), _PROBLEM, row.problem),
            }
            for row in rows
        ],
    )
    return len(rows)


def _seal_told(tx: Transaction, subject: str, place: str, told: str) -> bytes:
    """Seals a message of the region's own system for its row: it may be personal."""
    return vault.seal(tx, subject, place, told.encode())


def _opened(tx: Transaction, row: _AtRest) -> Task:
    subject = row.subject or order_subject(row.order_id)
    results = vault.open_if_kept(tx, subject, _RESULTS, row.results) if row.results is not None else None
    problem = vault.open_if_kept(tx, subject, _PROBLEM, row.problem) if row.problem is not None else None
    return Task(
        row.order_id,
        subject,
        Phase(row.phase),
        row.attempts,
        row.failures,
        row.due_time,
        json.loads(results) if results is not None else {},
        problem.decode() if problem is not None else "",
    )


def _short(problem: str) -> str:
    """The beginning of a foreign system's message, which may have any length and content."""
    return visible(problem)[:_PROBLEM_LIMIT]
