"""The database of a process, by its settings: opening it, and upgrading its schema."""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import ReadOnlySqlTransaction

from gateway.process.files import make_private
from gateway.security.region_keys import RegionKeys
from gateway.store import postgresql_schema, sqlite_schema, timeline
from gateway.store.commit_archive import ArchivePlace
from gateway.store.port import Store, StoreUnusable, Transaction
from gateway.store.postgresql import PostgresqlStore
from gateway.store.postgresql_connecting import connect
from gateway.store.postgresql_connection import PostgresqlTransaction
from gateway.store.schema import Applied, Migration, SchemaState, state_of, unnoted
from gateway.store.sqlite import FileLock, SqliteDatabase, SqliteStore, open_read_only
from gateway.wording.languages import translated

_MOST_READERS = 64
_PORT = 5432  # of a server, where none is told


@dataclass(frozen=True)
class PostgresqlSettings:
    """The address of the PostgreSQL database, and the number of reading connections."""

    conninfo: str = field(repr=False)
    """What libpq connects by: `host=… dbname=…`, or a `postgresql://` URL. A password in it is never shown."""
    readers: int = 4
    """How many connections read at the same time, besides the one that writes."""

    def __post_init__(self) -> None:
        if not self.conninfo.strip():
            raise ValueError(translated("conninfo: must not be empty"))
        try:
            conninfo_to_dict(self.conninfo)
        except psycopg.ProgrammingError:
            # The libpq error repeats a part of the text, which may be the password.
            raise ValueError(
                translated("conninfo: is neither `name=value …` as libpq reads it nor a postgresql:// URL")
            ) from None
        if not 1 <= self.readers <= _MOST_READERS:
            raise ValueError(translated("{key}: must be {least} to {most}", key="readers", least=1, most=_MOST_READERS))

    @property
    def secrets(self) -> Sequence[Path]:
        """The files with a password or a private key that the address names."""
        named = conninfo_to_dict(self.conninfo)
        return [Path(str(named[each])) for each in ("passfile", "sslkey") if named.get(each)]


class DatabaseUnreachable(StoreUnusable):
    """The server or file is missing, or denies access. The text holds no secrets."""


class DatabaseMoved(StoreUnusable):
    """The content of the file is in PostgreSQL. A node on an empty file in its place would have lost all its data."""


def moved_file(file: Path) -> Path:
    """The name of a SQLite file after its move to PostgreSQL."""
    return file.with_name(f"{file.name}.moved")


