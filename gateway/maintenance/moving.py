"""Moves a program's database from SQLite to PostgreSQL: all of it or nothing, and compared row by row.

One transaction of PostgreSQL copies and compares all rows. Only after its commit the SQLite file is renamed, to a name
that no process opens. An interruption before the commit changes nothing. After the commit, the next run finds equal
content and renames the file.
"""

import contextlib
import itertools
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import psycopg
from psycopg import sql

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.process import failpoints
from gateway.store import postgresql_schema, sqlite_schema
from gateway.store.opening import DatabasePlace, DatabaseUnreachable, moved_file
from gateway.store.port import DatabaseInUse, StoreUnusable, Transaction
from gateway.store.postgresql_connecting import connect
from gateway.store.postgresql_connection import PostgresqlTransaction
from gateway.store.postgresql_schema import Connection
from gateway.store.schema import Applied, Migration, SchemaMismatch, SchemaState, require_workable
from gateway.store.sqlite import FileLock, SqliteTransaction
from gateway.wording.languages import translated

_CHUNK = 1000  # rows between two signs of progress
# Internal tables of each engine, without data of the program.
_NOT_DATA = frozenset({"schema_migrations", "schema_expansions", "store_writers"})
# By the types of schema files: the type names in PostgreSQL, and the types of the values in transit.
_TYPES = {"INTEGER": ("bigint", "int8"), "TEXT": ("text", "text"), "BLOB": ("bytea", "bytea")}

R = TypeVar("R")
Row = tuple[object, ...]


class NotMoved(StoreUnusable):
    """The database was not moved, and nothing has changed; the text has the reason."""


class Progress(Protocol):
    """Receives the progress of a move."""

    def start(self, rows: int) -> None:
        """Announces the number of rows in all steps together."""
        ...

    def advance(self, doing: str, rows: int) -> None:
        """Reports `rows` further rows as done."""
        ...


@dataclass(frozen=True)
class Table:
    """A table that both databases have."""

    name: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    """As in schema files."""
    key: tuple[str, ...]
    """The columns of the primary key, in its order."""
    rows: int


@dataclass(frozen=True)
class Moved:
    """The result of a move: the copied and compared rows."""

    tables: Sequence[Table]
    head: audit.Head
    """The end of the audit chain, the same in both databases."""
    file: Path
    """The new name of the SQLite file."""
    was_copied: bool
    """False where an earlier run had copied everything."""


def move(place: DatabasePlace, migrations: Sequence[Migration], progress: Progress) -> Moved:
    """Moves the SQLite database of a place to its PostgreSQL database, and makes the schema of an empty one.

    Raises NotMoved, DatabaseUnreachable, DatabaseInUse where a process uses either of them, or OSError where the file
    cannot be renamed.
    """
    file, kept = place.file, moved_file(place.file)
    if not file.is_file():
        raise NotMoved(f"{kept}: was moved before" if kept.exists() else f"{file}: there is no such database")
    if kept.exists():
        raise NotMoved(f"{kept}: is left of an earlier move: put it elsewhere first")
    lock = FileLock(file)
    try:
        with _reading(file) as source, _writing(place) as target:
            moved = _Move(source, target, place, progress).run(migrations)
            failpoints.reach("move.compared")
        failpoints.reach("move.committed")
        _rename(file, kept)
    finally:
        lock.release()
    return moved


