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

from gateway.backups.refused import ArchiveGap, CopyFailed, LogWithheld
from gateway.backups.replaying import Reach
from gateway.backups.room import require_free
from gateway.backups.server_programs import APPLICATION, ENVIRONMENT, command, missing, run
from gateway.store.commit_archive import FOREIGN_SECONDS, ArchivePlace
from gateway.store.opening import DatabasePlace, DatabaseUnreachable
from gateway.store.port import Transaction
from gateway.store.postgresql_connecting import KEEPALIVES, completed, connect, frozen_wait
from gateway.store.postgresql_connection import SERIAL_LOCK, PostgresqlTransaction
from gateway.store.postgresql_schema import Connection
from gateway.store.timeline import Position
from gateway.wording.languages import translated

_PARTIAL = ".partial"
_SEGMENT = re.compile(rf"([0-9A-F]{{8}})([0-9A-F]{{8}})([0-9A-F]{{8}})(?:\{_PARTIAL})?")
_COMMIT = re.compile(r"lsn: ([0-9A-F]+)/([0-9A-F]+),.* desc: COMMIT (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) UTC")
_HALF = 1 << 32  # the two numbers of a position, as PostgreSQL writes it
_OF_VERSION = 10_000  # 150004 is 15.4
# A lost machine must leave nothing at the server: neither its connection nor what that holds.
_SESSION = f"""SET synchronous_commit = local; SET lock_timeout = '30s'; SET statement_timeout = 0; {KEEPALIVES};
SET idle_session_timeout = '60s'""".encode()
# A transaction of its own, whose commit ends up on disk with all of the log before it.
_NOTE = "SELECT pg_logical_emit_message(true, 'crossregion', 'backup')"
_LOOK = """SELECT CAST(pg_current_wal_insert_lsn() - '0/0' AS BIGINT), clock_timestamp(),
    (SELECT system_identifier FROM pg_control_system()), left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)"""
# One message: the server releases the lock by itself, whatever becomes of this process or the network meanwhile. The
# snapshot comes behind the lock, so not in the transaction that waits for it.
_MARK = f"""BEGIN; SELECT pg_advisory_lock({SERIAL_LOCK}); COMMIT; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
{_LOOK}; SELECT pg_advisory_unlock({SERIAL_LOCK})"""
_BEFORE_LOOK = 4  # results
_FLUSHED = """SELECT CAST(pg_current_wal_flush_lsn() - '0/0' AS BIGINT),
    pg_size_bytes(current_setting('wal_segment_size'))"""
_SLOT = """SELECT COALESCE(wal_status, ''), CAST(restart_lsn - '0/0' AS BIGINT)
    FROM pg_replication_slots WHERE slot_name = %s"""
_LOST = "lost"


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


