"""The adapters of the store port, each with what its contract needs besides the port: a look from outside.

As a program, a process that writes so many notes: `python -m tests.contract.stores ADAPTER DIRECTORY COUNT`.
"""

import asyncio
import contextlib
import sqlite3
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

import psycopg
import pytest

from deploy.local.postgresql import LocalPostgresql
from gateway.store.opening import DatabasePlace, PostgresqlSettings
from gateway.store.port import Operation, Store, Transaction
from gateway.store.postgresql_connection import Writer
from gateway.store.postgresql_schema import applied
from gateway.store.schema import Migration
from gateway.store.sqlite import SqliteDatabase, SqliteStore
from gateway.store.tables import Table
from tests.keys import region_keys

# Reached only where a test fails.
PATIENCE_S = 60.0
NOTES = Migration("notes", "0001_notes.sql", "CREATE TABLE notes (note TEXT NOT NULL PRIMARY KEY);")


class Adapter(Protocol):
    """An adapter, on durable state that outlives the stores opened on it."""

    def open(self, migrations: Sequence[Migration] = (NOTES,)) -> AbstractAsyncContextManager[Store]:
        """The store, closed at the end."""
        ...

    def notes(self) -> list[str]:
        """The notes that are committed, seen over another connection."""
        ...

    def add_note(self, note: str) -> None:
        """Commits a note over another connection."""
        ...

    def fill_disk(self, tx: Transaction) -> None:
        """From here on the store finds no more room."""
        ...

    def make_room(self, tx: Transaction) -> None:
        """The store finds room again."""
        ...

    def commit_failures(self) -> Sequence[Exception]:
        """The engine's exceptions at a commit: for a failing disk, and for a broken database."""
        ...

    def fail_commits(self, patch: pytest.MonkeyPatch, failure: Exception, count: int) -> None:
        """The next commits fail so, before anything is on disk."""
        ...

    def is_durable_on_commit(self, tx: Transaction) -> bool:
        """Whether the engine, as the operation finds it, has a commit on disk before it says so."""
        ...

    def migrate(self, migrations: Sequence[Migration], *, dry_run: bool = False, contract: bool = False) -> list[str]:
        """Brings the schema up to date; the names of the files."""
        ...


class SqliteAdapter:
    """The embedded store."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "store.db"

    @contextlib.asynccontextmanager
    async def open(self, migrations: Sequence[Migration] = (NOTES,)) -> AsyncIterator[Store]:
        """See Adapter."""
        store = SqliteStore(self._path, migrations, region_keys())
        try:
            yield store
        finally:
            await store.close()

    def migrate(self, migrations: Sequence[Migration], *, dry_run: bool = False, contract: bool = False) -> list[str]:
        """See Adapter."""
        return [each.name for each in DatabasePlace(self._path).migrate(migrations, dry_run=dry_run, contract=contract)]

    def notes(self) -> list[str]:
        """See Adapter."""
        with self._outside() as connection:
            return [note for (note,) in connection.execute("SELECT note FROM notes ORDER BY note")]

    def add_note(self, note: str) -> None:
        """See Adapter."""
        with self._outside() as connection:
            connection.execute("INSERT INTO notes (note) VALUES (?)", (note,))

    def fill_disk(self, tx: Transaction) -> None:
        """See Adapter."""
        tx.all(int, "PRAGMA max_page_count = 1")  # SQLite makes it the size that the file has

    def make_room(self, tx: Transaction) -> None:
        """See Adapter."""
        tx.all(int, "PRAGMA max_page_count = 1000000")

    def commit_failures(self) -> Sequence[Exception]:
        """See Adapter."""
        return (
            sqlite3.OperationalError("disk I/O error"),
            sqlite3.DatabaseError("database disk image is malformed"),
        )

    def fail_commits(self, patch: pytest.MonkeyPatch, failure: Exception, count: int) -> None:
        """See Adapter."""
        failing = iter(range(count))
        commit = SqliteDatabase.commit

        def fail(database: SqliteDatabase) -> None:
            if next(failing, None) is not None:
                raise failure
            commit(database)

        patch.setattr(SqliteDatabase, "commit", fail)

    def is_durable_on_commit(self, tx: Transaction) -> bool:
        """See Adapter. In WAL mode only FULL (2) and EXTRA (3) flush at each commit."""
        level = tx.first(int, "PRAGMA synchronous")
        return level is not None and level >= 2 and tx.first(str, "PRAGMA journal_mode") == "wal"

    @contextlib.contextmanager
    def _outside(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
            yield connection


class PostgresqlAdapter:
    """A PostgreSQL database. How to reach it is kept in the directory, for another process."""

    def __init__(self, directory: Path) -> None:
        self._conninfo = (directory / "conninfo").read_text("utf-8")
        self._place = DatabasePlace(directory / "unused", PostgresqlSettings(self._conninfo))

    @classmethod
    def of(cls, directory: Path, conninfo: str) -> "PostgresqlAdapter":
        """The adapter for an empty database."""
        (directory / "conninfo").write_text(conninfo, "utf-8")
        return cls(directory)

    @contextlib.asynccontextmanager
    async def open(self, migrations: Sequence[Migration] = (NOTES,)) -> AsyncIterator[Store]:
        """See Adapter. An empty database gets its schema, as SQLite's does."""
        with self._outside() as connection:
            if not applied(connection).checksums:
                self.migrate(migrations)
        store = await self._place.open(migrations, keys=region_keys())
        try:
            yield store
        finally:
            await store.close()

    def migrate(self, migrations: Sequence[Migration], *, dry_run: bool = False, contract: bool = False) -> list[str]:
        """See Adapter."""
        return [each.name for each in self._place.migrate(migrations, dry_run=dry_run, contract=contract)]

    def notes(self) -> list[str]:
        """See Adapter."""
        with self._outside() as connection:
            return [str(note) for (note,) in connection.execute("SELECT note FROM notes ORDER BY note")]

    def add_note(self, note: str) -> None:
        """See Adapter."""
        with self._outside() as connection:
            connection.execute("INSERT INTO notes (note) VALUES (%s)", (note,))

    def fill_disk(self, tx: Transaction) -> None:
        """See Adapter. The server's own error, without a disk of its own to fill."""
        tx.execute(
            "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = 'disk_full'; END; $$"
        )
        tx.execute("CREATE TRIGGER no_room BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION no_room()")

    def make_room(self, tx: Transaction) -> None:
        """See Adapter."""
        tx.execute("DROP TRIGGER no_room ON notes")

    def commit_failures(self) -> Sequence[Exception]:
        """See Adapter."""
        return (psycopg.OperationalError("disk I/O error"), psycopg.InternalError("invalid page in block 0"))

    def fail_commits(self, patch: pytest.MonkeyPatch, failure: Exception, count: int) -> None:
        """See Adapter."""
        failing = iter(range(count))
        commit = Writer.commit

        def fail(writer: Writer) -> None:
            if next(failing, None) is not None:
                raise failure
            commit(writer)

        patch.setattr(Writer, "commit", fail)

    def is_durable_on_commit(self, tx: Transaction) -> bool:
        """See Adapter."""
        return (tx.first(str, "SHOW fsync"), tx.first(str, "SHOW synchronous_commit")) == ("on", "on")

    @contextlib.contextmanager
    def _outside(self) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            yield connection


