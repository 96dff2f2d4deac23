"""The storage of a kind of records: a table of sealed messages by id, and a table of change events.

A kind adds its search columns, and the consequences of a write.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Generic, NamedTuple, TypeVar, cast

from google.protobuf.message import Message

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.pages import sequence_after
from gateway.store import vault
from gateway.store.batched_lookup import rows_among
from gateway.store.pending_rows import RowMissing
from gateway.store.port import Transaction, Value
from gateway.store.reading_ahead import Wanted, row_wanted
from gateway.store.tables import Table, prints_without
from region_node.records.listing import BY_TOKEN, Page, Placed, Position, Reading, Selection, Stored
from region_node.records.numbers import last_of, skip_after

M = TypeVar("M", bound=Message)
R = TypeVar("R")
E = TypeVar("E")
P = TypeVar("P", bound=Placed)


@prints_without("body")
class _AtRest(NamedTuple):
    """The columns that the rows of all kinds have."""

    traceparent: str
    body: bytes


@dataclass(frozen=True)
class Records(Generic[M, R]):
    """The records of one kind: `table` holds `message` sealed in its column `body`, also the place of the seal.

    Callers and other regions see the message. A fact that only this region needs is no field of it: the fact has a
    column of the row, or a table by the id of the record, and is sealed there if it is personal data.

    `key` is the column of the id, `dated` that of the date of creation. Records are stored with `traceparent`, `body`,
    and the columns `fixed` and `changing`; an update leaves the indexes of fixed columns alone.
    """

    table: str
    key: str
    dated: str
    fixed: tuple[str, ...]
    changing: tuple[str, ...]
    message: type[M]
    row: Callable[[M, str], R]
    """The row of a message and the trace of all its envelopes."""
    subject: Callable[[str], str]
    """The subject whose key seals the record with an id."""
    not_found: Callable[[str], Refused]

    def find(self, tx: Transaction, name: str) -> R | None:
        """The record with an id; None also for an unreadable one."""
        stored = tx.find(self._rows, name)
        message = self._message(tx, name, stored)
        return None if stored is None or message is None else self.row(message, stored.traceparent)

    def read(self, tx: Transaction, name: str) -> M | None:
        """The message of the record with an id; None also for an unreadable one."""
        return self._message(tx, name, tx.find(self._rows, name))

    def read_all(self, tx: Transaction, names: Sequence[str]) -> Mapping[str, M]:
        """The messages of the records with these ids, by id; without unknown and unreadable ones."""
        rows = rows_among(
            tx,
            lambda name, body: (name, body),
            f"SELECT {self.key}, body FROM {self.table} WHERE {self.key}",  # noqa: S608
            names,
        )
        found = zip(rows, self._messages(tx, rows), strict=True)
        return {name: message for (name, _), message in found if message is not None}

    def column(self, tx: Transaction, name: str, column: str) -> Value:
        """A column of the record with an id, also of an unreadable one; None where there is no record."""
        stored = tx.find(self._rows, name)
        return None if stored is None else getattr(stored, column)

    def is_known(self, tx: Transaction, name: str) -> bool:
        """Whether there is a record with an id, also an unreadable one."""
        return tx.find(self._rows, name) is not None

    def wanted(self, name: str) -> list[Wanted]:
        """The queries for the record with an id, to be announced."""
        return [row_wanted(self._rows, name), vault.key_wanted(self.subject(name))]

    def require(self, tx: Transaction, name: str) -> R:
        """The record with an id. Raises Refused with the reason `not_found`."""
        row = self.find(tx, name)
        if row is None:
            raise self.not_found(name)
        return row

    def insert(self, tx: Transaction, name: str, message: M, columns: Mapping[str, Value]) -> None:
        """Adds a record with its columns."""
        body = vault.seal(tx, self.subject(name), self.table, message.SerializeToString())
        tx.insert(self._rows, self._row({self.key: name, **columns, "body": body}))

    def insert_all(self, tx: Transaction, new: Sequence[tuple[str, M, Mapping[str, Value]]]) -> None:
        """Adds records with their columns."""
        sealed = vault.seal_many(tx, [self.sealing(name, each.SerializeToString()) for name, each, _ in new])
        for (name, _, columns), body in zip(new, sealed, strict=True):
            tx.insert(self._rows, self._row({self.key: name, **columns, "body": body}))

    def update(self, tx: Transaction, name: str, message: M, columns: Mapping[str, Value]) -> Mapping[str, Value]:
        """Stores a changed record, with its changed columns; returns all columns as they were.

        Raises ValueError for a column that does not change.
        """
        if not columns.keys() <= set(self.changing):
            raise ValueError(f"{self.table}: fixed columns among {', '.join(columns)}")
        stored = tx.find(self._rows, name)
        if stored is None:
            raise RowMissing(self.table)
        before = stored._asdict()
        body = vault.seal(tx, self.subject(name), self.table, message.SerializeToString())
        tx.update(self._rows, self._row({**before, **columns, "body": body}))
        return before

    def listed(self, shown: str, *, in_reverse: bool = False) -> Selection:
        """All records that satisfy an SQL condition, to be restricted further: newest first, or oldest in reverse."""
        return Selection(self.table, self.key, dated=self.dated, shown=shown, is_rising=in_reverse)

    def listed_by_due_time(self, due: str, shown: str, *, in_reverse: bool = False) -> Selection:
        """As `listed`, the nearest due time first. `due` is the SQL expression of it, which an index has."""
        return Selection(self.table, self.key, dated=due, shown=shown, is_rising=not in_reverse)

    def page(
        self,
        tx: Transaction,
        listed: Selection,
        before: tuple[int, str] | None,
        limit: int,
        position: Position = BY_TOKEN,
    ) -> Page[M]:
        """At most `limit` records of a selection, behind `before` in its order (date in microseconds, id)."""

        def opened(rows: Sequence[Stored]) -> Sequence[M | None]:
            return self._messages(tx, [(row.name, row.body) for row in rows])

        return listed.page(tx, Reading(Stored, ("traceparent", "body"), opened), before, limit, position)

    def plain_page(
        self,
        tx: Transaction,
        listed: Selection,
        shape: Callable[..., P],
        columns: Sequence[str],
        before: tuple[int, str] | None,
        limit: int,
    ) -> Page[P]:
        """As `page`, of columns that are not sealed: no record is opened. `shape` as in `Reading`."""
        return listed.page(tx, Reading(shape, columns, lambda rows: rows), before, limit)

    def within(self, tx: Transaction, start: int, end: int, where: str, **parameters: Value) -> list[M]:
        """The readable records dated from `start` up to and without `end`, by an SQL condition; in microseconds."""
        rows = tx.all(
            lambda name, body: (name, body),
            f"SELECT {self.key}, body FROM {self.table} WHERE {self.dated} >= :start AND {self.dated} < :end"  # noqa: S608
            f" AND ({where})",
            start=start,
            end=end,
            **parameters,
        )
        return [each for each in self._messages(tx, rows) if each is not None]

    def is_unreadable(self, tx: Transaction, name: str) -> bool:
        """Whether the key of the record with an id was destroyed, as for an erased customer."""
        return self.is_known(tx, name) and self.read(tx, name) is None

    def sealing(self, name: str, content: bytes) -> vault.Sealing:
        """The body of the record with an id, sealed or to be sealed."""
        return vault.Sealing(self.subject(name), self.table, content)

    @cached_property
    def _rows(self) -> Table[_AtRest]:
        columns = (*_AtRest._fields, *self.fixed, *self.changing)
        shape = cast("type[_AtRest]", namedtuple("RecordAtRest", columns))
        return Table(self.table, prints_without("body")(shape), (self.key,), ("traceparent", *self.fixed))

    def _row(self, columns: Mapping[str, Value]) -> _AtRest:
        shape: Callable[..., _AtRest] = self._rows.shape
        return shape(**columns)

    def _message(self, tx: Transaction, name: str, stored: _AtRest | None) -> M | None:
        if stored is None:
            return None
        body = vault.open_if_kept(tx, self.subject(name), self.table, stored.body)
        return None if body is None else self.message.FromString(body)

    def _messages(self, tx: Transaction, stored: Sequence[tuple[str, bytes]]) -> list[M | None]:
        bodies = vault.open_many(tx, [self.sealing(name, body) for name, body in stored])
        return [None if body is None else self.message.FromString(body) for body in bodies]


@dataclass(frozen=True)
class Event:
    """A change of a record, and its place among all changes of the kind."""

    sequence: int
    name: str


@dataclass(frozen=True)
class StateEvent(Event):
    """A change of a record that has states; `time` in microseconds.

    `former_state` is the state before the change, FIRST for the first event. None for an event of an older version.
    """

    state: int
    former_state: int | None
    time: int


FIRST = 0
"""The former state of a record's first event."""
GONE = -1
"""The state of the last event of a record that is gone."""
_LAST = "last"


