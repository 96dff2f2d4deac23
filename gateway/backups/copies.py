"""A consistent copy of a database in a directory, made while the program serves, with a manifest of its content.

SQLite copies its pages in one read transaction. PostgreSQL dumps the rows of one snapshot, in which they are counted.
"""

import os
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from gateway.auditing import audit
from gateway.backups.encoding import decoded, encoded
from gateway.backups.refused import CopyFailed
from gateway.backups.replaying import EVERYTHING, Moment, replay
from gateway.process.files import create_file
from gateway.store import postgresql_schema, timeline
from gateway.store.opening import DatabasePlace
from gateway.store.port import Transaction
from gateway.store.postgresql_connecting import completed, connect
from gateway.store.sqlite import FileLock
from gateway.store.timeline import Position
from gateway.wording.languages import translated

SQLITE_COPY = "database.sqlite"
POSTGRESQL_DUMP = "database.dump"
MANIFEST = "manifest.json"
ARCHIVE = "archive"
_COUNT = "SELECT COUNT(*) FROM {}"
_SQLITE_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
_POSTGRESQL_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename"
# Tables about the processes of the moment, which say nothing of the data.
_OF_PROCESSES = frozenset({"store_writers"})
# The variables of libpq for what a connection text may name: a password is then in no list of processes.
_VARIABLES = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "passfile": "PGPASSFILE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "options": "PGOPTIONS",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}


@dataclass(frozen=True)
class Manifest:
    """The content of a copy."""

    member: str
    """The URI of the member whose database it is."""
    engine: str
    time: datetime
    """Time of the copy; what was committed later is not in it."""
    tables: Mapping[str, int]
    """The number of rows by table."""
    audit_rows: int
    audit_hash: str
    """The end of the audit chain, in hexadecimal."""
    timeline: str = ""
    commits: int = 0
    """The last commit of a database that archives its commits, by `gateway.store.timeline`."""

    @property
    def position(self) -> Position:
        """The last commit."""
        return Position(self.timeline, self.commits)

    def write(self, directory: Path) -> None:
        """Raises OSError."""
        create_file(directory / MANIFEST, encoded(self))

    @classmethod
    def read(cls, directory: Path) -> "Manifest":
        """Raises CopyFailed for a missing or damaged one."""
        try:
            return decoded(cls, (directory / MANIFEST).read_bytes())
        except (OSError, ValueError, TypeError) as error:
            raise CopyFailed(translated("the copy has no manifest that can be read: {error}", error=error)) from error


def take(place: DatabasePlace, directory: Path, member: str, now: datetime) -> Manifest:
    """Copies the database into a directory, which is there and empty. `now` is aware.

    Raises CopyFailed, OSError, DatabaseMoved or DatabaseUnreachable.
    """
    manifest = _dump(place, directory, member, now) if place.postgresql else _copy_file(place, directory, member, now)
    manifest.write(directory)
    return manifest


def put_back(directory: Path, place: DatabasePlace, now: datetime, moment: Moment = EVERYTHING) -> Manifest:
    """Makes the database of a copy, compares it with the manifest, and returns what it holds. `now` is aware.

    Where the directory has an archive of commits too, the database is brought to a moment. It is in another timeline
    then and says when it was restored.

    Raises CopyFailed where a database is there already, or differs, OSError, DatabaseInUse or DatabaseUnreachable.
    """
    manifest = Manifest.read(directory)
    if manifest.engine != place.engine:
        raise CopyFailed(translated("{database}: the copy is one of {engine}", database=place, engine=manifest.engine))
    if place.postgresql is None:
        copied = DatabasePlace(directory / SQLITE_COPY)
        compare(manifest, copied)
        if (directory / ARCHIVE).is_dir():
            manifest = _brought_to(moment, manifest, directory)
        copied.begin_timeline(now)  # before it is in its place, where a process may start
        _put_file(copied.file, place)
    else:
        _load(directory / POSTGRESQL_DUMP, place)
        compare(manifest, place)
        place.begin_timeline(now)
    return manifest


def position_of(place: DatabasePlace) -> Position | None:
    """The last commit of a database that archives its commits. Raises DatabaseMoved or DatabaseUnreachable."""
    with place.look() as tx:
        return timeline.position(tx) if timeline.TABLE in _tables(tx, place.engine) else None


def _brought_to(moment: Moment, manifest: Manifest, directory: Path) -> Manifest:
    """Replays the archive into the copy, and verifies the audit chain of what comes out."""
    copied = DatabasePlace(directory / SQLITE_COPY)
    time = replay(copied.file, directory / ARCHIVE, moment)
    with closing(sqlite3.connect(copied.file)) as file:
        _require_whole(file, copied)
    with copied.look() as tx:
        found = _manifest(tx, copied.engine, manifest.member, time or manifest.time)
    compare(found, copied)
    return found


