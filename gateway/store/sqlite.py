"""The embedded store: SQLite in WAL mode with synchronous=FULL, one writing connection, one process per file.

Operations run on the event loop and only the commit, which waits for the disk, in a thread. A statement takes
microseconds; in a thread each would wait for the interpreter's lock while the loop is busy.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process.files import make_private
from gateway.process.turns import owner
from gateway.security.region_keys import RegionKeys
from gateway.store import timeline
from gateway.store.commit_archive import ArchivePlace, CommitArchive
from gateway.store.commit_queue import CommitQueue
from gateway.store.group_commit import Outcome, finish_batch, start_batch
from gateway.store.pending_rows import RowMissing
from gateway.store.port import DatabaseInUse, Destroyed, Operation, StoreCounts, Transaction, Value
from gateway.store.schema import Migration
from gateway.store.sqlite_schema import has_table, require_current
from gateway.store.tables import Key, Parameters
from gateway.store.timeline import COUNT_COMMIT
from gateway.store.unit_of_work import UnitOfWork, UnitTransaction

T = TypeVar("T")
E = TypeVar("E")

STATEMENT_CACHE = 512  # prepared statements kept per connection: more than all named statements of a process
WATERMARK_BYTES = (
    256 * 1024 * 1024
)  # free disk below which no new work is accepted; SQLite cannot even delete on a full disk
WATERMARK_INTERVAL = 1.0  # seconds between checks of the disk
BUSY_MS = 1000  # for which a statement waits for another process's read of the file
QUERY_STEPS = 50_000_000  # instructions of SQLite in one read for a caller, about half a second: all other work waits
LOOK_STEPS = 100_000  # instructions between two looks at them
EMPTYING_BUSY_MS = 50  # for which emptying the log waits: all writers wait meanwhile
EMPTYING_REST = 1.0  # seconds until the next attempt
_log = logging.getLogger(__name__)


class SqliteTransaction(UnitTransaction):
    """An operation's view of the open transaction."""

    def __init__(
        self, connection: sqlite3.Connection, keys: RegionKeys | None = None, unit: UnitOfWork | None = None
    ) -> None:
        super().__init__(keys, unit)
        self._connection = connection
        self._changes_before = connection.total_changes

    def publish(self, event: object, *, about: str = "") -> None:
        """See the port. No other process has this database."""
        self.events.append(event)

    def has_written(self) -> bool:
        """See the port."""
        return super().has_written() or self._connection.total_changes != self._changes_before

    def _run(self, sql: str, parameters: Parameters) -> sqlite3.Cursor:
        return self._connection.execute(sql, parameters)

    def _run_many(self, sql: str, rows: Sequence[Mapping[str, Value]]) -> int:
        return self._connection.executemany(sql, rows).rowcount

    def _write_rows(self, sql: str, rows: Sequence[Key], least: int) -> None:
        before = self._connection.total_changes
        try:
            if self._connection.executemany(sql, rows).rowcount < least:
                raise RowMissing(sql)
        finally:
            self._changes_before += self._connection.total_changes - before


