"""Numbered SQL files, applied once each, in order, with a checksum.

A file serves every engine; `0002_name.sqlite.sql` is for one engine alone. This module chooses the files; each engine's
adapter applies them in its own way.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from gateway.store.port import StoreUnusable

LEDGER = """CREATE TABLE IF NOT EXISTS schema_migrations (
    package  TEXT NOT NULL,
    name     TEXT NOT NULL,
    checksum TEXT NOT NULL,
    PRIMARY KEY (package, name)
)"""
APPLIED = "SELECT package, name, checksum FROM schema_migrations"
NOTE_APPLIED = "INSERT INTO schema_migrations (package, name, checksum) VALUES (:package, :name, :checksum)"

_ENGINE_PART = 2  # of `0002_name.engine.sql`

Applied = Mapping[tuple[str, str], str]
"""The checksum of every file that was applied, by package and name."""


class SchemaMismatch(StoreUnusable):
    """The database was made by another version: an applied file has changed, or is unknown here."""


class SchemaOutdated(SchemaMismatch):
    """The database lacks files that this version needs; `migrate` applies them."""

    def __init__(self, pending: Sequence["Migration"]) -> None:
        self.pending = pending
        super().__init__(self.advice("migrate"))

    def advice(self, command: str) -> str:
        """The text for people, with the command that brings the schema up to date."""
        names = ", ".join(f"{migration.package}/{migration.name}" for migration in self.pending)
        return f"the schema is older than this version: run `{command}` first, which applies {names}"


class MigrationFailed(StoreUnusable):
    """The engine refused a file. Nothing of that file was kept."""

    def __init__(self, migration: "Migration", error: Exception) -> None:
        told = str(error).strip().partition("\n")[0]
        super().__init__(f"{migration.package}/{migration.name} cannot be applied: {told}. Nothing of it was kept")


@dataclass(frozen=True)
class Migration:
    """A numbered SQL file of a package."""

    package: str
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file, hexadecimal."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def engine(self) -> str:
        """The only engine of the file; empty for a file that serves all."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > _ENGINE_PART else ""


def migrations_of(*packages: str) -> list[Migration]:
    """The SQL files in the `schema` folders of packages, in the order of packages, then of their numbers."""
    found: list[Migration] = []
    for package in packages:
        folder = resources.files(package) / "schema"
        names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
        found += [Migration(package, name, (folder / name).read_text("utf-8")) for name in names]
    return found


def pending(applied: Applied, migrations: Sequence[Migration], engine: str) -> list[Migration]:
    """The unapplied files of an engine, in order. Raises SchemaMismatch where applying them is not safe."""
    wanted = [migration for migration in migrations if migration.engine in ("", engine)]
    known = {(migration.package, migration.name) for migration in wanted}
    for package, name in sorted(applied.keys() - known):
        raise SchemaMismatch(f"{package}/{name} was applied by a newer version: run that version")
    missing: list[Migration] = []
    for migration in wanted:
        checksum = applied.get((migration.package, migration.name))
        if checksum is None:
            missing.append(migration)
        elif checksum != migration.checksum:
            raise SchemaMismatch(f"{migration.package}/{migration.name} is not the file that was applied")
    return missing


def applied_from(rows: Sequence[tuple[str, str, str]]) -> Applied:
    """The rows of APPLIED as a mapping."""
    return {(package, name): checksum for package, name, checksum in rows}
