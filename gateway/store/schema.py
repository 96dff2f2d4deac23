"""Numbered SQL files, applied once each, in order, with a checksum."""

import hashlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

_LEDGER = """CREATE TABLE IF NOT EXISTS schema_migrations (
    package  TEXT    NOT NULL,
    name     TEXT    NOT NULL,
    checksum TEXT    NOT NULL,
    PRIMARY KEY (package, name)
)"""


class SchemaMismatch(Exception):
    """The database was made by another version: a file that was applied has changed, or is not known here."""


@dataclass(frozen=True)
class Migration:
    """One numbered SQL file of a package."""

    package: str
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file, hexadecimal."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations_of(*packages: str) -> list[Migration]:
    """The SQL files in the `schema` folders of packages, in the order of packages, then of their numbers."""
    found: list[Migration] = []
    for package in packages:
        folder = resources.files(package) / "schema"
        names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
        found += [Migration(package, name, (folder / name).read_text("utf-8")) for name in names]
    return found


def apply(connection: sqlite3.Connection, migrations: Sequence[Migration]) -> None:
    """Brings an embedded database up to date. Raises SchemaMismatch where that is not safe."""
    connection.execute(_LEDGER)
    applied = {
        (package, name): checksum
        for package, name, checksum in connection.execute("SELECT package, name, checksum FROM schema_migrations")
    }
    known = {(migration.package, migration.name) for migration in migrations}
    for package, name in sorted(applied.keys() - known):
        raise SchemaMismatch(f"{package}/{name} was applied by a newer version: run that version")
    for migration in migrations:
        key = (migration.package, migration.name)
        if key not in applied:
            connection.executescript(f"BEGIN IMMEDIATE;\n{migration.sql}\n{_applied(migration)}\nCOMMIT;")
        elif applied[key] != migration.checksum:
            raise SchemaMismatch(f"{migration.package}/{migration.name} is not the file that was applied")


def _applied(migration: Migration) -> str:
    values = ", ".join(f"'{value}'" for value in (migration.package, migration.name, migration.checksum))
    return f"INSERT INTO schema_migrations (package, name, checksum) VALUES ({values});"  # noqa: S608 - file names
