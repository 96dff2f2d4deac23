"""Empty databases in memory. A schema is applied once for each process that runs tests; each database is a copy."""

import functools
import sqlite3
from contextlib import closing

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