@dataclass(frozen=True)
class DatabasePlace:
    """The database of a process: a SQLite file, or a PostgreSQL database where one is named."""

    file: Path
    postgresql: PostgresqlSettings | None = None
    archive: ArchivePlace | None = None
    """Where the process that serves a SQLite file archives its commits; nowhere without it."""

    def __str__(self) -> str:
        """Names the database for people."""
        if self.postgresql is None:
            return str(self.file)
        name = conninfo_to_dict(self.postgresql.conninfo).get("dbname", "")
        return f"PostgreSQL database {name} at {', '.join(self._servers())}"

    @property
    def servers(self) -> int:
        """How many PostgreSQL servers are named, of which one takes writes; 0 for a file."""
        return 0 if self.postgresql is None else len(self._servers())

    @property
    def engine(self) -> str:
        """The engine, as named in schema files for it alone."""
        return sqlite_schema.ENGINE if self.postgresql is None else postgresql_schema.ENGINE

    def make_directory(self) -> None:
        """Makes the directory of a SQLite file if it is missing. Raises OSError."""
        if self.postgresql is None:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def open(
        self,
        migrations: Sequence[Migration],
        *,
        number: int = 0,
        alone: bool = False,
        keys: RegionKeys | None = None,
    ) -> Store:
        """The store, for the process with this number; `alone`: no other process may work on the database.

        `keys`: the region's, without which no personal data can be written or read.

        Raises DatabaseInUse, DatabaseMoved, SchemaMismatch or DatabaseUnreachable.
        """
        if self.postgresql is None:
            self._require_here()
            return SqliteStore(self.file, migrations, keys, self.archive)
        with self._reaching():
            return await PostgresqlStore.open(
                self.postgresql.conninfo,
                migrations,
                number=number,
                readers=self.postgresql.readers,
                alone=alone,
                keys=keys,
            )

    def schema(self, migrations: Sequence[Migration]) -> SchemaState:
        """The schema as a version with these files finds it; changes nothing.

        Raises SchemaMismatch, DatabaseMoved or DatabaseUnreachable.
        """
        with self._reaching():
            return state_of(self._applied(), migrations, self.engine)

    def migrate(self, migrations: Sequence[Migration], *, dry_run: bool, contract: bool = False) -> Sequence[Migration]:
        """Applies the missing migrations, except in a dry run, and returns them; `contract`: contracting ones, too.

        Raises SchemaMismatch, MigrationFailed or DatabaseUnreachable. For a SQLite file also DatabaseInUse where its
        process runs, DatabaseMoved, or OSError where it cannot be made.
        """
        if dry_run:
            return self.schema(migrations).steps(contract=contract)
        with self._reaching():
            if self.postgresql is not None:
                with connect(self.postgresql.conninfo, "crossregion-migrate") as connection:
                    return postgresql_schema.apply(connection, migrations, contract=contract)
            return self._migrate_file(migrations, contract=contract)

    @contextlib.contextmanager
    def look(self, keys: RegionKeys | None = None) -> Iterator[Transaction]:
        """A read-only transaction, for tools beside the processes of a database.

        Raises DatabaseMoved or DatabaseUnreachable.
        """
        with self._reaching():
            if self.postgresql is None:
                self._require_file()
                with open_read_only(self.file, keys) as transaction:
                    yield transaction
                return
            with connect(self.postgresql.conninfo, "crossregion-look") as connection:
                connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                yield PostgresqlTransaction(connection, keys)

    def copy_file(self, target: Path) -> None:
        """Copies a SQLite database as it is at this moment into an empty file; its process may serve meanwhile.

        Raises DatabaseMoved or DatabaseUnreachable.
        """
        with self._reaching():
            self._require_file()
            source = sqlite3.connect(f"{self.file.absolute().as_uri()}?mode=ro", uri=True)
            with contextlib.closing(source), contextlib.closing(sqlite3.connect(target)) as copy:
                source.backup(copy)
                copy.execute("PRAGMA journal_mode=DELETE")  # a file by itself

    def begin_timeline(self, restored: datetime) -> None:
        """Notes in a database that is in no use when it was made of a backup, by another timeline.

        Raises DatabaseUnreachable.
        """
        with self._reaching():
            if self.postgresql is None:
                with contextlib.closing(SqliteDatabase(str(self.file))) as database:
                    database.begin_timeline(restored)
                return
            with connect(self.postgresql.conninfo, "crossregion-restore") as connection:
                found = connection.execute("SELECT to_regclass(%s)", [timeline.TABLE]).fetchone()
                if found is not None and found[0] is not None:
                    connection.execute("BEGIN")
                    timeline.begin(PostgresqlTransaction(connection), restored=restored)
                    connection.execute("COMMIT")

    def _servers(self) -> list[str]:
        assert self.postgresql is not None
        told = conninfo_to_dict(self.postgresql.conninfo)
        hosts, ports = (str(told.get(name) or "").split(",") for name in ("host", "port"))
        return [f"{host}:{port or _PORT}" for host, port in zip(hosts, ports * len(hosts), strict=False)]

    def _require_file(self) -> None:
        self._require_here()
        if not self.file.is_file():
            raise DatabaseUnreachable(f"{self}: there is no such database")

    def _require_here(self) -> None:
        if not self.file.exists() and moved_file(self.file).exists():
            raise DatabaseMoved(
                f"{self.file} was moved to PostgreSQL and is kept as {moved_file(self.file).name}:"
                " name the PostgreSQL database in the settings"
            )

    def _applied(self) -> Applied:
        if self.postgresql is not None:
            with connect(self.postgresql.conninfo, "crossregion-look") as connection:
                return postgresql_schema.applied(connection)
        self._require_here()
        if not self.file.exists():
            return Applied()
        with contextlib.closing(sqlite3.connect(f"{self.file.absolute().as_uri()}?mode=ro", uri=True)) as looking:
            return sqlite_schema.applied(looking)

    def _migrate_file(self, migrations: Sequence[Migration], *, contract: bool) -> Sequence[Migration]:
        self._require_here()
        lock = FileLock(self.file)
        try:
            # A writer would empty the log, from which the archive still takes what a killed process had not added.
            if self.file.exists() and self.file.stat().st_size and self._is_done(migrations, contract=contract):
                return []
            make_private(self.file)
            with contextlib.closing(SqliteDatabase(str(self.file))) as database:
                database.leave_timeline()  # before the first page that no archive has: a kill may follow any file
                return sqlite_schema.apply(database.connection, migrations, contract=contract)
        finally:
            lock.release()

    def _is_done(self, migrations: Sequence[Migration], *, contract: bool) -> bool:
        found = self._applied()
        steps = state_of(found, migrations, self.engine).steps(contract=contract)
        return not steps and not unnoted(found, migrations, self.engine)

    @contextlib.contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except (psycopg.OperationalError, ReadOnlySqlTransaction, sqlite3.DatabaseError) as error:
            raise DatabaseUnreachable(f"{self}: {str(error).strip()}") from error
