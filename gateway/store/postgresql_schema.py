"""The schema of a PostgreSQL database, from the files that are written for every engine."""

import re
from collections.abc import Sequence

import psycopg

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import listed
from gateway.store.schema import (
    APPLIED,
    EXPANDING,
    EXPANSIONS,
    LEDGER,
    NOTE_APPLIED,
    NOTE_EXPANDING,
    Applied,
    Migration,
    MigrationFailed,
    SchemaMismatch,
    newest,
    require_workable,
    state_of,
    unnoted,
)

ENGINE = "postgresql"
_ATTEMPTS = 10  # of a migration that meets a deadlock
_NAME_PARTS = 4  # of a writing connection without a schema file
Connection = psycopg.Connection[tuple[object, ...]]

# A row per writing process: the random id of its last transaction, read where a commit's response was lost, and how
# many it has made, by which a database shows that it has lost some. The table belongs to the store, so it exists before
# any schema file.
_WRITERS = """CREATE TABLE IF NOT EXISTS store_writers (
    number     BIGINT NOT NULL PRIMARY KEY,
    last_batch TEXT   NOT NULL
);
ALTER TABLE store_writers ADD COLUMN IF NOT EXISTS commits BIGINT NOT NULL DEFAULT 0"""

# SQLite's names for its types: whole numbers of 8 bytes, and texts ordered by their bytes.
_TYPES = {"INTEGER": "BIGINT", "BLOB": "BYTEA", "TEXT": 'TEXT COLLATE "C"'}
_WORDS = re.compile(r"--[^\n]*|'[^']*'|\$\$.*?\$\$|\b(?:INTEGER|BLOB|TEXT)\b", re.DOTALL)


def ddl(sql: str) -> str:
    """A schema file in PostgreSQL's words; comments, texts and function bodies stay as they are."""
    return _WORDS.sub(lambda found: _TYPES.get(found[0], found[0]), sql)


def applied(connection: Connection) -> Applied:
    """The migrations applied to the database; none in an empty one."""
    with connection.cursor() as cursor:
        if not _has_table(cursor, "schema_migrations"):
            return Applied()
        rows = cursor.execute(EXPANDING).fetchall() if _has_table(cursor, "schema_expansions") else []
        expansions = [(str(package), str(name)) for package, name in rows]
        return Applied.of([(str(a), str(b), str(c)) for a, b, c in cursor.execute(APPLIED).fetchall()], expansions)


def apply(connection: Connection, migrations: Sequence[Migration], *, contract: bool = False) -> Sequence[Migration]:
    """Applies the missing migrations in one transaction, and returns them; `contract`: contracting ones, too.

    A process at work may hold one table and want another one, against the order of the files: the server ends the
    transaction of one of both. This one is then tried again.

    Raises SchemaMismatch, MigrationFailed, or a psycopg.Error.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return _apply(connection, migrations, contract=contract)
        except (MigrationFailed, psycopg.Error) as error:
            if not isinstance(error.__cause__ or error, psycopg.errors.DeadlockDetected):
                raise
    return _apply(connection, migrations, contract=contract)


def _apply(connection: Connection, migrations: Sequence[Migration], *, contract: bool) -> Sequence[Migration]:
    with connection.transaction(), connection.cursor() as cursor:
        # Of two simultaneous migrations the second finds all work done.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('crossregion migrate', 0))")
        for table in (LEDGER, EXPANSIONS):
            cursor.execute(ddl(table).encode())
        cursor.execute(_WRITERS)
        state = state_of(applied(connection), migrations, ENGINE)
        steps = state.steps(contract=contract)
        if breaking := state.breaking(steps):
            _require_no_older_process(cursor, breaking)
        for migration in steps:
            try:
                cursor.execute(ddl(migration.sql).encode())
            except psycopg.Error as error:
                raise MigrationFailed(migration, error) from error
            cursor.execute(
                _with_psycopg_parameters(NOTE_APPLIED),
                {"package": migration.package, "name": migration.name, "checksum": migration.checksum},
            )
        for package, name in unnoted(applied(connection), migrations, ENGINE):
            cursor.execute(_with_psycopg_parameters(NOTE_EXPANDING), {"package": package, "name": name})
    return steps


def require_current(connection: Connection, migrations: Sequence[Migration]) -> None:
    """Raises SchemaMismatch for a schema on which this version cannot work. An empty database is outdated too."""
    require_workable(applied(connection), migrations, ENGINE)


def writer_name(unique: str, migrations: Sequence[Migration]) -> str:
    """The name of a writing connection on the server, with the newest schema file that its process knows.

    `unique` is `crossregion/<number>/<process id>/<random>`. Versions before the marks have no more than that.
    """
    return f"{unique}/{newest(migrations)}"


def _require_no_older_process(cursor: psycopg.Cursor[tuple[object, ...]], breaking: Sequence[Migration]) -> None:
    """Raises SchemaMismatch where a process is connected that does not know files on which older ones cannot work."""
    # A process that starts meanwhile reads the ledger after it has connected: it waits, and sees these files.
    cursor.execute("LOCK TABLE schema_migrations IN ACCESS EXCLUSIVE MODE")
    rows = cursor.execute(
        "SELECT application_name FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name LIKE 'crossregion/%' ORDER BY 1"
    ).fetchall()
    number = newest(breaking)
    if older := [str(name) for (name,) in rows if _known_to(str(name)) < number]:
        raise SchemaMismatch(Reason.REASON_OLDER_VERSION_AT_WORK, map(str, breaking), **listed(processes=older))


def _known_to(writer: str) -> int:
    """The newest schema file that a process knows, by `writer_name`; 0 where that is not said."""
    told = writer.split("/")[_NAME_PARTS:]
    return int(told[0]) if told and told[0].isdecimal() else 0


def _has_table(cursor: psycopg.Cursor[tuple[object, ...]], name: str) -> bool:
    return cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (name,)).fetchone() == (True,)


def _with_psycopg_parameters(statement: str) -> bytes:
    return re.sub(r":(\w+)", r"%(\1)s", statement).encode()
