"""The schema of a SQLite file."""

import sqlite3
from collections.abc import Sequence

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

ENGINE = "sqlite"


def applied(connection: sqlite3.Connection) -> Applied:
    """The migrations applied to the file; none in an empty one."""
    if not has_table(connection, "schema_migrations"):
        return {}
    return applied_from(connection.execute(APPLIED).fetchall())


def apply(connection: sqlite3.Connection, migrations: Sequence[Migration]) -> list[Migration]:
    """Applies the missing files, each in its own transaction, and returns them.

    Raises SchemaMismatch or MigrationFailed.
    """
    missing = pending(applied(connection), migrations, ENGINE)
    connection.execute(LEDGER)
    for migration in missing:
        try:
            connection.executescript(f"BEGIN IMMEDIATE;\n{migration.sql}\n")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise MigrationFailed(migration, error) from error
        connection.execute(
            NOTE_APPLIED, {"package": migration.package, "name": migration.name, "checksum": migration.checksum}
        )
        connection.execute("COMMIT")
    return missing


def require_current(connection: sqlite3.Connection, migrations: Sequence[Migration]) -> None:
    """Makes the schema of an empty file. Raises SchemaMismatch for a file with a schema of another version."""
    if not has_table(connection, "schema_migrations"):
        apply(connection, migrations)
    elif missing := pending(applied(connection), migrations, ENGINE):
        raise SchemaOutdated(missing)


def has_table(connection: sqlite3.Connection, name: str) -> bool:
    """Whether the file has a table."""
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,))
    return found.fetchone() is not None