ADAPTERS: dict[str, type[SqliteAdapter] | type[PostgresqlAdapter]] = {
    "postgresql": PostgresqlAdapter,
    "sqlite": SqliteAdapter,
}


def adapter_for(name: str, request: pytest.FixtureRequest, directory: Path) -> Adapter:
    """The adapter of that name on empty state; the server that it needs is started where it does not run yet."""
    if name == "sqlite":
        return SqliteAdapter(directory)
    server: LocalPostgresql = request.getfixturevalue("postgresql_server")
    database: str = request.getfixturevalue("postgresql_database")
    return PostgresqlAdapter.of(directory, server.conninfo(database))


def insert(tx: Transaction, note: str) -> str:
    """Writes a note. The engine's own error where it is there already."""
    tx.execute("INSERT INTO notes (note) VALUES (:note)", note=note)
    return note


def notes(tx: Transaction) -> list[str]:
    """All notes, as the operation finds them."""
    return tx.all(str, "SELECT note FROM notes ORDER BY note")


@dataclass(frozen=True)
class Written:
    """Published after a note was written."""

    note: str


def writing(note: str) -> Operation[str]:
    """An operation that writes a note and publishes an event."""

    def operation(tx: Transaction) -> str:
        tx.publish(Written(note))
        return insert(tx, note)

    return operation


class Note(NamedTuple):
    """A row of the notes."""

    note: str


PUT_NOTES = Table("notes", Note, key=("note",))


def putting(*names: str) -> Operation[object]:
    """An operation that puts notes and returns the first of them."""

    def operation(tx: Transaction) -> str:
        for name in names:
            tx.insert(PUT_NOTES, Note(name))
        assert tx.has_written()
        return names[0]

    return operation


def run(scenario: Coroutine[object, object, None]) -> None:
    """Runs a scenario; one that hangs fails."""

    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await scenario

    asyncio.run(bounded())


async def write_notes(adapter: Adapter, count: int) -> None:
    """Prints each note once it is said to be durable."""
    async with adapter.open() as store:
        for number in range(count):
            print(await store.write(partial(insert, note=f"{number:06}")), flush=True)


if __name__ == "__main__":
    asyncio.run(write_notes(ADAPTERS[sys.argv[1]](Path(sys.argv[2])), int(sys.argv[3])))
