"""A consistent copy of a database in a directory, made while the program serves, with a manifest of its content.

SQLite copies its pages in one read transaction. PostgreSQL copies the files of the whole server, with its log up to a
mark. Where no moment between two copies is wanted, it dumps the rows of one snapshot.
"""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from gateway.auditing import audit
from gateway.backups.encoding import decoded, encoded
from gateway.backups.refused import CopyFailed
from gateway.backups.replaying import EVERYTHING, Moment, Reach, replay
from gateway.backups.room import require_free
from gateway.backups.server_copies import FILES, CopiedServer, complete, copy_files, served
from gateway.backups.server_log import ServerLog, lay_out
from gateway.backups.server_programs import run
from gateway.process.files import create_file
from gateway.store import agreed_time, postgresql_schema, timeline
from gateway.store.opening import DatabasePlace
from gateway.store.port import Transaction
from gateway.store.sqlite import FileLock
from gateway.store.timeline import Position
from gateway.wording.languages import enumerated, translated

SQLITE_COPY = "database.sqlite"
POSTGRESQL_DUMP = "database.dump"
MANIFEST = "manifest.json"
ARCHIVE = "archive"
_LOGS = ("-wal", "-journal")  # what SQLite has beside a file
_COUNT = "SELECT COUNT(*) FROM {}"
_SQLITE_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
_POSTGRESQL_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename"
_TABLESPACES = "SELECT COUNT(*) FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')"
# What this role may see of it, at least.
_SIZE = """SELECT CAST(SUM(CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) END) AS BIGINT)
FROM pg_database"""
# Tables about the processes of the moment, which say nothing of the data.
_OF_PROCESSES = frozenset({"store_writers"})


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
    """The last commit of a database that archives its commits, by `gateway.store.timeline`; of PostgreSQL the position
    in its log, by `gateway.backups.server_log`."""
    database: str = ""
    """The name of the database in a copy of a whole server."""
    role: str = ""
    """The role that owns it."""

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


def take(place: DatabasePlace, directory: Path, member: str, now: datetime, log: ServerLog | None = None) -> Manifest:
    """Copies the database into a directory, which is there and empty. `now` is aware.

    `log`: that of its server, with all of it from now on. Raises CopyFailed, OSError, DatabaseMoved or
    DatabaseUnreachable.
    """
    if log is not None:
        manifest = _copy_server(place, directory, member, log)
    else:
        copy = _copy_file if place.postgresql is None else _dump
        manifest = copy(place, directory, member, now)
    manifest.write(directory)
    return manifest


def require_absent(place: DatabasePlace) -> None:
    """Raises CopyFailed where `put_back` would: a database, or a log of one, is there already.

    Raises DatabaseInUse, DatabaseUnreachable or OSError, too.
    """
    if place.postgresql is not None:
        _require_empty(place)
        return
    with _locked(place):
        pass


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
        return manifest
    _require_empty(place)
    if (directory / FILES).is_dir():
        with recovered(directory, moment) as (manifest, server):
            _dump_rows(server, directory)
    elif moment.time is not None:
        raise CopyFailed(translated("{file}: was copied before commits were archived", file=POSTGRESQL_DUMP))
    _load(directory / POSTGRESQL_DUMP, place)
    compare(manifest, place)
    place.begin_timeline(now)
    return manifest


@contextmanager
def recovered(directory: Path, moment: Moment = EVERYTHING) -> Iterator[tuple[Manifest, DatabasePlace]]:
    """A server for as long as the context is, of a copy of one, brought to a moment; and what its database holds.

    Raises CopyFailed, where the content differs too, or OSError.
    """
    manifest, copy, archive = Manifest.read(directory), CopiedServer(directory / FILES), directory / ARCHIVE
    copy.verify()
    if not archive.is_dir():
        moment = Moment(commits=manifest.commits)
    lay_out(archive / manifest.timeline, copy.log)
    commit = copy.commit_at(manifest.position, Reach.read(archive), moment)
    with served(copy, commit, manifest.database, manifest.role) as server:
        found = manifest
        if moment.commits != manifest.commits:
            found = replace(
                described(server, manifest.member, commit.time), timeline=manifest.timeline, commits=commit.place
            )
        compare(found, server)
        yield found, server


def position_of(place: DatabasePlace) -> Position | None:
    """The last commit of a database that archives its commits. Raises DatabaseMoved or DatabaseUnreachable."""
    with place.look() as tx:
        return timeline.position(tx) if timeline.TABLE in _tables(tx, place.engine) else None


def agreed_now(place: DatabasePlace) -> datetime:
    """The time of this machine, or the last that the processes of a database have agreed on, which is earlier.

    Raises DatabaseMoved or DatabaseUnreachable.
    """
    now = datetime.now(UTC)
    with place.look() as tx:
        agreed = agreed_time.last_agreed(tx) if agreed_time.TABLE in _tables(tx, place.engine) else None
    return now if agreed is None else min(now, agreed)


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


def described(place: DatabasePlace, member: str, now: datetime, log: ServerLog | None = None) -> Manifest:
    """The manifest of a database at present. Raises DatabaseMoved or DatabaseUnreachable."""
    if log is not None:
        with log.marked() as mark:
            return _manifest(mark.tx, place.engine, member, mark.time, mark.position)
    with place.look() as tx:
        return _manifest(tx, place.engine, member, now)


def compare(manifest: Manifest, place: DatabasePlace) -> None:
    """Verifies the audit chain of a database, and compares it and all tables with a manifest. Raises CopyFailed."""
    with place.look() as tx:
        found = _manifest(tx, place.engine, manifest.member, manifest.time)
        try:
            head = audit.verify(audit.rows(tx))
        except audit.ChainBroken as error:
            raise CopyFailed(f"{place}: {error}") from error
    require_same(manifest, replace(found, audit_rows=head.sequence, audit_hash=head.hash.hex()), place)