@dataclass(frozen=True)
class _Served:
    """What a server has of its log."""

    flushed: int
    """The position up to which it is on its disk."""
    segment_bytes: int
    version: int
    has_slot: bool
    is_lost: bool
    """Whether it has removed what the slot should have kept."""
    kept: int | None
    """The position from which the slot keeps it."""


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
            found = connection.execute(_MARK.encode())
            for _ in range(_BEFORE_LOOK):
                found.nextset()
            number, now, server, history = _row(found)
            assert isinstance(number, int)
            assert isinstance(now, datetime)
            position = Position(f"{server}-{int(str(history), 16)}", number)
            version = connection.info.server_version // _OF_VERSION
            yield Mark(PostgresqlTransaction(connection), position, now.astimezone(UTC), version)

    def prepare(self, copied: Position) -> bool:
        """Has the log from now on, for the copy that follows: behind the last copy (True), or anew where it has a gap.

        Any other failure leaves the archive and its slot as they are: it may pass. Raises CopyFailed, LogWithheld,
        DatabaseUnreachable or OSError.
        """
        try:
            reach = self.reach()
            self.require_whole(copied, reach.position)
            return True
        except ArchiveGap:
            self._begin_anew()
        return False

    def reach(self) -> Reach:
        """Has the log up to now within its room, and says how far that is. Raises as `receive` does."""
        with self.marked() as mark:
            pass
        self.receive(mark.position, is_bounded=True)
        return Reach(mark.time, mark.position.timeline, mark.position.commits)

    def receive(self, position: Position, *, is_bounded: bool = False) -> None:
        """Takes from the server what is not here, up to a position at least.

        `is_bounded`: no more than the archive has room for. A copy needs the log of its own time in any case.
        Raises ArchiveGap where the server has it no more, or the archive has no room for it; LogWithheld, CopyFailed,
        DatabaseUnreachable or OSError.
        """
        directory = self.directory(position.timeline)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        served = self._look()
        if not served.has_slot:
            if (refusal := replication_refusal(self._place)) is not None:
                raise LogWithheld(refusal)
            self._slot("--create-slot", served.version)
            served = self._look()
        first = self._first_missing(directory, served, is_bounded=is_bounded)
        # The program goes on until it has something behind the place that it is given.
        end = f"--endpos={told_place(served.flushed - 1)}"
        words = ("--no-password", "--no-loop", f"--slot={self.slot}", f"--directory={directory}", end)
        try:
            run("pg_receivewal", *words, conninfo=self._conninfo, version=served.version)
        except CopyFailed as error:
            if (refusal := replication_refusal(self._place)) is not None:
                raise CopyFailed(refusal) from error
            if served.kept is not None and first < served.kept // served.segment_bytes:
                raise ArchiveGap(str(error)) from error  # the slot is newer than the files: nobody keeps it for them
            raise

    def _first_missing(self, directory: Path, served: _Served, *, is_bounded: bool) -> int:
        """The number of the first file that is not here, or not whole.

        Raises ArchiveGap for what can never be whole here, and CopyFailed where the disk has no room for it.
        """
        if served.is_lost:
            raise ArchiveGap(translated("slot {slot}: the server has removed what was not archived", slot=self.slot))
        size, files = served.segment_bytes, segments(directory)
        last = served.flushed // size
        first = (served.flushed if served.kept is None else served.kept) // size
        oldest = files[0].number(size) if files else first
        if files:
            first = files[-1].number(size) + (0 if files[-1].is_partial else 1)
        if is_bounded:
            self._require_room((last + 1 - oldest) * size)
        require_free(directory, max(last + 1 - first, 0) * size)
        return first

    def _require_room(self, size: int) -> None:
        if size > self._archive.most_bytes:
            raise ArchiveGap(
                translated(
                    "{directory}: has the {bytes:,} bytes that it may take",
                    directory=self._archive.directory,
                    bytes=self._archive.most_bytes,
                )
            )

    def require_whole(self, start: Position, end: Position) -> None:
        """Raises ArchiveGap where the files do not go from one position to another, or have no room; OSError."""
        if start.timeline != end.timeline:
            raise ArchiveGap(translated("the archive does not continue the last copy: the server begins anew since"))
        files = segments(self.directory(end.timeline))
        size = files[0].path.stat().st_size if files else 0
        numbers = {each.number(size) for each in files}
        if not size or not numbers.issuperset(range(start.commits // size, end.commits // size + 1)):
            raise ArchiveGap(
                translated(
                    "the archive lacks a part of the log from {first} to {last}",
                    first=told_place(start.commits),
                    last=told_place(end.commits),
                )
            )
        self._require_room(len(files) * size)

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
        """Forgets the files of the present history, and what its slot keeps; has the log from now on."""
        with self.marked() as mark:
            has_slot = mark.tx.first(int, "SELECT 1 FROM pg_replication_slots WHERE slot_name = :slot", slot=self.slot)
        if has_slot:
            self._slot("--drop-slot", mark.version)  # fails where another process receives by it
        remove(self.directory(mark.position.timeline))
        self.receive(mark.position)

    def _look(self) -> _Served:
        with self._talking() as connection:
            connection.execute(_NOTE)  # begins behind any position so far, and has the log before it written
            flushed, size = _row(connection.execute(_FLUSHED.encode()))
            slot = connection.execute(_SLOT, [self.slot]).fetchone()
            version = connection.info.server_version // _OF_VERSION
        assert isinstance(flushed, int)
        assert isinstance(size, int)
        state, kept = slot or ("", None)
        assert kept is None or isinstance(kept, int)
        return _Served(flushed, size, version, slot is not None, state == _LOST, kept)

    def _slot(self, verb: str, version: int) -> None:
        run("pg_receivewal", verb, "--no-password", f"--slot={self.slot}", conninfo=self._conninfo, version=version)

    @contextmanager
    def _talking(self) -> Iterator[Connection]:
        try:
            with connect(self._conninfo, APPLICATION) as connection:
                connection.execute(_SESSION)
                connection.execute(frozen_wait())
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

    @property
    def is_partial(self) -> bool:
        """Whether more of it may come."""
        return self.path.name.endswith(_PARTIAL)

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


def replication_refusal(place: DatabasePlace) -> str | None:
    """The refusal, with the remedy, of a server that gives its log to nobody of this role; None for one that does."""
    if (problem := replication_problem(place)) is None:
        return None
    return translated(
        "{database}: gives its log to nobody of this role ({problem}). {todo}",
        database=place,
        problem=problem,
        todo=to_permit(),
    )


def remove(path: Path) -> None:
    """Removes a file or a directory, if it is there. Raises OSError."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _row(cursor: "psycopg.Cursor[tuple[object, ...]]") -> tuple[object, ...]:
    row = cursor.fetchone()
    assert row is not None
    return row
