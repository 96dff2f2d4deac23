"""Empty databases, in memory and as files. A schema is applied once for each process; each database is a copy."""

import functools
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from gateway.store.opening import DatabasePlace
from gateway.store.schema import migrations_of
from gateway.store.sqlite_schema import apply


def empty_database(*packages: str) -> sqlite3.Connection:
    """A database with the schema of packages and no rows. The caller closes it."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.deserialize(empty_image(*packages))
    return connection


@functools.cache
def empty_image(*packages: str) -> bytes:
    """The same database, as SQLite serialises it."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        apply(connection, migrations_of(*packages))
        return connection.serialize()


@functools.cache
def empty_file(*packages: str) -> bytes:
    """The file of a member that has applied the schema of packages, as SQLite leaves it on disk."""
    with TemporaryDirectory() as name:
        file = Path(name) / "empty"
        DatabasePlace(file).migrate(migrations_of(*packages), dry_run=False)
        return file.read_bytes()
