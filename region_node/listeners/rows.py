"""The stored listeners."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice

from gateway.api.region.v1.listener_service_pb2 import Listener, ListenerResource, ListenerState
from gateway.store.port import Transaction, Value
from gateway.time.clock import from_microseconds, from_timestamp, to_microseconds, to_timestamp
from region_node.listeners.forms import REMOVED_AFTER, STOPS_AFTER
from region_node.records.listened import ABOUT, ListenerChanged
from region_node.records.listing import Direction

SHARE = 4  # listeners of one operator system that a process tells at once: its slow callbacks hold nobody else up
_COLUMNS = "operator, position, attempts, COALESCE(due_time, 0) AS due, body, certificates"


@dataclass(frozen=True)
class ListenerRow:
    """A listener, its operator system, the last change that it has received, and its failed attempts since.

    `due` is the time of its next turn, in microseconds, or the end of a claim for its claimant; 0 once it is stopped.
    """

    operator: str
    position: int
    attempts: int
    due: int
    listener: Listener = field(repr=False)
    certificates: bytes = field(default=b"", repr=False)
    """Of the caller that registered it, with those of its issuers, PEM; empty without any."""

    def told(self, position: int) -> "ListenerRow":
        """The row once its callback has taken the changes up to a position."""
        return replace(self, position=position, attempts=0, listener=_working(self.listener))


@dataclass(frozen=True)
class _Due:
    name: str
    operator: str
    resource: ListenerResource.ValueType
    position: int
    due: datetime


Last = Callable[[Transaction, ListenerResource.ValueType], int]
"""The number of the last change of a resource."""
Told = Mapping[str, str]
"""The listeners whose turns run in a process, by id, each with its operator system."""


def find(tx: Transaction, name: str) -> ListenerRow | None:
    """The listener with an id."""
    return tx.first(_row, f"SELECT {_COLUMNS} FROM listeners WHERE listener_id = :name", name=name)  # noqa: S608


def listeners_of(
    tx: Transaction,
    operator: str,
    resource: ListenerResource.ValueType,
    after: str,
    limit: int,
    *,
    in_reverse: bool = False,
) -> Sequence[Listener]:
    """At most `limit` listeners of an operator system by their ids, after one of them; of any resource for 0."""
    direction = Direction.of(is_rising=not in_reverse)
    found = tx.all(
        _row,
        f"SELECT {_COLUMNS} FROM listeners WHERE operator = :operator"  # noqa: S608 - constants
        f" AND (:after = '' OR listener_id {direction.later} :after)"
        f" AND (resource = :resource OR :resource = 0) ORDER BY listener_id {direction.word} LIMIT :limit",
        operator=operator,
        resource=resource,
        after=after,
        limit=limit,
    )
    return [row.listener for row in found]


def insert(
    tx: Transaction, operator: str, listener: Listener, position: int, now: datetime, certificates: bytes
) -> None:
    """Adds a listener, which receives the changes after a position, registered by these certificates."""
    tx.execute(
        "INSERT INTO listeners (listener_id, operator, resource, position, due_time, attempts, body, certificates)"
        " VALUES (:name, :operator, :resource, :position, :due, 0, :body, :certificates)",
        name=listener.id,
        operator=operator,
        resource=listener.resource,
        position=position,
        due=to_microseconds(now),
        body=listener.SerializeToString(),
        certificates=certificates,
    )
    tx.publish(ListenerChanged(), about=ABOUT)


def remove(tx: Transaction, operator: str, name: str) -> bool:
    """Removes a listener of an operator system. Returns False where there is none."""
    sql = "DELETE FROM listeners WHERE listener_id = :name AND operator = :operator"
    return tx.execute(sql, name=name, operator=operator) > 0


def is_any(tx: Transaction) -> bool:
    """Whether there is a listener that receives changes."""
    return tx.first(int, "SELECT 1 FROM listeners WHERE due_time IS NOT NULL LIMIT 1") is not None


def next_due(tx: Transaction, last: Last, told: Told) -> datetime | None:
    """When the next listener is due for which changes wait, or is to be removed; None without one.

    Those of a turn that runs are not due, nor are all of an operator system whose share is in use.
    """
    due = (each.due for each in _within_shares(_behind(tx, last, told), told))
    stopped = "SELECT COALESCE(stop_time, 0) AS stopped FROM listeners WHERE due_time IS NULL ORDER BY stopped LIMIT 1"
    removals = (from_microseconds(each) + REMOVED_AFTER for each in tx.all(int, stopped))
    return min((*islice(due, 1), *removals), default=None)


def claim(tx: Transaction, last: Last, told: Told, now: datetime, limit: int, until: datetime) -> Sequence[ListenerRow]:
    """Claims at most `limit` due listeners, the first first, of each operator system no more than its share.

    No other process claims them before `until`.
    """
    found = (each for each in _behind(tx, last, told) if each.due <= now)
    due = islice(_within_shares(found, told), limit)
    claimed = [row for row in (find(tx, each.name) for each in due) if row is not None]
    for row in claimed:
        _update(tx, row, due_time=to_microseconds(until))
    return [replace(row, due=to_microseconds(until)) for row in claimed]


def remove_unused(tx: Transaction, now: datetime) -> Sequence[ListenerRow]:
    """Removes and returns the listeners that were stopped long ago: changes are noted as long as they stay.

    Of one that a version before has stopped the time counts from here on, and of one that it has started none is left.
    """
    tx.execute("UPDATE listeners SET stop_time = NULL WHERE due_time IS NOT NULL AND stop_time IS NOT NULL")
    noted = "UPDATE listeners SET stop_time = :now WHERE due_time IS NULL AND stop_time IS NULL"
    tx.execute(noted, now=to_microseconds(now))
    stopped = f"SELECT {_COLUMNS} FROM listeners WHERE due_time IS NULL AND stop_time <= :end"  # noqa: S608 - a constant
    unused = tx.all(_row, stopped, end=to_microseconds(now - REMOVED_AFTER))
    for row in unused:
        remove(tx, row.operator, row.listener.id)
    return unused


def note_told(tx: Transaction, row: ListenerRow) -> bool:
    """Stores the progress of a claimed listener, made by `ListenerRow.told`. Returns False once the claim is over."""
    return _update(tx, row, **_progress(row))


def release(tx: Transaction, row: ListenerRow, due: datetime) -> None:
    """Stores the progress of a claimed listener and ends the claim, unless it is over."""
    _update(tx, row, **_progress(row), due_time=to_microseconds(due))
    tx.publish(ListenerChanged(), about=ABOUT)


def note_failure(tx: Transaction, claimed: ListenerRow, problem: str, now: datetime, due: datetime | None) -> bool:
    """Counts a failed attempt and sets the next one, unless the claim is over. There is no next one without `due`.

    Returns True for a listener that is stopped thereby.
    """
    row = find(tx, claimed.listener.id)
    if row is None or row.due != claimed.due:
        return False
    listener = row.listener
    listener.problem = problem
    if not listener.HasField("failure_time"):
        listener.failure_time.CopyFrom(to_timestamp(now))
    if now - from_timestamp(listener.failure_time) >= STOPS_AFTER:
        due = None
    if due is None:
        listener.state = ListenerState.LISTENER_STATE_STOPPED
    due_time, stop_time = (None, to_microseconds(now)) if due is None else (to_microseconds(due), None)
    body = listener.SerializeToString()
    _update(tx, row, attempts=row.attempts + 1, due_time=due_time, stop_time=stop_time, body=body)
    return due is None


def start_again(tx: Transaction, row: ListenerRow, now: datetime, certificates: bytes) -> Listener:
    """Has a listener go on after the last change that it has received, registered by these certificates."""
    listener = _working(row.listener)
    listener.state = ListenerState.LISTENER_STATE_ACTIVE
    body = listener.SerializeToString()
    due = to_microseconds(now)
    _update(tx, row, attempts=0, due_time=due, stop_time=None, body=body, certificates=certificates)
    tx.publish(ListenerChanged(), about=ABOUT)
    return listener


def registered_by(tx: Transaction, row: ListenerRow, certificates: bytes) -> None:
    """Notes the certificates of a repeated registration: the former ones may be replaced, and revoked."""
    if certificates != row.certificates:
        sql = "UPDATE listeners SET certificates = :certificates WHERE listener_id = :name"
        tx.execute(sql, certificates=certificates, name=row.listener.id)


def _working(listener: Listener) -> Listener:
    """The listener without a failure."""
    told = Listener()
    told.CopyFrom(listener)
    told.ClearField("failure_time")
    told.ClearField("problem")
    return told


def _within_shares(found: Iterable[_Due], told: Told) -> Iterator[_Due]:
    """The listeners of each operator system that its share has room for, by the times at which they are due."""
    taken = Counter(told.values())
    for each in sorted(found, key=lambda each: each.due):
        if taken[each.operator] < SHARE:
            taken[each.operator] += 1
            yield each


def _behind(tx: Transaction, last: Last, told: Told) -> Sequence[_Due]:
    """The listeners for which changes wait, without those that are told at present."""
    sql = "SELECT listener_id, operator, resource, position, due_time FROM listeners WHERE due_time IS NOT NULL"
    found = [each for each in tx.all(_due, sql) if each.name not in told]
    lasts = {resource: last(tx, resource) for resource in {each.resource for each in found}}
    return [each for each in found if each.position < lasts[each.resource]]


def _progress(row: ListenerRow) -> Mapping[str, Value]:
    return {"position": row.position, "attempts": row.attempts, "body": row.listener.SerializeToString()}


def _update(tx: Transaction, row: ListenerRow, **columns: Value) -> bool:
    """Changes a listener. Returns False where it is no longer due as in the row: removed, or claimed anew."""
    set_to = ", ".join(f"{column} = :{column}" for column in columns)
    sql = f"UPDATE listeners SET {set_to} WHERE listener_id = :name AND COALESCE(due_time, 0) = :held"  # noqa: S608 - names of this module
    return tx.execute(sql, name=row.listener.id, held=row.due, **columns) > 0


def _row(operator: str, position: int, attempts: int, due: int, body: bytes, certificates: bytes | None) -> ListenerRow:
    return ListenerRow(operator, position, attempts, due, Listener.FromString(body), certificates or b"")


def _due(name: str, operator: str, resource: int, position: int, due_time: int) -> _Due:
    return _Due(name, operator, ListenerResource.ValueType(resource), position, from_microseconds(due_time))
