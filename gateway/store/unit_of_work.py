"""The unit of work of one commit: rows are put by operations, and the commit writes each table once.

Every statement of SQL sees the rows that were put before it: tables that it names are written first.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Generic, Protocol, TypeVar, cast

from gateway.errors import Refused
from gateway.security.region_keys import RegionKeys, SubjectKey
from gateway.store.tables import Key, Table, Tally, Value, query_of

_STATEMENTS = 2048  # whose words are kept: more than all named statements of a process
_WORD = re.compile(r"\w+")

T = TypeVar("T")
R = TypeVar("R")
C = TypeVar("C", bound="Companion")
WriteRows = Callable[[str, Sequence[Key], int], None]
"""Runs a statement for rows, and raises RowMissing where fewer rows than the number change."""


class RowPutTwice(Exception):
    """A defect: an operation inserted a second row of a key."""


class RowMissing(Exception):
    """A defect: an operation updated a row that does not exist."""


class RowsNotWritten(Exception):
    """Rows that were put could not be written: the commit is undone, and each of its operations runs again alone."""


class Companion(Protocol):
    """An object that the operations of one commit share."""

    def finish(self) -> None:
        """Completes the object, before rows of `insert_late` are made and before the commit."""
        ...


class Cursor(Protocol):
    """The result of a statement."""

    @property
    def rowcount(self) -> int:
        """The number of rows that the statement changed."""
        ...

    def fetchone(self) -> Sequence[object] | None:
        """The next row, or None."""
        ...

    def fetchall(self) -> Sequence[Sequence[object]]:
        """All further rows."""
        ...


@lru_cache(maxsize=_STATEMENTS)
def words_of(statement: str) -> frozenset[str]:
    """The words of a statement in lower case, the names of its tables among them."""
    return frozenset(_WORD.findall(statement.lower()))


def is_query(statement: str) -> bool:
    """Whether a statement only reads."""
    return statement.lstrip()[:6].upper() == "SELECT"


class _Rows(Generic[R]):
    """The pending rows of a table. A key is in at most one of the groups of removed, changed, kept and new rows."""

    def __init__(self, table: Table[R]) -> None:
        self.table = table
        self.removed: dict[Key, None] = {}
        self.updated: dict[Key, R] = {}
        self.kept: dict[Key, R] = {}
        """Rows that are new or changed."""
        self.inserted: dict[Key, R] = {}
        self.late: dict[Key, Callable[[R], R]] = {}
        """The functions that complete inserted rows."""
        self._indexes: dict[tuple[str, ...], dict[Key, dict[Key, None]]] = {}
        """By the names of columns: the keys of pending rows that have, or had, these values."""

    def insert(self, key: Key, row: R) -> None:
        """Adds a new row."""
        self.inserted[key] = row
        if self._indexes:
            self._index(key, row, self._indexes)

    def holds(self, key: Key) -> bool:
        """Whether a row of a key is pending."""
        return key in self.inserted or key in self.updated or key in self.kept

    def changes(self, key: Key) -> bool:
        """Whether the stored row of a key is not as it will be."""
        return key in self.updated or key in self.removed or key in self.kept

    def find(self, key: Key) -> R | None:
        """The pending row of a key."""
        row = self.inserted.get(key)
        if row is None:
            row = self.updated.get(key)
        return self.kept.get(key) if row is None else row

    def update(self, key: Key, row: R) -> None:
        """Raises RowMissing for a removed row."""
        if key in self.removed:
            raise RowMissing(self.table.name)
        self.put(key, row, self.updated)

    def put(self, key: Key, row: R, otherwise: dict[Key, R]) -> None:
        """Adds a row to the group in which its key is, or to another one."""
        group = next((group for group in (self.inserted, self.updated, self.kept) if key in group), otherwise)
        group[key] = row
        if self._indexes:
            self._index(key, row, self._indexes)

    def matching(self, columns: Mapping[str, Value]) -> dict[Key, R]:
        """The pending rows with these values, by their keys."""
        names, wanted = tuple(columns), tuple(columns.values())
        if names not in self._indexes:
            self._indexes[names] = {}
            for key, row in (*self.inserted.items(), *self.updated.items(), *self.kept.items()):
                self._index(key, row, [names])
        found = {key: self.find(key) for key in self._indexes[names].get(wanted, ())}
        return {key: row for key, row in found.items() if row is not None and _values(row, names) == wanted}

    def _index(self, key: Key, row: R, indexes: Iterable[tuple[str, ...]]) -> None:
        for names in indexes:
            self._indexes[names].setdefault(_values(row, names), {})[key] = None

    def write(self, write: WriteRows) -> None:
        """Writes removals first and new rows last, so that unique values of changed rows are free for new ones."""
        table = self.table
        if self.removed:
            write(table.remove, list(self.removed), 0)
        if self.updated:
            write(table.update, [table.updated(row) for row in self.updated.values()], len(self.updated))
        if self.kept:
            write(table.keep, [table.inserted(row) for row in self.kept.values()], 0)
        for key, complete in self.late.items():
            self.inserted[key] = complete(self.inserted[key])
        if self.inserted:
            write(table.insert, [table.inserted(row) for row in self.inserted.values()], 0)


def _values(row: object, names: Sequence[str]) -> Key:
    return tuple([getattr(row, name) for name in names])


class _Sums:
    """The pending amounts of a tally."""

    late = ()

    def __init__(self, tally: Tally) -> None:
        self.table = tally
        self._sums: dict[Key, dict[str, int]] = {}

    def add(self, key: Key, amounts: Mapping[str, int]) -> None:
        sums = self._sums.get(key)
        if sums is None:
            sums = self._sums[key] = dict.fromkeys(self.table.added, 0)
        for name, amount in amounts.items():
            sums[name] += amount

    def write(self, write: WriteRows) -> None:
        write(self.table.add, [(*key, *sums.values()) for key, sums in self._sums.items()], 0)


class UnitOfWork:
    """The pending rows of one commit, and the values that its operations share. It ends with its transaction."""

    def __init__(self) -> None:
        self.subject_keys: dict[str, SubjectKey | None] = {}
        """See the port."""
        self.names: set[str] = set()
        """The tables with pending rows or known values."""
        self.pending: dict[str, _Rows[object] | _Sums] = {}
        """By the name of the table, in the order of first use."""
        self.known: dict[str, dict[Hashable, object]] = {}
        """By the name of the table from which the value was read."""
        self.companions: dict[type[Companion], Companion] = {}
        self.is_broken = False
        """Whether pending rows could not be written."""

    def write(self, names: Collection[str], write: WriteRows) -> None:
        """Writes the pending rows of tables."""
        for name in [name for name in self.pending if name in names]:
            rows = self.pending[name]
            if rows.late:
                self.finish()
            rows.write(write)
            del self.pending[name]
            if name not in self.known:
                self.names.remove(name)

    def forget(self, names: Collection[str]) -> None:
        """Forgets the known values of tables without pending rows."""
        for name in names:
            if self.known.pop(name, None) is not None:
                self.names.remove(name)

    def finish(self) -> None:
        """Finishes the companions; their next use makes new ones."""
        for companion in self.companions.values():
            companion.finish()
        self.companions.clear()

    def drop(self) -> None:
        """Drops the pending rows of a transaction without a commit of its own."""
        self.pending.clear()
        self.names.clear()
        self.is_broken = False


class UnitTransaction(ABC):
    """An operation's view of the open transaction: the part that is common to both engines.

    With a unit of work, the operation shares its commit with others. Without a unit, each row is written when it is
    put, and `once` always reads.
    """

    def __init__(self, keys: RegionKeys | None, unit: UnitOfWork | None) -> None:
        self.keys = keys
        self.events: list[object] = []
        self._writes_through = unit is None
        self._unit = UnitOfWork() if unit is None else unit
        self.subject_keys = self._unit.subject_keys
        self._has_written = False

    @abstractmethod
    def _run(self, sql: str, parameters: Mapping[str, Value]) -> Cursor:
        """Runs a statement with `:name` parameters."""

    @abstractmethod
    def _run_many(self, sql: str, rows: Sequence[Mapping[str, Value]]) -> int:
        """Runs a statement with `:name` parameters for each row; returns how many rows all changed."""

    @abstractmethod
    def _write_rows(self, sql: str, rows: Sequence[Key], least: int) -> None:
        """As `_run_many` with `?` parameters. The changes are not those of this operation alone.

        Raises RowMissing where fewer than `least` rows change, at the end of `_together` at the latest.
        """

    def _together(self) -> AbstractContextManager[object]:
        """The context of all `_write_rows` of a moment."""
        return nullcontext()

    def execute(self, sql: str, **parameters: Value) -> int:
        """See the port."""
        self._show_rows_to(sql)
        return self._run(sql, parameters).rowcount

    def execute_many(self, sql: str, rows: Sequence[Mapping[str, Value]]) -> int:
        """See the port."""
        if not rows:
            return 0
        self._show_rows_to(sql)
        return self._run_many(sql, rows)

    def all(self, shape: Callable[..., T], sql: str, **parameters: Value) -> list[T]:
        """See the port."""
        self._show_rows_to(sql)
        return [shape(*row) for row in self._run(sql, parameters).fetchall()]

    def first(self, shape: Callable[..., T], sql: str, **parameters: Value) -> T | None:
        """See the port."""
        self._show_rows_to(sql)
        row = self._run(sql, parameters).fetchone()
        return None if row is None else shape(*row)

    def find(self, table: Table[R], *key: Value) -> R | None:
        """See the port."""
        rows = self._pending(table)
        if rows is not None:
            if key in rows.removed:
                return None
            if key in rows.late:
                self._write([table.name])
            elif (row := rows.find(key)) is not None:
                return row
        known, place = self._unit.known.get(table.name), (table, key)
        if known is not None and place in known:
            return cast("R | None", known[place])
        row = self._read(table, key)
        self.know(table.name, place, row)
        return row

    def find_all(self, table: Table[R], **columns: Value) -> list[R]:
        """See the port."""
        rows, put = self._pending(table), dict[Key, R]()
        if rows is not None:
            put = rows.matching(columns)
            if not rows.late.keys().isdisjoint(put):
                self._write([table.name])
                rows, put = None, {}
        shape: Callable[..., R] = table.shape
        query = query_of(table, tuple((name, value is None) for name, value in columns.items()))
        found = [shape(*row) for row in self._run(query, columns).fetchall()]
        if rows is not None:
            found = [row for row in found if not rows.changes(table.key_of(row))]
        for row in found:
            self.know(table.name, (table, table.key_of(row)), row)
        return [*found, *put.values()]

    def insert(self, table: Table[R], row: R) -> None:
        """See the port."""
        self._put_new(table, row)
        self._was_put()

    def insert_late(self, table: Table[R], row: R, complete: Callable[[R], R]) -> None:
        """See the port."""
        rows, key = self._put_new(table, row)
        rows.late[key] = complete
        self._was_put()

    def update(self, table: Table[R], row: R) -> None:
        """See the port."""
        key, rows = table.key_of(row), self._rows(table)
        if key in rows.late or key in rows.updated:  # a second change is one of its own, also for triggers
            rows = self._rows_written(table)
        rows.update(key, row)
        self._was_put()

    def keep(self, table: Table[R], row: R) -> None:
        """See the port."""
        key, rows = table.key_of(row), self._rows(table)
        if key in rows.late or key in rows.removed:
            rows = self._rows_written(table)
        rows.put(key, row, rows.kept)
        self._was_put()

    def remove(self, table: Table[R], *key: Value) -> None:
        """See the port."""
        rows = self._rows(table)
        rows.kept.pop(key, None)
        if rows.holds(key):
            rows = self._rows_written(table)
        rows.removed[key] = None
        self._was_put()

    def add(self, tally: Tally, *key: Value, **amounts: int) -> None:
        """See the port."""
        sums = self._unit.pending.get(tally.name)
        if not isinstance(sums, _Sums) or sums.table is not tally:
            self._write([tally.name])
            self._unit.pending[tally.name] = sums = _Sums(tally)
            self._unit.names.add(tally.name)
        self._unit.known.pop(tally.name, None)
        sums.add(key, amounts)
        self._was_put()

    def once(self, table: str, what: Hashable, read: Callable[[], T]) -> T:
        """See the port."""
        known = self._unit.known.get(table)
        if known is not None and what in known:
            return cast("T", known[what])
        value = read()
        self.know(table, what, value)
        return value

    def know(self, table: str, what: Hashable, value: object) -> None:
        """See the port."""
        if not self._writes_through:
            self._unit.known.setdefault(table, {})[what] = value
            self._unit.names.add(table)

    def companion(self, kind: type[C], make: Callable[[], C]) -> C:
        """See the port."""
        companions = self._unit.companions
        if kind not in companions:
            companions[kind] = make()
        return cast("C", companions[kind])

    def has_written(self) -> bool:
        """See the port."""
        return self._has_written

    def flush(self) -> None:
        """See the port."""
        self._unit.finish()
        self._write(self._unit.pending)

    def _show_rows_to(self, sql: str) -> None:
        """Writes the pending rows of the tables that a statement names, and forgets values that it may change."""
        names = self._unit.names
        if names and not (words := words_of(sql)).isdisjoint(names):
            named = words & names
            self._write(named)
            if not is_query(sql):
                self._unit.forget(named)

    def _read(self, table: Table[R], key: Key) -> R | None:
        found = self._run(table.query, dict(zip(table.key, key, strict=True))).fetchone()
        shape: Callable[..., R] = table.shape
        return None if found is None else shape(*found)

    def _pending(self, table: Table[R]) -> _Rows[R] | None:
        rows = self._unit.pending.get(table.name)
        if rows is not None and rows.table is not table:
            self._write([table.name])
            return None
        return cast("_Rows[R] | None", rows)

    def _rows(self, table: Table[R]) -> _Rows[R]:
        """The pending rows of a table that is about to change."""
        unit = self._unit
        rows = self._pending(table)
        if rows is None:
            rows = _Rows(table)
            unit.pending[table.name] = cast("_Rows[object]", rows)
            unit.names.add(table.name)
        unit.known.pop(table.name, None)
        return rows

    def _rows_written(self, table: Table[R]) -> _Rows[R]:
        """As `_rows`, after the pending rows were written."""
        self._write([table.name])
        return self._rows(table)

    def _put_new(self, table: Table[R], row: R) -> tuple[_Rows[R], Key]:
        key, rows = table.key_of(row), self._rows(table)
        if rows.holds(key):
            raise RowPutTwice(table.name)
        if key in rows.removed:
            rows = self._rows_written(table)
        rows.insert(key, row)
        return rows, key

    def _write(self, names: Collection[str]) -> None:
        if self._unit.is_broken:
            raise RowsNotWritten
        if self._unit.pending.keys().isdisjoint(names):
            return
        self._unit.is_broken = True
        try:
            with self._together():
                self._unit.write(names, self._write_rows)
            self._unit.is_broken = False
        except Refused:
            if self._writes_through:
                raise
            # A refusal would be taken for that of the operation whose statement has written the rows of another.
            raise RowsNotWritten from None
        finally:
            if self._writes_through:
                self._unit.drop()

    def _was_put(self) -> None:
        """Notes a put row as a write of this operation."""
        if self._writes_through:
            self._write(self._unit.pending)
        self._has_written = True