class SqliteDatabase:
    """A connection whose commits are on disk when they return."""

    failures: tuple[type[Exception], ...] = (sqlite3.OperationalError,)
    errors: tuple[type[Exception], ...] = (sqlite3.DatabaseError,)

    def __init__(self, path: str, keys: RegionKeys | None = None, archive: CommitArchive | None = None) -> None:
        self._path = path
        self.keys = keys
        self.archive = archive
        self._connection = _connect(path)
        self._suspect = False
        self._changes_before = 0

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection underneath."""
        return self._connection

    def begin(self) -> None:
        """See the port. After a failed fsync pages in memory cannot be trusted: the file is opened anew."""
        if self._suspect:
            fresh = _connect(self._path)
            self._connection.close()
            self._connection, self._suspect = fresh, False
            self._resume_after_failure()
        self._connection.execute("BEGIN IMMEDIATE")
        self._changes_before = self._connection.total_changes

    def commit(self) -> None:
        """See the port. The archive has the commit on return."""
        archive = self.archive if self._connection.total_changes != self._changes_before else None
        try:
            if archive is not None:
                self._connection.execute(COUNT_COMMIT)
            self._connection.execute("COMMIT")
        except sqlite3.DatabaseError:
            self._suspect = True
            raise
        if archive is not None:
            archive.add()

    def resume_archive(self) -> None:
        """Goes on with the archive, before the first write. Without one the database leaves its timeline."""
        if self.archive is None:
            self.leave_timeline()
            return
        with self._alone() as tx:
            found = timeline.position(tx)
            if found is None or self.archive.is_ahead_of(found):
                found = timeline.begin(tx)
        self.archive.resume(found)

    def _resume_after_failure(self) -> None:
        """A commit that failed may be in the file that was opened anew."""
        if self.archive is None:
            return
        try:
            self.resume_archive()
        except sqlite3.DatabaseError:
            self._suspect = True
            raise

    def leave_timeline(self) -> None:
        """Notes in the database that it was changed beside an archive."""
        if not has_table(self._connection, timeline.TABLE):
            return  # a database of an older version, which archives nothing
        with self._alone() as tx:
            timeline.leave(tx)

    def begin_timeline(self, restored: datetime) -> None:
        """Notes in the database when it was made of a backup."""
        if has_table(self._connection, timeline.TABLE):
            with self._alone() as tx:
                timeline.begin(tx, restored=restored)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[SqliteTransaction]:
        """A transaction that is in no archive."""
        self.begin()
        try:
            yield SqliteTransaction(self._connection)
            self._connection.execute("COMMIT")
        except sqlite3.DatabaseError:
            self.rollback()
            raise

    def rollback(self) -> None:
        """See the port."""
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.DatabaseError:
            self._suspect = True

    def transaction(self, unit: UnitOfWork | None = None) -> SqliteTransaction:
        """See the port."""
        return SqliteTransaction(self._connection, self.keys, unit)

    def empty_log(self) -> bool:
        """Moves the write-ahead log into the file and truncates it: only this overwrites deleted content.

        Returns False where a reader, or the disk, prevents it. Needs no open transaction.
        """
        try:
            self._connection.execute(f"PRAGMA busy_timeout={EMPTYING_BUSY_MS}")
            is_busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self._connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        except sqlite3.OperationalError:
            self._suspect = True
            return False
        return not is_busy

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()
        if self.archive is not None:
            self.archive.close()


def _connect(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=STATEMENT_CACHE)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    # Deleted content, above all a destroyed key, is overwritten in the file.
    connection.execute("PRAGMA secure_delete=ON")
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    return connection


class FileLock:
    """Keeps a second process away from the database file for as long as this one lives."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 32).decode() or "unknown"
            os.close(self._file)
            raise DatabaseInUse(
                f"{path} is in use by process {holder}: stop it, or give this one another database"
            ) from None
        os.ftruncate(self._file, 0)
        os.write(self._file, str(os.getpid()).encode())

    def release(self) -> None:
        """Releases the lock for the next process."""
        os.close(self._file)


