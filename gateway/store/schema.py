"""Numbered SQL files, applied once each, in order, with a checksum: the steps in which a schema changes.

A file serves every engine; `0002_name.sqlite.sql` is for one engine alone. This module chooses the files; each engine's
adapter applies them in its own way.

A step expands the schema, and code of the version before runs on it: new tables, new columns with a default. A step
that begins with CONTRACTING takes away what no code of its version needs any more. It is applied by itself, once no
older version runs. The database keeps which steps expand, so that an older version knows of later ones.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, listed
from gateway.store.port import StoreUnusable
from gateway.wording.languages import refusal

LEDGER = """CREATE TABLE IF NOT EXISTS schema_migrations (
    package  TEXT NOT NULL,
    name     TEXT NOT NULL,
    checksum TEXT NOT NULL,
    PRIMARY KEY (package, name)
)"""
# Not a column of the ledger: 0.2.0 writes that with three values.
EXPANSIONS = """CREATE TABLE IF NOT EXISTS schema_expansions (
    package TEXT NOT NULL,
    name    TEXT NOT NULL,
    PRIMARY KEY (package, name)
)"""
APPLIED = "SELECT package, name, checksum FROM schema_migrations"
EXPANDING = "SELECT package, name FROM schema_expansions"
NOTE_APPLIED = "INSERT INTO schema_migrations (package, name, checksum) VALUES (:package, :name, :checksum)"
NOTE_EXPANDING = "INSERT INTO schema_expansions (package, name) VALUES (:package, :name) ON CONFLICT DO NOTHING"

CONTRACTING = "-- contracting: "
"""How a file begins whose step contracts the schema; what goes, and why nothing needs it, follows."""
BASE = 66
"""The last number of 0.2.0. Files up to it have no marks, and no version before all of them runs beside a later one."""

_ENGINE_PART = 2  # of `0002_name.engine.sql`

Name = tuple[str, str]
"""The package and the name of a file."""


@dataclass(frozen=True)
class Applied:
    """The files that were applied to a database."""

    checksums: Mapping[Name, str] = field(default_factory=dict)
    expanding: frozenset[Name] = frozenset()
    """Those that expand, as the version said that applied them."""

    @classmethod
    def of(cls, ledger: Iterable[tuple[str, str, str]], expansions: Iterable[Name]) -> "Applied":
        """From the rows of APPLIED and EXPANDING."""
        return cls({(package, name): checksum for package, name, checksum in ledger}, frozenset(expansions))


class SchemaMismatch(StoreUnusable):
    """This version cannot work on the schema of the database, by one of the reasons `SCHEMA_…`."""

    def __init__(self, reason: Reason.ValueType, files: Iterable[str], **parameters: str) -> None:
        self.reason = reason
        super().__init__(refusal(Refused(reason, **listed(files=files), **parameters)))


class SchemaOutdated(SchemaMismatch):
    """The database lacks files that this version needs; `migrate` applies them."""

    def __init__(self, pending: Sequence["Migration"], command: str = "migrate") -> None:
        """`command` brings the schema up to date."""
        self.pending = pending
        super().__init__(Reason.REASON_SCHEMA_OUTDATED, map(str, pending), command=command)

    def advice(self, command: str) -> str:
        """The text for people, with the command that brings the schema up to date."""
        return str(SchemaOutdated(self.pending, command))


class MigrationFailed(StoreUnusable):
    """The engine refused a file. Nothing of that file was kept."""

    def __init__(self, migration: "Migration", error: Exception) -> None:
        told = str(error).strip().partition("\n")[0]
        super().__init__(f"{migration} cannot be applied: {told}. Nothing of it was kept")


@dataclass(frozen=True)
class Migration:
    """A numbered SQL file of a package."""

    package: str
    name: str
    sql: str

    def __str__(self) -> str:
        return f"{self.package}/{self.name}"

    @property
    def key(self) -> Name:
        """Its key in the ledger."""
        return self.package, self.name

    @property
    def checksum(self) -> str:
        """SHA-256 of the file, hexadecimal."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def number(self) -> int:
        """Its number."""
        return int(self.name.partition("_")[0])

    @property
    def is_contracting(self) -> bool:
        """Whether it takes away what only older versions need."""
        return self.sql.startswith(CONTRACTING)

    @property
    def engine(self) -> str:
        """The only engine of the file; empty for a file that serves all."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > _ENGINE_PART else ""


@dataclass(frozen=True)
class SchemaState:
    """A database's schema as this version finds it."""

    absent: Sequence[Migration]
    """The files of this version that are not applied, in order."""
    ahead: Sequence[str]
    """The files of a later version, all of them expanding, by package and name."""
    is_empty: bool
    """Whether nothing was applied yet."""

    @property
    def missing(self) -> Sequence[Migration]:
        """The files without which this version cannot work, in order."""
        return [each for each in self.absent if not each.is_contracting]

    @property
    def contracting(self) -> Sequence[Migration]:
        """The contracting files that are not applied. This version works with them and without."""
        return [each for each in self.absent if each.is_contracting]

    def steps(self, *, contract: bool) -> Sequence[Migration]:
        """The files to apply, in order. An empty database gets all, since no older version works on it."""
        return self.absent if contract or self.is_empty else self.missing

    def breaking(self, steps: Iterable[Migration]) -> list[Migration]:
        """Those of some files on which an older version cannot work; none for an empty database."""
        return [] if self.is_empty else [each for each in steps if each.is_contracting or each.number <= BASE]


def migrations_of(*packages: str) -> list[Migration]:
    """The SQL files in the `schema` folders of packages, in the order of packages, then of their numbers."""
    found: list[Migration] = []
    for package in packages:
        folder = resources.files(package) / "schema"
        names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
        found += [Migration(package, name, (folder / name).read_text("utf-8")) for name in names]
    return found


def newest(migrations: Iterable[Migration]) -> int:
    """The highest number of some files: what a process says of itself, so that nothing that it needs is taken away."""
    return max((each.number for each in migrations), default=0)


def state_of(applied: Applied, migrations: Sequence[Migration], engine: str) -> SchemaState:
    """A database's schema as this version finds it. Raises SchemaMismatch for one on which it cannot work at all."""
    wanted = [migration for migration in migrations if migration.engine in ("", engine)]
    later = sorted(applied.checksums.keys() - {migration.key for migration in wanted})
    if breaking := [each for each in later if each not in applied.expanding]:
        raise SchemaMismatch(Reason.REASON_SCHEMA_CONTRACTED, map("/".join, breaking))
    if altered := [str(each) for each in wanted if applied.checksums.get(each.key, each.checksum) != each.checksum]:
        raise SchemaMismatch(Reason.REASON_SCHEMA_ALTERED, altered)
    absent = [each for each in wanted if each.key not in applied.checksums]
    return SchemaState(absent, list(map("/".join, later)), not applied.checksums)


def require_workable(applied: Applied, migrations: Sequence[Migration], engine: str) -> SchemaState:
    """The same for a version that is to work on it. Raises SchemaMismatch, SchemaOutdated where files are missing."""
    state = state_of(applied, migrations, engine)
    if state.missing:
        raise SchemaOutdated(state.missing)
    return state


def unnoted(applied: Applied, migrations: Iterable[Migration], engine: str) -> list[Name]:
    """The files of this version that expand, and are not known as such in the database."""
    expanding = {each.key for each in migrations if not each.is_contracting and each.engine in ("", engine)}
    return sorted(expanding - applied.expanding)