def described(place: DatabasePlace, member: str, now: datetime) -> Manifest:
    """The manifest of a database at present. Raises DatabaseMoved or DatabaseUnreachable."""
    with place.look() as tx:
        return _manifest(tx, place.engine, member, now)


def compare(manifest: Manifest, place: DatabasePlace) -> None:
    """Verifies the audit chain of a database, and compares it and all tables with a manifest. Raises CopyFailed."""
    with place.look() as tx:
        found = _described(tx, place.engine)
        try:
            head = audit.verify(audit.rows(tx))
        except audit.ChainBroken as error:
            raise CopyFailed(f"{place}: {error}") from error
    others = sorted(name for name in {*found, *manifest.tables} if found.get(name) != manifest.tables.get(name))
    if others or (head.sequence, head.hash.hex()) != (manifest.audit_rows, manifest.audit_hash):
        names = ", ".join(others) or "audit"
        raise CopyFailed(translated("{database}: differs from its manifest in {tables}", database=place, tables=names))


def _copy_file(place: DatabasePlace, directory: Path, member: str, now: datetime) -> Manifest:
    copied = DatabasePlace(directory / SQLITE_COPY)
    create_file(copied.file, b"")
    place.copy_file(copied.file)
    with closing(sqlite3.connect(copied.file)) as copy:
        _require_whole(copy, place)
    return described(copied, member, now)


def _dump(place: DatabasePlace, directory: Path, member: str, now: datetime) -> Manifest:
    assert place.postgresql is not None
    with place.look() as tx:
        snapshot = tx.first(str, "SELECT pg_export_snapshot()")
        manifest = _manifest(tx, place.engine, member, now)
        options = ("--format=custom", "--compress=0", "--no-owner", "--no-acl", f"--snapshot={snapshot}")
        _postgresql("pg_dump", place.postgresql.conninfo, *options, f"--file={directory / POSTGRESQL_DUMP}")
    return manifest


def _put_file(copy: Path, place: DatabasePlace) -> None:
    place.make_directory()
    lock = FileLock(place.file)
    try:
        if place.file.exists() and place.file.stat().st_size:
            raise CopyFailed(translated("{database}: is there already; move it away first", database=place))
        with closing(sqlite3.connect(copy)) as source:
            _require_whole(source, place)
            source.execute("PRAGMA journal_mode=DELETE")  # a file by itself
        os.replace(copy, place.file)
    finally:
        lock.release()


def _load(dump: Path, place: DatabasePlace) -> None:
    assert place.postgresql is not None
    with connect(place.postgresql.conninfo, "crossregion-restore") as connection:
        if connection.execute(_POSTGRESQL_TABLES).fetchone() is not None:
            raise CopyFailed(translated("{database}: is not empty; name an empty one", database=place))
    options = ("--no-owner", "--no-acl", "--single-transaction", "--exit-on-error", f"--dbname={_name(place)}")
    _postgresql("pg_restore", place.postgresql.conninfo, *options, str(dump))


def _name(place: DatabasePlace) -> str:
    assert place.postgresql is not None
    return str(conninfo_to_dict(place.postgresql.conninfo).get("dbname", ""))


def _postgresql(program: str, conninfo: str, *arguments: str) -> None:
    told = conninfo_to_dict(completed(conninfo))  # of several servers the one that takes writes
    named = {_VARIABLES[key]: str(value) for key, value in told.items() if key in _VARIABLES}
    try:
        done = subprocess.run(
            [program, *arguments], env={**os.environ, **named}, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise CopyFailed(translated("{program} is not installed", program=program)) from None
    if done.returncode:
        raise CopyFailed(f"{program}: {done.stderr.strip()}")


def _require_whole(connection: sqlite3.Connection, place: DatabasePlace) -> None:
    try:
        (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        raise CopyFailed(f"{place}: {error}") from error
    if found != "ok":
        raise CopyFailed(f"{place}: {found}")


def _manifest(tx: Transaction, engine: str, member: str, now: datetime) -> Manifest:
    head, tables = audit.head(tx), _described(tx, engine)
    found = (timeline.position(tx) if timeline.TABLE in tables else None) or Position("", 0)
    return Manifest(member, engine, now, tables, head.sequence, head.hash.hex(), found.timeline, found.commits)


def _described(tx: Transaction, engine: str) -> dict[str, int]:
    return {name: _rows(tx, name) for name in _tables(tx, engine)}


def _tables(tx: Transaction, engine: str) -> Iterator[str]:
    names = tx.all(str, _POSTGRESQL_TABLES if engine == postgresql_schema.ENGINE else _SQLITE_TABLES)
    return (name for name in names if name not in _OF_PROCESSES)


def _rows(tx: Transaction, name: str) -> int:
    return tx.first(int, _COUNT.format(name)) or 0
