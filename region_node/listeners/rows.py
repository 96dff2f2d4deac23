"""The stored listeners."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.api.region.v1.listener_service_pb2 import Listener, ListenerResource, ListenerState
from gateway.store.port import Transaction, Value
from gateway.time.clock import from_microseconds, from_timestamp, to_microseconds, to_timestamp
from region_node.listeners.forms import STOPS_AFTER

ABOUT = "listeners"  # the subject of notifications to other processes
_COLUMNS = "operator, position, attempts, body"


@dataclass(frozen=True)
class ListenerChanged:
    """Published when changes may wait for a listener."""


@dataclass(frozen=True)
class ListenerRow:
    """A listener, its operator system, the last change that it has received, and its failed attempts since."""

    operator: str
    position: int
    attempts: int
    listener: Listener = field(repr=False)

    def told(self, position: int) -> "ListenerRow":
        """The row once its callback has taken the changes up to a position."""
        return ListenerRow(self.operator, position, 0, _working(self.listener))


@dataclass(frozen=True)
class _Due:
    name: str
    resource: ListenerResource.ValueType
    position: int
    due: datetime


Last = Callable[[Transaction, ListenerResource.ValueType], int]
"""The number of the last change of a resource."""


def find(tx: Transaction, name: str) -> ListenerRow | None:
    """The listener with an id."""
    return tx.first(_row, f"SELECT {_COLUMNS} FROM listeners WHERE listener_id = :name", name=name)  # noqa: S608


def listeners_of(
    tx: Transaction, operator: str, resource: ListenerResource.ValueType, after: str, limit: int
) -> Sequence[Listener]:
    """At most `limit` listeners of an operator system by their ids, after one of them; of any resource for 0."""
    found = tx.all(
        _row,
        f"SELECT {_COLUMNS} FROM listeners WHERE operator = :operator AND listener_id > :after"  # noqa: S608 - a constant
        " AND (resource = :resource OR :resource = 0) ORDER BY listener_id LIMIT :limit",
        operator=operator,
        resource=resource,
        after=after,
        limit=limit,
    )
    return [row.listener for row in found]


def insert(tx: Transaction, operator: str, listener: Listener, position: int, now: datetime) -> None:
    """Adds a listener, which receives the changes after a position."""
    tx.execute(
        "INSERT INTO listeners (listener_id, operator, resource, position, due_time, attempts, body)"
        " VALUES (:name, :operator, :resource, :position, :due, 0, :body)",
        name=listener.id,
        operator=operator,
        resource=listener.resource,
        position=position,
        due=to_microseconds(now),
        body=listener.SerializeToString(),
    )
    tx.publish(ListenerChanged(), about=ABOUT)


def remove(tx: Transaction, operator: str, name: str) -> bool:
    """Removes a listener of an operator system. Returns False where there is none."""
    sql = "DELETE FROM listeners WHERE listener_id = :name AND operator = :operator"
    return tx.execute(sql, name=name, operator=operator) > 0


def is_any(tx: Transaction) -> bool:
    """Whether there is a listener that receives changes."""
    return tx.first(int, "SELECT 1 FROM listeners WHERE due_time IS NOT NULL LIMIT 1") is not None


def next_due(tx: Transaction, last: Last, without: Collection[str]) -> datetime | None:
    """When the next listener is due for which changes wait, without these; None without one."""
    return min((each.due for each in _behind(tx, last, without)), default=None)


def claim(
    tx: Transaction, last: Last, without: Collection[str], now: datetime, limit: int, until: datetime
) -> Sequence[ListenerRow]:
    """Claims at most `limit` due listeners, the first first, without these.

    No other process claims them before `until`.
    """
    found = (each for each in _behind(tx, last, without) if each.due <= now)
    due = sorted(found, key=lambda each: each.due)[:limit]
    for each in due:
        _update(tx, each.name, due_time=to_microseconds(until))
    claimed = [find(tx, each.name) for each in due]
    return [each for each in claimed if each is not None]


def note_told(tx: Transaction, row: ListenerRow) -> None:
    """Stores the progress of a listener, made by `ListenerRow.told`."""
    body = row.listener.SerializeToString()
    _update(tx, row.listener.id, position=row.position, attempts=row.attempts, body=body)


def release(tx: Transaction, row: ListenerRow, position: int, due: datetime) -> None:
    """Ends a claim. The listener receives nothing more up to a position."""
    _update(tx, row.listener.id, position=position, due_time=to_microseconds(due))
    tx.publish(ListenerChanged(), about=ABOUT)


def note_failure(tx: Transaction, name: str, problem: str, now: datetime, due: datetime) -> bool:
    """Counts a failed attempt and sets the next one. Returns True for a listener that is stopped thereby."""
    row = find(tx, name)
    if row is None or row.listener.state != ListenerState.LISTENER_STATE_ACTIVE:  # removed meanwhile, or stopped
        return False
    listener = row.listener
    listener.problem = problem
    if not listener.HasField("failure_time"):
        listener.failure_time.CopyFrom(to_timestamp(now))
    is_over = now - from_timestamp(listener.failure_time) >= STOPS_AFTER
    if is_over:
        listener.state = ListenerState.LISTENER_STATE_STOPPED
    due_time = None if is_over else to_microseconds(due)
    _update(tx, name, attempts=row.attempts + 1, due_time=due_time, body=listener.SerializeToString())
    return is_over


def start_again(tx: Transaction, row: ListenerRow, now: datetime) -> Listener:
    """Has a listener go on after the last change that it has received."""
    listener = _working(row.listener)
    listener.state = ListenerState.LISTENER_STATE_ACTIVE
    _update(tx, listener.id, attempts=0, due_time=to_microseconds(now), body=listener.SerializeToString())
    tx.publish(ListenerChanged(), about=ABOUT)
    return listener


def _working(listener: Listener) -> Listener:
    """The listener without a failure."""
    told = Listener()
    told.CopyFrom(listener)
    told.ClearField("failure_time")
    told.ClearField("problem")
    return told


def _behind(tx: Transaction, last: Last, without: Collection[str]) -> Sequence[_Due]:
    """The listeners for which changes wait, without these."""
    sql = "SELECT listener_id, resource, position, due_time FROM listeners WHERE due_time IS NOT NULL"
    return [each for each in tx.all(_due, sql) if each.name not in without and each.position < last(tx, each.resource)]


def _update(tx: Transaction, name: str, **columns: Value) -> None:
    set_to = ", ".join(f"{column} = :{column}" for column in columns)
    tx.execute(f"UPDATE listeners SET {set_to} WHERE listener_id = :name", name=name, **columns)  # noqa: S608 - names of this module


def _row(operator: str, position: int, attempts: int, body: bytes) -> ListenerRow:
    return ListenerRow(operator, position, attempts, Listener.FromString(body))


def _due(name: str, resource: int, position: int, due_time: int) -> _Due:
    return _Due(name, ListenerResource.ValueType(resource), position, from_microseconds(due_time))
