"""The unit of work of one commit: rows are put by operations, and the commit writes each table once.

Every statement of SQL sees the rows that were put before it: tables that it names are written first.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any, Protocol, TypeVar

from gateway.errors import Refused
from gateway.security.region_keys import RegionKeys, SubjectKey
from gateway.store.pending_rows import Rows, Sums, WriteRows
from gateway.store.tables import Key, Parameters, R, S, Table, Tally, Value, least_of, query_of

_STATEMENTS = 2048  # whose words are kept: more than all named statements of a process
_WORD = re.compile(r"\w+")

T = TypeVar("T")
C = TypeVar("C", bound="Companion")


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


class UnitOfWork:
    """The pending rows of one commit, and the values that its operations share. It ends with its transaction."""

    def __init__(self) -> None:
        self.subject_keys: dict[str, SubjectKey | None] = {}
        """See the port."""
        self.names: set[str] = set()
        """The tables with rows or known values."""
        self.tables: dict[str, Rows[Any]] = {}
        """By name, from the first use; the shape of the rows is that of the last use."""
        self.pending: dict[str, Rows[Any] | Sums] = {}
        """The tables to be written, by name, in the order of their first change."""
        self.known: dict[str, dict[Hashable, Any]] = {}
        """By the name of the table from which the value was read."""
        self.companions: dict[type[Companion], Any] = {}
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

    def forget(self, names: Collection[str]) -> None:
        """Forgets what was read from tables without pending rows."""
        for name in names:
            self.known.pop(name, None)
            if name in self.tables:
                self.tables[name].found.clear()

    def finish(self) -> None:
        """Finishes the companions; their next use makes new ones."""
        for companion in self.companions.values():
            companion.finish()
        self.companions.clear()

    def drop(self) -> None:
        """Drops the pending rows of a transaction without a commit of its own."""
        self.pending.clear()
        self.tables.clear()
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
    def _run(self, sql: str, parameters: Parameters) -> Cursor:
        """Runs a statement with `:name` or with `?` parameters."""

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
        rows = self._rows(table)
        if key in rows.found:
            return rows.found[key]
        if key in rows.late:
            self._write([table.name])
        read = self._run(table.query, key).fetchone()
        row = None if read is None else table.shape._make(read)
        if not self._writes_through:
            rows.found[key] = row
        return row

    def find_all(self, table: Table[R], **columns: Value) -> list[R]:
        """See the port."""
        rows = self._rows(table)
        put = rows.matching(columns)
        if not rows.late.keys().isdisjoint(put):
            self._write([table.name])
            put = {}
        query = query_of(table, tuple((name, value is None) for name, value in columns.items()))
        read = [table.shape._make(row) for row in self._run(query, columns).fetchall()]
        stored = {key: row for row in read if not rows.is_changed(key := table.key_of(row))}
        if not self._writes_through:
            rows.found.update(stored)
        return [*stored.values(), *put.values()]

    def find_least(self, table: Table[R], shape: type[S], **columns: Value) -> S | None:
        """See the port."""
        return min(self._firsts(table, shape, columns, is_greatest=False), default=None)

    def find_greatest(self, table: Table[R], shape: type[S], **columns: Value) -> S | None:
        """See the port."""
        return max(self._firsts(table, shape, columns, is_greatest=True), default=None)

    def _firsts(self, table: Table[R], shape: type[S], columns: dict[str, Value], *, is_greatest: bool) -> list[S]:
        """The pending rows with these values, and the first of the stored ones that are as they will be."""
        rows = self._rows(table)
        wanted = tuple((name, value is None) for name, value in columns.items())
        query, narrowed, key_of = least_of(table, shape, wanted, is_greatest=is_greatest)
        firsts = [narrowed(row) for row in rows.matching(columns).values()]
        for limit in dict.fromkeys((1, 1 + rows.changes)):  # mostly no change is pending of the first row
            read = [shape._make(row) for row in self._run(query, {**columns, "limit": limit}).fetchall()]
            stored = [row for row in read if not rows.is_changed(key_of(row))]
            firsts += stored[:1]
            if stored or len(read) < limit:
                break
        return firsts

    def insert(self, table: Table[R], row: R) -> None:
        """See the port."""
        key, rows = table.key_of(row), self._changing(table)
        if key in rows.removed:
            self._write_again(rows)
        rows.insert(key, row)
        self._was_put()

    def insert_late(self, table: Table[R], row: R, complete: Callable[[R], R]) -> None:
        """See the port."""
        key, rows = table.key_of(row), self._changing(table)
        if key in rows.removed:
            self._write_again(rows)
        rows.insert_late(key, row, complete)
        self._was_put()

    def update(self, table: Table[R], row: R) -> None:
        """See the port."""
        key, rows = table.key_of(row), self._changing(table)
        if key in rows.late or key in rows.updated:  # a second change is one of its own, also for triggers
            self._write_again(rows)
        rows.update(key, row)
        self._was_put()

    def keep(self, table: Table[R], row: R) -> None:
        """See the port."""
        key, rows = table.key_of(row), self._changing(table)
        if key in rows.late or key in rows.removed:
            self._write_again(rows)
        rows.keep(key, row)
        self._was_put()

    def remove(self, table: Table[R], *key: Value) -> None:
        """See the port."""
        rows = self._changing(table)
        if not rows.remove(key):
            self._write_again(rows)
            rows.remove(key)
        self._was_put()

    def add(self, tally: Tally, *key: Value, **amounts: int) -> None:
        """See the port."""
        sums = self._unit.pending.get(tally.name)
        if not isinstance(sums, Sums) or sums.table is not tally:
            self._write([tally.name])
            self._unit.tables.pop(tally.name, None)
            self._unit.pending[tally.name] = sums = Sums(tally)
            self._unit.names.add(tally.name)
        self._unit.known.pop(tally.name, None)
        sums.add(key, amounts)
        self._was_put()

    def once(self, table: str, what: Hashable, read: Callable[[], T]) -> T:
        """See the port."""
        known = self._unit.known.get(table)
        if known is not None and what in known:
            stored: T = known[what]
            return stored
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
        found: C | None = self._unit.companions.get(kind)
        if found is None:
            found = self._unit.companions[kind] = make()
        return found

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

    def _rows(self, table: Table[R]) -> Rows[R]:
        """The rows of a table."""
        known: Rows[R] | None = self._unit.tables.get(table.name)
        if known is not None and known.table is table:
            return known
        self._write([table.name])
        rows = self._unit.tables[table.name] = Rows(table)
        self._unit.names.add(table.name)
        return rows

    def _changing(self, table: Table[R]) -> Rows[R]:
        """The rows of a table that is about to change."""
        unit, name = self._unit, table.name
        rows = unit.pending.get(name)
        if rows is None or rows.table is not table:
            rows = self._rows(table)
            self._write([name])
            unit.pending[name] = rows
        if name in unit.known:
            del unit.known[name]
        return rows

    def _write_again(self, rows: Rows[R]) -> None:
        """Writes the pending rows of a table before another change of it."""
        self._write([rows.table.name])
        self._unit.pending[rows.table.name] = rows

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