@dataclass(frozen=True, eq=False)
class Events:
    """The changes of one kind in the order of commits: `key` is the column of the record's id."""

    table: str
    key: str

    def note(self, tx: Transaction, name: str, columns: Mapping[str, Value]) -> None:
        """Adds a change of the record with an id."""
        self.note_all(tx, [(name, columns)])

    def note_all(self, tx: Transaction, changes: Sequence[tuple[str, Mapping[str, Value]]]) -> None:
        """Adds changes, all with the same columns in the same order."""
        table, last = _events(self, tuple(changes[0][1])), self.last(tx)
        for sequence, (name, columns) in enumerate(changes, last + 1):
            tx.insert(table, table.shape._make((sequence, name, *columns.values())))
        tx.know(self.table, _LAST, last + len(changes))

    def forget(self, tx: Transaction, names: Sequence[str]) -> None:
        """Removes what happened to records. The last of all stays, because the next one is numbered after it."""
        tx.execute_many(
            f"DELETE FROM {self.table} WHERE {self.key} = :name"  # noqa: S608 - names of modules
            f" AND sequence < (SELECT MAX(sequence) FROM {self.table})",
            [{"name": each} for each in names],
        )

    def last(self, tx: Transaction) -> int:
        """The sequence number of the last event; 0 before the first."""
        return tx.once(
            self.table,
            _LAST,
            lambda: last_of(tx, self.table, "sequence"),
        )

    def skip(self, tx: Transaction, count: int) -> None:
        """Leaves out the next numbers: a reader may have seen them of a lost part of the database."""
        tx.know(self.table, _LAST, skip_after(tx, self.table, self.last(tx), count))

    def first(self, tx: Transaction) -> int:
        """The sequence number of the oldest event that is kept; 0 before the first."""
        return tx.first(int, f"SELECT COALESCE(MIN(sequence), 0) FROM {self.table}") or 0  # noqa: S608

    def resumed_after(self, tx: Transaction, key: str) -> int:
        """The sequence number in a token's key, after which a stream of events resumes.

        Raises Refused with TOKEN_INVALID for a token that no stream has sent. Raises Refused with TOKEN_EXPIRED where
        events after it are gone.
        """
        sequence = sequence_after(key, self.last(tx))
        if sequence + 1 < self.first(tx):
            raise Refused(Reason.REASON_TOKEN_EXPIRED)
        return sequence

    def after(self, tx: Transaction, sequence: int, name: str, limit: int) -> list[Event]:
        """At most `limit` events after a sequence number, in order: of one record, or of all for an empty id."""
        return self._after(tx, Event, "", sequence, name, limit)

    def states_after(self, tx: Transaction, sequence: int, name: str, limit: int) -> list[StateEvent]:
        """As `after`, of a kind whose events have these columns."""
        return self._after(tx, StateEvent, ", state, former_state, time", sequence, name, limit)

    def _after(
        self, tx: Transaction, shape: Callable[..., E], more: str, sequence: int, name: str, limit: int
    ) -> list[E]:
        only = f" AND {self.key} = :name" if name else ""
        return tx.all(
            shape,
            f"SELECT sequence, {self.key}{more} FROM {self.table} WHERE sequence > :after{only}"  # noqa: S608
            " ORDER BY sequence LIMIT :limit",
            after=sequence,
            limit=limit,
            **({"name": name} if name else {}),
        )


@cache
def _events(events: Events, columns: tuple[str, ...]) -> Table[NamedTuple]:
    """The table of a kind's events: the number, the id of the record, and the columns of the kind."""
    shape = cast("type[NamedTuple]", namedtuple("EventRow", ("sequence", events.key, *columns)))
    return Table(events.table, shape, key=("sequence",))
