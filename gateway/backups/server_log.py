"""The write-ahead log of a PostgreSQL server, in files beside a process: the archive of its commits.

A replication slot keeps at the server what is not here yet, so no commit is missed between two looks. A position counts
the bytes of the log: the database at a position has all commits that begin before it. Each history of a server, by its
id and its own timeline, has a directory of its own.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import psycopg

from gateway.backups.refused import CopyFailed
from gateway.backups.replaying import Reach
from gateway.backups.server_programs import APPLICATION, ENVIRONMENT, command, missing, run
from gateway.store.commit_archive import FOREIGN_SECONDS, ArchivePlace
from gateway.store.opening import DatabasePlace, DatabaseUnreachable
from gateway.store.port import Transaction
from gateway.store.postgresql_connecting import completed, connect
from gateway.store.postgresql_connection import SERIAL_LOCK, PostgresqlTransaction
from gateway.store.postgresql_schema import Connection
from gateway.store.timeline import Position
from gateway.wording.languages import translated

_PARTIAL = ".partial"
_SEGMENT = re.compile(rf"([0-9A-F]{{8}})([0-9A-F]{{8}})([0-9A-F]{{8}})(?:\{_PARTIAL})?")
_COMMIT = re.compile(r"lsn: ([0-9A-F]+)/([0-9A-F]+),.* desc: COMMIT (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) UTC")
_HALF = 1 << 32  # the two numbers of a position, as PostgreSQL writes it
_OF_VERSION = 10_000  # 150004 is 15.4
_SESSION = "SET synchronous_commit = local; SET lock_timeout = '30s'; SET statement_timeout = 0"
# A transaction of its own, whose commit ends up on disk with all of the log before it.
_NOTE = "SELECT pg_logical_emit_message(true, 'crossregion', 'backup')"
_LOOK = """SELECT CAST(pg_current_wal_insert_lsn() - '0/0' AS BIGINT), clock_timestamp(),
    (SELECT system_identifier FROM pg_control_system()), left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)"""
_FLUSHED = "SELECT CAST(pg_current_wal_flush_lsn() - '0/0' AS BIGINT)"
_SLOT = "SELECT FROM pg_replication_slots WHERE slot_name = %s"


@dataclass(frozen=True)
class LoggedCommit:
    """A commit in the log of a server, of any of its databases."""

    place: int
    """Where its record begins, in bytes."""
    time: datetime
    """By the clock of the server; aware."""


@dataclass(frozen=True)
class Mark:
    """A snapshot of a database, whose position in the log is known."""

    tx: Transaction
    position: Position
    time: datetime
    """By the clock of the server; aware."""
    version: int
    """The major version of the server."""


class ServerLog:
    """The log of the server of one member's database. Used by one command at a time."""

    def __init__(self, place: DatabasePlace, archive: ArchivePlace, member: str) -> None:
        """`member` is the URI of the member, by which its slot is named: one for all its processes."""
        assert place.postgresql is not None
        self._place = place
        self._conninfo = place.postgresql.conninfo
        self._archive = archive
        self.slot = slot_of(member)

    @contextmanager
    def marked(self) -> Iterator[Mark]:
        """A snapshot between two commits of the region. Commits may follow while it is read.

        Raises DatabaseUnreachable.
        """
        with self._talking() as connection:
            connection.execute(_NOTE)  # so that a commit lies between a copy and this position
            connection.execute(f"SELECT pg_advisory_lock({SERIAL_LOCK})".encode())
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            number, now, server, history = _first(connection, _LOOK)
            connection.execute(f"SELECT pg_advisory_unlock({SERIAL_LOCK})".encode())
            assert isinstance(number, int)
            assert isinstance(now, datetime)
            position = Position(f"{server}-{int(str(history), 16)}", number)
            version = connection.info.server_version // _OF_VERSION
            yield Mark(PostgresqlTransaction(connection), position, now.astimezone(UTC), version)

    def prepare(self, copied: Position) -> bool:
        """Has the log from now on, for the copy that follows: behind the last copy (True), or anew where it has a gap.

        Raises CopyFailed or DatabaseUnreachable.
        """
        try:
            reach = self.reach()
            self.require_whole(copied, reach.position)
            return True
        except CopyFailed:
            require_replication(self._place)
        self._begin_anew()
        self.reach()
        return False

    def reach(self) -> Reach:
        """Has the log up to now, and says how far that is. Raises CopyFailed or DatabaseUnreachable."""
        with self.marked() as mark:
            pass
        self.receive(mark.position)
        return Reach(mark.time, mark.position.timeline, mark.position.commits)

    def receive(self, position: Position) -> None:
        """Takes from the server what is not here, up to a position at least.

        Raises CopyFailed, also where the server has it no more; DatabaseUnreachable or OSError.
        """
        directory = self.directory(position.timeline)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._talking() as connection:
            connection.execute(_NOTE)  # begins behind the position, and has the log before it written
            (flushed,) = _first(connection, _FLUSHED)
            has_slot = connection.execute(_SLOT, [self.slot]).rowcount == 1
            version = connection.info.server_version // _OF_VERSION
        assert isinstance(flushed, int)
        if not has_slot:
            require_replication(self._place)
            self._slot("--create-slot", version)
        # The program goes on until it has something behind the place that it is given.
        end = f"--endpos={told_place(flushed - 1)}"
        words = ("--no-password", "--no-loop", f"--slot={self.slot}", f"--directory={directory}", end)
        run("pg_receivewal", *words, conninfo=self._conninfo, version=version)

    def require_whole(self, start: Position, end: Position) -> None:
        """Raises CopyFailed where the files do not go from one position to another, or have no room; OSError."""
        if start.timeline != end.timeline:
            raise CopyFailed(translated("the archive does not continue the last copy: the server begins anew since"))
        files = segments(self.directory(end.timeline))
        size = files[0].path.stat().st_size if files else 0
        numbers = {each.number(size) for each in files}
        if not size or not numbers.issuperset(range(start.commits // size, end.commits // size + 1)):
            raise CopyFailed(
                translated(
                    "the archive lacks a part of the log from {first} to {last}",
                    first=told_place(start.commits),
                    last=told_place(end.commits),
                )
            )
        if len(files) * size > self._archive.most_bytes:
            raise CopyFailed(
                translated(
                    "{directory}: has the {bytes:,} bytes that it may take",
                    directory=self._archive.directory,
                    bytes=self._archive.most_bytes,
                )
            )

    def prune(self, position: Position) -> None:
        """Removes the files that hold nothing behind a position, and what is of other histories and old.

        Raises OSError.
        """
        own = self.directory(position.timeline)
        for each in segments(own):
            if each.number(size := each.path.stat().st_size) < position.commits // size:
                each.path.unlink()
        for path in self._archive.directory.iterdir():
            if path != own and path.stat().st_mtime < time.time() - FOREIGN_SECONDS:
                remove(path)

    def directory(self, timeline: str) -> Path:
        """The directory of a history."""
        return self._archive.directory / timeline

    def _begin_anew(self) -> None:
        """Forgets the files of the present history, and what its slot keeps."""
        with self.marked() as mark:
            has_slot = mark.tx.first(int, "SELECT 1 FROM pg_replication_slots WHERE slot_name = :slot", slot=self.slot)
        if has_slot:
            self._slot("--drop-slot", mark.version)  # fails where another process receives by it
        remove(self.directory(mark.position.timeline))

    def _slot(self, verb: str, version: int) -> None:
        run("pg_receivewal", verb, "--no-password", f"--slot={self.slot}", conninfo=self._conninfo, version=version)

    @contextmanager
    def _talking(self) -> Iterator[Connection]:
        try:
            with connect(self._conninfo, APPLICATION) as connection:
                connection.execute(_SESSION)
                yield connection
        except psycopg.Error as error:  # a provider may forbid a function, too
            raise DatabaseUnreachable(f"{self._place}: {str(error).strip()}") from error


@dataclass(frozen=True)
class LogFile:
    """A file of a server's log, the last of which may have room left."""

    path: Path

    @property
    def name(self) -> str:
        """The name by which a server reads it."""
        return self.path.name.removesuffix(_PARTIAL)

    def number(self, size: int) -> int:
        """Its number in the log, of which each file has this many bytes."""
        return int(self.name[8:16], 16) * (_HALF // size) + int(self.name[16:], 16)


def slot_of(member: str) -> str:
    """The name of the replication slot of a member."""
    return f"crossregion_{sha256(member.encode()).hexdigest()[:16]}"


def segments(directory: Path) -> list[LogFile]:
    """The files of a log, in their order; one that has become whole counts alone. Raises OSError."""
    if not directory.is_dir():
        return []
    found = {path.name.removesuffix(_PARTIAL): path for path in sorted(directory.iterdir(), reverse=True)}
    return [LogFile(path) for _, path in sorted(found.items()) if _SEGMENT.fullmatch(path.name)]


def lay_out(log: Path, target: Path, start: int = 0) -> None:
    """Copies the files of a log from a position on to where a server reads them, over what is there. Raises OSError."""
    for each in segments(log):
        if each.number(size := each.path.stat().st_size) >= start // size:
            shutil.copyfile(each.path, target / each.name)


def commits_of(log: Path, timeline: str, start: int, version: int) -> Iterator[LoggedCommit]:
    """The commits in the files of a log, from a position up to the first record that is missing or torn.

    Raises CopyFailed where the program is missing.
    """
    history = timeline.rpartition("-")[2]
    place = ("--path", str(log), "--timeline", history, "--start", told_place(start), "--rmgr=Transaction")
    words: Sequence[str] = command("pg_waldump", *place, version=version)
    try:
        reading = subprocess.Popen(
            words, env={**os.environ, **ENVIRONMENT}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    except FileNotFoundError:
        raise missing("pg_waldump", version) from None
    with reading:
        assert reading.stdout is not None
        for line in reading.stdout:
            if (found := _COMMIT.search(line)) is not None:
                high, low, told = found.groups()
                written = datetime.fromisoformat(told).replace(tzinfo=UTC)
                yield LoggedCommit(int(high, 16) * _HALF + int(low, 16), written)


def told_place(place: int) -> str:
    """A place in the log, as PostgreSQL writes it."""
    return f"{place // _HALF:X}/{place % _HALF:X}"


def place_of(told: str) -> int:
    """A place in the log of its text. Raises ValueError."""
    high, _, low = told.partition("/")
    return int(high, 16) * _HALF + int(low, 16)


def replication_problem(place: DatabasePlace) -> str | None:
    """The words of a server that gives its log to nobody of this role; None for one that does."""
    assert place.postgresql is not None
    try:
        psycopg.connect(completed(place.postgresql.conninfo), autocommit=True, replication="true").close()
    except psycopg.OperationalError as error:
        return str(error).strip().replace("\n", "; ")
    return None


def to_permit() -> str:
    """The remedy where a server gives its log to nobody."""
    return translated(
        "Give the role REPLICATION, and pg_hba.conf a line for `replication`. Where the server lends neither: the"
        " backups of its provider, and backup.point_in_time = false for copies by pg_dump"
    )


def require_replication(place: DatabasePlace) -> None:
    """Raises CopyFailed, with what to do, where the server gives its log to nobody of this role."""
    if (problem := replication_problem(place)) is not None:
        raise CopyFailed(
            translated(
                "{database}: gives its log to nobody of this role ({problem}). {todo}",
                database=place,
                problem=problem,
                todo=to_permit(),
            )
        )


def remove(path: Path) -> None:
    """Removes a file or a directory, if it is there. Raises OSError."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _first(connection: Connection, query: str) -> tuple[object, ...]:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row