class _Move:
    """A move, in a transaction of each engine."""

    def __init__(
        self, source: sqlite3.Connection, target: Connection, place: DatabasePlace, progress: Progress
    ) -> None:
        self._source = source
        self._target = target
        self._place = place
        self._progress = progress

    def run(self, migrations: Sequence[Migration]) -> Moved:
        file = self._place.file
        state = _require_current(file, sqlite_schema.applied(self._source), migrations, sqlite_schema.ENGINE)
        _require_unused(self._target)
        if not postgresql_schema.applied(self._target).checksums:
            # What the file still has, and only older versions need, is moved as well.
            waiting = {each.number for each in state.contracting}
            like = [each for each in migrations if not (each.is_contracting and each.number in waiting)]
            postgresql_schema.apply(self._target, like)
        _require_current(self._place, postgresql_schema.applied(self._target), migrations, postgresql_schema.ENGINE)
        head = _chain(file, SqliteTransaction(self._source))
        tables = [self._table(name) for name in _names(self._source)]
        self._require_same_tables(tables)
        self._target.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(_listed(each.name for each in tables)))
        filled = [each.name for each in tables if self._has_rows(each)]
        self._progress.start(sum(each.rows for each in tables) * (1 if filled else 2))
        if not filled:
            for table in tables:
                self._copy(table)
                failpoints.reach("move.copying")
        for table in tables:
            self._compare(table, filled)
        if _chain(self._place, PostgresqlTransaction(self._target)) != head:
            raise NotMoved(f"{self._place}: the audit chain ends otherwise than that of {self._place.file}")
        return Moved(tables, head, moved_file(self._place.file), was_copied=not filled)

    def _table(self, name: str) -> Table:
        """A table as the SQLite file has it."""
        columns = self._source.execute("SELECT name, type, pk FROM pragma_table_info(?)", (name,)).fetchall()
        key = tuple(column for column, _, _ in sorted((each for each in columns if each[2]), key=lambda each: each[2]))
        (rows,) = self._source.execute(f'SELECT COUNT(*) FROM "{name}"').fetchone()  # noqa: S608 - of the schema
        names = tuple(column for column, _, _ in columns)
        for column, kind, _ in columns:
            self._require_typed(name, column, kind)
        return Table(name, names, tuple(kind for _, kind, _ in columns), key or names, rows)

    def _require_typed(self, table: str, column: str, kind: str) -> None:
        """Checks the types of values: SQLite stores a value of any type in any column, PostgreSQL does not."""
        other = f"""SELECT 1 FROM "{table}" WHERE typeof("{column}") NOT IN ('null', ?) LIMIT 1"""  # noqa: S608 - of the schema
        if self._source.execute(other, (kind.lower(),)).fetchone() is not None:
            raise NotMoved(f"{self._place.file}: a row of {table} has something else than {kind} in {column}")

    def _require_same_tables(self, tables: Sequence[Table]) -> None:
        found = self._target.execute(
            "SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns c"
            " JOIN information_schema.tables t USING (table_schema, table_name)"
            " WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE'"
            " ORDER BY c.table_name, c.ordinal_position"
        ).fetchall()
        there = {(table, column, kind) for table, column, kind in found if table not in _NOT_DATA}
        here = {
            (table.name, column, _TYPES[kind][0])
            for table in tables
            for column, kind in zip(table.columns, table.types, strict=True)
        }
        if different := sorted({str(table) for table, _, _ in here ^ there}):
            raise NotMoved(f"{self._place}: the schemas differ in {', '.join(different)}")

    def _has_rows(self, table: Table) -> bool:
        return self._target.execute(_select(table, sql.SQL("LIMIT 1"))).fetchone() is not None

    def _copy(self, table: Table) -> None:
        statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
            sql.Identifier(table.name), _listed(table.columns)
        )
        try:
            with self._target.cursor() as cursor, cursor.copy(statement) as copy:
                copy.set_types([_TYPES[kind][1] for kind in table.types])
                for row in self._counted(translated("copying {table}", table=table.name), self._rows(table)):
                    copy.write_row(row)
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            # The whole text would repeat the row, and its content must not leave the database.
            told = error.diag.message_primary or type(error).__name__
            raise NotMoved(f"{self._place}: a row of {table.name} is not taken: {told}") from None

    def _compare(self, table: Table, filled: Sequence[str]) -> None:
        """Compares both tables in the order of the key, which both engines sort by bytes."""
        with self._target.cursor(name="compare") as cursor:
            cursor.itersize = _CHUNK
            there = iter(cursor.execute(_select(table)))
            pairs = itertools.zip_longest(self._rows(table), there)
            for number, (ours, theirs) in enumerate(
                self._counted(translated("comparing {table}", table=table.name), pairs), 1
            ):
                if not _same(ours, theirs):
                    where = f"row {number} of {table.name} is not the same in {self._place.file}"
                    if filled:
                        raise NotMoved(
                            f"{self._place} is not empty and holds something else: {where}. If what is in the file"
                            " counts, make the PostgreSQL database anew, empty"
                        )
                    raise NotMoved(f"{self._place}: {where}")

    def _rows(self, table: Table) -> Iterator[Row]:
        columns, key = (", ".join(f'"{each}"' for each in names) for names in (table.columns, table.key))
        statement = f'SELECT {columns} FROM "{table.name}" ORDER BY {key}'  # noqa: S608 - names of the schema
        return iter(self._source.execute(statement))

    def _counted(self, doing: str, rows: Iterator[R]) -> Iterator[R]:
        count = 0
        for count, row in enumerate(rows, 1):
            yield row
            if count % _CHUNK == 0:
                self._progress.advance(doing, _CHUNK)
        self._progress.advance(doing, count % _CHUNK)


