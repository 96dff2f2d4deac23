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
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar, cast

from gateway.files import make_private
from gateway.store.group_commit import Outcome, run_alone, start_batch
from gateway.store.port import Operation, Transaction, Value, store_unavailable
from gateway.store.schema import Migration, apply

T = TypeVar("T")
E = TypeVar("E")

_Waiting = tuple[Operation[object], "asyncio.Future[object]"]

BATCH_LIMIT = 256  # operations in one commit: beyond this the wait of the first outweighs the shared fsync
STATEMENT_CACHE = 512  # prepared statements kept per connection: more than all named statements of a process
WATERMARK_BYTES = (
    256 * 1024 * 1024
)  # free disk below which no new work is accepted; SQLite cannot even delete on a full disk
WATERMARK_INTERVAL = 1.0  # seconds between looks at the disk
_log = logging.getLogger(__name__)


class DatabaseInUse(Exception):
    """Another process has the database file open."""


class SqliteTransaction:
    """One operation's view of the open transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._changes_before = connection.total_changes
        self.events: list[object] = []
        self.subjects: list[str] = []

    def execute(self, sql: str, **parameters: Value) -> int:
        """See the port."""
        return self._connection.execute(sql, parameters).rowcount

    def all(self, shape: Callable[..., T], sql: str, **parameters: Value) -> list[T]:
        """See the port."""
        return [shape(*row) for row in self._connection.execute(sql, parameters)]

    def first(self, shape: Callable[..., T], sql: str, **parameters: Value) -> T | None:
        """See the port."""
        row = self._connection.execute(sql, parameters).fetchone()
        return None if row is None else shape(*row)

    def publish(self, event: object, *, about: str = "") -> None:
        """See the port. No other process has this database."""
        self.events.append(event)

    def has_written(self) -> bool:
        """See the port."""
        return self._connection.total_changes != self._changes_before


class SqliteDatabase:
    """One connection, opened so that a commit is on disk when it returns."""

    failures: tuple[type[Exception], ...] = (sqlite3.OperationalError,)

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection = _connect(path)
        self._suspect = False

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
        self._connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """See the port."""
        try:
            self._connection.execute("COMMIT")
        except sqlite3.OperationalError:
            self._suspect = True
            raise

    def rollback(self) -> None:
        """See the port."""
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.OperationalError:
            self._suspect = True

    def transaction(self) -> SqliteTransaction:
        """See the port."""
        return SqliteTransaction(self._connection)

    def close(self) -> None:
        """Lets go of the file."""
        self._connection.close()


def _connect(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=STATEMENT_CACHE)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA busy_timeout=1000")
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
        """Lets the next process in."""
        os.close(self._file)


class SqliteStore:
    """The store of one process. Made on the event loop that will use it."""

    def __init__(self, path: Path, migrations: Sequence[Migration]) -> None:
        """Opens or makes the database. Raises DatabaseInUse, or SchemaMismatch for a file of another version."""
        self._path = path
        with contextlib.ExitStack() as opened:
            self._lock = FileLock(path)
            opened.callback(self._lock.release)
            make_private(path)  # SQLite gives the files beside it the same mode
            self._database = SqliteDatabase(str(path))
            opened.callback(self._database.close)
            apply(self._database.connection, migrations)
            self._reader = _connect(str(path))
            self._reader.execute("PRAGMA query_only=ON")
            opened.pop_all()
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._closing = False
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._listeners: dict[type, list[Callable[[object], None]]] = {}
        self._disk_checked = 0.0
        self._has_room = True
        self._writer = self._loop.create_task(self._write_forever())

    def write(self, operation: Operation[T]) -> "asyncio.Future[T]":
        """See the port."""
        future: asyncio.Future[object] = self._loop.create_future()
        if self._closing:
            future.set_exception(store_unavailable())
        else:
            self._waiting.append((operation, future))
            self._arrived.set()
        return cast("asyncio.Future[T]", future)

    async def read(self, operation: Operation[T]) -> T:
        """See the port. Runs on the event loop: a point read takes less time than handing it to a thread."""
        self._reader.execute("BEGIN")
        try:
            return operation(SqliteTransaction(self._reader))
        finally:
            self._reader.execute("COMMIT")

    def subscribe(self, event: type[E], listener: Callable[[E], None]) -> None:
        """See the port."""
        self._listeners.setdefault(event, []).append(cast("Callable[[object], None]", listener))

    def accepts_new_work(self) -> bool:
        """See the port."""
        now = time.monotonic()
        if now - self._disk_checked > WATERMARK_INTERVAL:
            self._disk_checked = now
            self._has_room = shutil.disk_usage(self._path.parent).free > WATERMARK_BYTES
        return self._has_room

    async def close(self) -> None:
        """See the port."""
        self._closing = True
        self._arrived.set()
        await self._writer
        self._disk.shutdown()
        self._reader.close()
        self._database.close()
        self._lock.release()

    async def _write_forever(self) -> None:
        """Takes all that waits, up to the limit, into one commit; what arrives meanwhile is the next."""
        while self._waiting or not self._closing:
            if not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH_LIMIT))]
            try:
                outcomes = await self._commit([operation for operation, _ in batch])
            except sqlite3.DatabaseError:
                _log.critical("the database %s is broken", self._path, exc_info=True)
                outcomes = [Outcome(error=store_unavailable()) for _ in batch]
            self._settle([(future, outcome) for (_, future), outcome in zip(batch, outcomes, strict=True)])

    async def _commit(self, operations: Sequence[Operation[object]]) -> list[Outcome]:
        outcomes = start_batch(self._database, operations)
        if outcomes is not None:
            try:
                await self._loop.run_in_executor(self._disk, self._database.commit)
            except self._database.failures:
                self._database.rollback()
            else:
                return outcomes
        return await self._loop.run_in_executor(self._disk, run_alone, self._database, operations)

    def _settle(self, settled: list[tuple["asyncio.Future[object]", Outcome]]) -> None:
        """Tells listeners, then those who wait. The loop calls each listener apart, so that none can stop the store."""
        for future, outcome in settled:
            for event in outcome.events:
                for listener in self._listeners.get(type(event), ()):
                    self._loop.call_soon(listener, event)
            if future.cancelled():
                continue
            if outcome.error is not None:
                future.set_exception(outcome.error)
            else:
                future.set_result(outcome.result)


@contextlib.contextmanager
def open_read_only(path: Path) -> Iterator[Transaction]:
    """A transaction that can only read, for tools that look at a database beside its running process."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    with contextlib.closing(connection):
        connection.execute("BEGIN")
        yield SqliteTransaction(connection)
