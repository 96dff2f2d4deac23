"""The schema of a SQLite file."""

import sqlite3
from collections.abc import Sequence

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
    require_workable,
    state_of,
    unnoted,
)

ENGINE = "sqlite"


def applied(connection: sqlite3.Connection) -> Applied:
    """The migrations applied to the file; none in an empty one."""
    if not has_table(connection, "schema_migrations"):
        return Applied()
    expansions = connection.execute(EXPANDING).fetchall() if has_table(connection, "schema_expansions") else []
    return Applied.of(connection.execute(APPLIED).fetchall(), expansions)


def apply(
    connection: sqlite3.Connection, migrations: Sequence[Migration], *, contract: bool = False
) -> Sequence[Migration]:
    """Applies the missing files, each in its own transaction, and returns them; `contract`: contracting ones, too.

    Raises SchemaMismatch or MigrationFailed.
    """
    found = applied(connection)
    steps = state_of(found, migrations, ENGINE).steps(contract=contract)
    connection.execute(LEDGER)
    connection.execute(EXPANSIONS)
    for migration in steps:
        try:
            connection.executescript(f"BEGIN IMMEDIATE;\n{migration.sql}\n")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise MigrationFailed(migration, error) from error
        connection.execute(
            NOTE_APPLIED, {"package": migration.package, "name": migration.name, "checksum": migration.checksum}
        )
        if not migration.is_contracting:
            connection.execute(NOTE_EXPANDING, {"package": migration.package, "name": migration.name})
        connection.execute("COMMIT")
    for package, name in unnoted(applied(connection), migrations, ENGINE):  # applied before there were marks
        connection.execute(NOTE_EXPANDING, {"package": package, "name": name})
    return steps


def require_current(connection: sqlite3.Connection, migrations: Sequence[Migration]) -> None:
    """Makes the schema of an empty file. Raises SchemaMismatch for one on which this version cannot work."""
    if not has_table(connection, "schema_migrations"):
        apply(connection, migrations)
    else:
        require_workable(applied(connection), migrations, ENGINE)


def has_table(connection: sqlite3.Connection, name: str) -> bool:
    """Whether the file has a table."""
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,))
    return found.fetchone() is not None