def require_same(manifest: Manifest, found: Manifest, place: DatabasePlace) -> None:
    """Raises CopyFailed where a database, as another manifest describes it, differs in a table or its audit chain."""
    names = {*found.tables, *manifest.tables}
    others = sorted(name for name in names if found.tables.get(name) != manifest.tables.get(name))
    if others or (found.audit_rows, found.audit_hash) != (manifest.audit_rows, manifest.audit_hash):
        told = enumerated(others) or "audit"
        raise CopyFailed(translated("{database}: differs from its manifest in {tables}", database=place, tables=told))


def _copy_file(place: DatabasePlace, directory: Path, member: str, now: datetime) -> Manifest:
    copied = DatabasePlace(directory / SQLITE_COPY)
    if place.file.exists():
        require_free(directory, place.file.stat().st_size)
    create_file(copied.file, b"")
    place.copy_file(copied.file)
    with closing(sqlite3.connect(copied.file)) as copy:
        _require_whole(copy, place)
    return described(copied, member, now)


def _dump(place: DatabasePlace, directory: Path, member: str, now: datetime) -> Manifest:
    with place.look() as tx:
        snapshot = tx.first(str, "SELECT pg_export_snapshot()")
        manifest = _manifest(tx, place.engine, member, now)
        require_free(directory, tx.first(int, "SELECT pg_database_size(current_database())") or 0)
        _dump_rows(place, directory, f"--snapshot={snapshot}")
    return manifest


def _copy_server(place: DatabasePlace, directory: Path, member: str, log: ServerLog) -> Manifest:
    assert place.postgresql is not None
    with log.marked() as mark:
        version = mark.version
        if mark.tx.first(int, _TABLESPACES):
            raise CopyFailed(
                translated(
                    "{database}: its server has tablespaces of its own, which no copy takes: move their tables, or set"
                    " backup.point_in_time = false for copies by pg_dump",
                    database=place,
                )
            )
        size = mark.tx.first(int, _SIZE) or 0
    require_free(directory, size)
    copy = copy_files(place.postgresql.conninfo, directory / FILES, version)
    with log.marked() as mark:
        manifest = _manifest(mark.tx, place.engine, member, mark.time, mark.position)
        database, role = mark.tx.first(str, "SELECT current_database()"), mark.tx.first(str, "SELECT current_user")
        manifest = replace(manifest, database=database or "", role=role or "")
    complete(copy, log, manifest.position)
    return manifest


def _dump_rows(place: DatabasePlace, directory: Path, *options: str) -> None:
    assert place.postgresql is not None
    words = ("--format=custom", "--compress=0", "--no-owner", "--no-acl", *options)
    run("pg_dump", *words, f"--file={directory / POSTGRESQL_DUMP}", conninfo=place.postgresql.conninfo)


@contextmanager
def _locked(place: DatabasePlace) -> Iterator[None]:
    """The place of a file without a database, for this process alone. Raises CopyFailed with each file in the way."""
    place.make_directory()
    lock = FileLock(place.file)
    try:
        # SQLite would read a log that a killed process has left as if it were of the restored file.
        files = [place.file, *(Path(f"{place.file}{end}") for end in _LOGS)]
        found = [each for each in files if each.exists() and each.stat().st_size]
        if found:
            told = (translated("{database}: is there already; move it away first", database=each) for each in found)
            raise CopyFailed("\n".join(told))
        yield
    finally:
        lock.release()


def _put_file(copy: Path, place: DatabasePlace) -> None:
    with _locked(place):
        with closing(sqlite3.connect(copy)) as source:
            _require_whole(source, place)
            source.execute("PRAGMA journal_mode=DELETE")  # a file by itself
        os.replace(copy, place.file)


def _require_empty(place: DatabasePlace) -> None:
    assert place.postgresql is not None
    with place.look() as tx:
        if tx.first(str, _POSTGRESQL_TABLES) is not None:
            raise CopyFailed(translated("{database}: is not empty; name an empty one", database=place))


def _load(dump: Path, place: DatabasePlace) -> None:
    assert place.postgresql is not None
    options = ("--no-owner", "--no-acl", "--single-transaction", "--exit-on-error")
    run("pg_restore", *options, str(dump), conninfo=place.postgresql.conninfo)


def _require_whole(connection: sqlite3.Connection, place: DatabasePlace) -> None:
    try:
        (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        raise CopyFailed(f"{place}: {error}") from error
    if found != "ok":
        raise CopyFailed(f"{place}: {found}")


def _manifest(tx: Transaction, engine: str, member: str, now: datetime, position: Position | None = None) -> Manifest:
    head, tables = audit.head(tx), _described(tx, engine)
    if position is None and timeline.TABLE in tables:
        position = timeline.position(tx)
    found = position or Position("", 0)
    return Manifest(member, engine, now, tables, head.sequence, head.hash.hex(), found.timeline, found.commits)


def _described(tx: Transaction, engine: str) -> dict[str, int]:
    return {name: _rows(tx, name) for name in _tables(tx, engine)}


def _tables(tx: Transaction, engine: str) -> Iterator[str]:
    names = tx.all(str, _POSTGRESQL_TABLES if engine == postgresql_schema.ENGINE else _SQLITE_TABLES)
    return (name for name in names if name not in _OF_PROCESSES)


def _rows(tx: Transaction, name: str) -> int:
    return tx.first(int, _COUNT.format(name)) or 0
