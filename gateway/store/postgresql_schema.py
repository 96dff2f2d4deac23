"""The schema of a PostgreSQL database, from the files that are written for every engine."""

import re
from collections.abc import Sequence

import psycopg

from gateway.store.schema import (
    APPLIED,
    LEDGER,
    NOTE_APPLIED,
    Applied,
    Migration,
    MigrationFailed,
    SchemaOutdated,
    applied_from,
    pending,
)

ENGINE = "postgresql"
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
        if cursor.execute("SELECT to_regclass('schema_migrations')").fetchone() == (None,):
            return {}
        return applied_from([(str(a), str(b), str(c)) for a, b, c in cursor.execute(APPLIED).fetchall()])


def apply(connection: Connection, migrations: Sequence[Migration]) -> list[Migration]:
    """Applies the missing migrations in one transaction, and returns them.

    Raises SchemaMismatch, MigrationFailed, or a psycopg.Error.
    """
    with connection.transaction(), connection.cursor() as cursor:
        # Of two simultaneous migrations the second finds all work done.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('crossregion migrate', 0))")
        cursor.execute(ddl(LEDGER).encode())
        cursor.execute(_WRITERS)
        missing = pending(applied(connection), migrations, ENGINE)
        for migration in missing:
            try:
                cursor.execute(ddl(migration.sql).encode())
            except psycopg.Error as error:
                raise MigrationFailed(migration, error) from error
            cursor.execute(
                re.sub(r":(\w+)", r"%(\1)s", NOTE_APPLIED).encode(),
                {"package": migration.package, "name": migration.name, "checksum": migration.checksum},
            )
    return missing


def require_current(connection: Connection, migrations: Sequence[Migration]) -> None:
    """Raises SchemaMismatch unless the schema is that of this version. An empty database is outdated too."""
    if missing := pending(applied(connection), migrations, ENGINE):
        raise SchemaOutdated(missing)