@contextlib.contextmanager
def _reading(file: Path) -> Iterator[sqlite3.Connection]:
    """The file in a read transaction, with its write-ahead log merged into it."""
    try:
        with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
            connection.execute("BEGIN")
            yield connection
    except sqlite3.Error as error:
        raise NotMoved(f"{file}: cannot be read: {error}") from error


@contextlib.contextmanager
def _writing(place: DatabasePlace) -> Iterator[Connection]:
    """The database in a transaction, committed at the end."""
    assert place.postgresql is not None
    try:
        with connect(place.postgresql.conninfo, "crossregion-move") as connection, connection.transaction():
            yield connection
    except psycopg.Error as error:
        told = str(error).strip()
        raise DatabaseUnreachable(f"{place}: {told}. Run it again: it finds out how far it had come") from error


def _rename(file: Path, kept: Path) -> None:
    file.rename(kept)
    directory = os.open(kept.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _require_current(where: object, applied: Applied, migrations: Sequence[Migration], engine: str) -> SchemaState:
    try:
        state = require_workable(applied, migrations, engine)
    except SchemaMismatch as error:
        raise NotMoved(f"{where}: {error}") from error
    if state.ahead:  # tables that this version does not know would stay behind
        raise NotMoved(f"{where}: {SchemaMismatch(Reason.REASON_SCHEMA_CONTRACTED, state.ahead)}")
    return state


def _require_unused(target: Connection) -> None:
    others = target.execute(
        "SELECT application_name FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name LIKE 'crossregion/%' ORDER BY 1"
    ).fetchall()
    if others:
        names = ", ".join(str(name) for (name,) in others)
        raise DatabaseInUse(
            f"processes are at work on the database (crossregion/<number>/<process id>/…): {names}. Stop them first"
        )


def _names(source: sqlite3.Connection) -> list[str]:
    """The tables with data, in the order of their creation: no table refers to a later one."""
    found = source.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
    )
    return [name for (name,) in found if name not in _NOT_DATA]


def _chain(where: object, tx: Transaction) -> audit.Head:
    try:
        return audit.verify(audit.rows(tx))
    except audit.ChainBroken as error:
        raise NotMoved(f"{where}: the audit chain is broken: {error}") from error


def _select(table: Table, rest: sql.SQL | None = None) -> sql.Composed:
    return sql.SQL("SELECT {} FROM {} ORDER BY {} {}").format(
        _listed(table.columns), sql.Identifier(table.name), _listed(table.key), rest or sql.SQL("")
    )


def _listed(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)


def _same(ours: Row | None, theirs: Row | None) -> bool:
    if ours is None or theirs is None or ours != theirs:
        return False
    return [type(value) for value in ours] == [type(value) for value in theirs]