class SqliteStore:
    """The store of one process. Made on the event loop that will use it."""

    is_shared = False

    def __init__(
        self,
        path: Path,
        migrations: Sequence[Migration],
        keys: RegionKeys | None = None,
        archive: ArchivePlace | None = None,
    ) -> None:
        """Opens or makes the database, for personal data with the region's keys, and goes on with its archive.

        Raises DatabaseInUse, or SchemaMismatch for a file of another version."""
        self._path = path
        with contextlib.ExitStack() as opened:
            self._lock = FileLock(path)
            opened.callback(self._lock.release)
            make_private(path)  # SQLite gives its companion files the same mode
            self._archive = None if archive is None else CommitArchive(archive.directory, path, archive.most_bytes)
            self._database = SqliteDatabase(str(path), keys, self._archive)
            opened.callback(self._database.close)
            require_current(self._database.connection, migrations)
            self._database.resume_archive()
            self._reader = _connect(str(path))
            self._reader.execute("PRAGMA query_only=ON")
            self._looks_left = 0
            self._reader.set_progress_handler(self._is_too_long, LOOK_STEPS)
            opened.pop_all()
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._disk_checked = 0.0
        self._has_room = True
        self._queue = CommitQueue(self._commit, sqlite3.DatabaseError)
        self._emptying: asyncio.TimerHandle | None = None
        # A killed process may have left destroyed content in the log.
        self._log_is_emptied(self._database.empty_log())

    def write(self, operation: Operation[T]) -> "asyncio.Future[T]":
        """See the port."""
        return self._queue.write(operation)

    async def read(self, operation: Operation[T]) -> T:
        """See the port. Runs on the event loop: a point read takes less time than handing it to a thread."""
        self._looks_left = most = QUERY_STEPS // LOOK_STEPS if owner.get() else sys.maxsize
        self._reader.execute("BEGIN")
        try:
            return operation(SqliteTransaction(self._reader, self._database.keys))
        except sqlite3.OperationalError:
            if self._looks_left < 0:
                raise Refused(Reason.REASON_QUERY_TOO_LONG) from None
            raise
        finally:
            self._looks_left = most
            self._reader.execute("COMMIT")

    def _is_too_long(self) -> bool:
        """Called by SQLite during a read; true ends the read."""
        self._looks_left -= 1
        return self._looks_left < 0

    @property
    def counts(self) -> StoreCounts:
        """See the port."""
        counts = self._queue.counts
        return counts if self._archive is None else replace(counts, not_archived=self._archive.waiting)

    def subscribe(self, event: type[E], listener: Callable[[E], None]) -> None:
        """See the port."""
        self._queue.subscribe(event, listener)

    @property
    def lost_commits(self) -> int:
        """See the port. This process has the file to itself, and it is open: nobody can put back another one."""
        return 0

    def forget_lost_commits(self, count: int) -> None:
        """See the port."""

    async def scrub(self, tables: Sequence[str], *, since: str, is_quiet: bool) -> str:
        """See the port. SQLite overwrites deleted rows at their commit; what is left stands in the log alone."""
        await self._queue.write(lambda tx: tx.publish(Destroyed()))
        return "" if self._emptying is None else "log"

    def accepts_new_work(self) -> bool:
        """See the port."""
        now = time.monotonic()
        if now - self._disk_checked > WATERMARK_INTERVAL:
            self._disk_checked = now
            self._has_room = shutil.disk_usage(self._path.parent).free > WATERMARK_BYTES
        return self._has_room

    async def close(self) -> None:
        """See the port."""
        if self._emptying is not None:
            self._emptying.cancel()
        await self._queue.close()
        self._disk.shutdown()
        self._reader.close()
        self._database.close()
        self._lock.release()

    async def _commit(self, operations: Sequence[Operation[object]]) -> list[Outcome]:
        loop = asyncio.get_running_loop()
        started = start_batch(self._database, operations)
        outcomes = await loop.run_in_executor(self._disk, finish_batch, self._database, operations, started)
        has_destroyed = any(isinstance(event, Destroyed) for each in outcomes for event in each.events)
        if has_destroyed or self._emptying is not None:
            is_empty = False
            try:
                is_empty = await loop.run_in_executor(self._disk, self._database.empty_log)
            except sqlite3.DatabaseError:
                _log.critical("the database is broken", exc_info=True)  # the commit itself is on disk
            self._log_is_emptied(is_empty)
        return outcomes

    def _log_is_emptied(self, is_empty: bool) -> None:
        """Otherwise the next commit, which comes soon, tries again."""
        if self._emptying is not None:
            self._emptying.cancel()
        self._emptying = None if is_empty else asyncio.get_running_loop().call_later(EMPTYING_REST, self._commit_anew)

    def _commit_anew(self) -> None:
        self._queue.write(lambda tx: None).add_done_callback(lambda done: done.cancelled() or done.exception())


@contextlib.contextmanager
def open_read_only(path: Path, keys: RegionKeys | None = None) -> Iterator[Transaction]:
    """A read-only transaction, for tools beside the running process of a database."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    with contextlib.closing(connection):
        connection.execute("BEGIN")
        yield SqliteTransaction(connection, keys)
