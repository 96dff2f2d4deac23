"""Connections to PostgreSQL: the one that writes, which finds out what became of a commit, and those that read."""

import functools
import logging
import os
import re
import secrets
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import psycopg
from psycopg import sql
from psycopg.errors import DiskFull, IdleInTransactionSessionTimeout, LockNotAvailable
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8BinaryDumper
from psycopg.types.string import StrDumper
from psycopg_pool import ConnectionPool

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import DatabaseInUse, Value
from gateway.store.postgresql_listening import CHANNEL, payloads
from gateway.store.postgresql_schema import require_current
from gateway.store.schema import Migration, SchemaMismatch

OUTCOME_SECONDS = 30.0  # for finding out what became of a commit whose answer was lost
_LOOK_AGAIN = 0.2  # seconds between attempts to reach a server that is away
_PREPARED = 512  # statements kept prepared per connection: more than all named statements of a process
_LOCKS = 0x43524F53  # the class of this project's advisory locks in a database
_SERIAL, _PRESENCE, _FIRST_NUMBER = 0, 1, 16  # the locks: transactions take turns; a process is there; its number
# A process that froze in a transaction must not stop the others, nor one whose machine is gone keep its number.
_SESSION = """SET synchronous_commit = on; SET statement_timeout = '30s';
SET idle_in_transaction_session_timeout = '5s'; SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 3;
SET tcp_keepalives_count = 3"""
_BEGIN = f"BEGIN; SELECT pg_advisory_xact_lock({_LOCKS}, {_SERIAL})".encode()
_PARAMETER = re.compile(r"'[^']*'|:([a-z_][a-z0-9_]*)|%")
_log = logging.getLogger(__name__)

T = TypeVar("T")
Connection = psycopg.Connection[tuple[object, ...]]
FAILURES: tuple[type[Exception], ...] = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    IdleInTransactionSessionTimeout,
)


@functools.lru_cache(maxsize=2 * _PREPARED)
def translated(statement: str) -> bytes:
    """A statement with `:name` parameters as psycopg takes it."""
    return _PARAMETER.sub(_placeholder, statement).encode()


def _placeholder(found: re.Match[str]) -> str:
    return f"%({found[1]})s" if found[1] else found[0].replace("%", "%%")


class PostgresqlTransaction:
    """One operation's view of the open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._has_written = False
        self.found_disk_full = False
        self.events: list[object] = []
        self.subjects: list[str] = []

    def execute(self, sql: str, **parameters: Value) -> int:
        """See the port."""
        return self._run(sql, parameters).rowcount

    def all(self, shape: Callable[..., T], sql: str, **parameters: Value) -> list[T]:
        """See the port."""
        return [shape(*row) for row in self._run(sql, parameters).fetchall()]

    def first(self, shape: Callable[..., T], sql: str, **parameters: Value) -> T | None:
        """See the port."""
        row = self._run(sql, parameters).fetchone()
        return None if row is None else shape(*row)

    def publish(self, event: object, *, about: str = "") -> None:
        """See the port."""
        self.events.append(event)
        if about:
            self.subjects.append(about)

    def has_written(self) -> bool:
        """See the port."""
        return self._has_written

    def _run(self, statement: str, parameters: dict[str, Value]) -> psycopg.Cursor[tuple[object, ...]]:
        try:
            cursor = self._connection.execute(translated(statement), parameters)
        except DiskFull:
            self.found_disk_full = True
            raise
        if cursor.rowcount > 0 and not (cursor.statusmessage or "").startswith("SELECT"):
            self._has_written = True
        return cursor


class Writer:
    """The writing connection, as the group commit drives it, in one thread at a time. Made by `open`."""

    failures = FAILURES

    def __init__(self, conninfo: str, number: int, *, alone: bool) -> None:
        self.number = number
        self._conninfo = conninfo
        self._alone = alone
        self._name = f"crossregion/{number}/{os.getpid()}/{secrets.token_hex(4)}"
        self._transactions: list[PostgresqlTransaction] = []
        self._disk_full = False
        self._connection = self._connect()

    @classmethod
    def open(cls, conninfo: str, migrations: Sequence[Migration], number: int, *, alone: bool) -> "Writer":
        """Connects, and takes the process's place in the database. See `PostgresqlStore.open`."""
        writer = cls(conninfo, number, alone=alone)
        try:
            require_current(writer._connection, migrations)
            writer._connection.execute(
                "INSERT INTO store_writers (number, last_batch) VALUES (%s, '') ON CONFLICT (number) DO NOTHING",
                (number,),
            )
        except (psycopg.Error, SchemaMismatch):
            writer.close()
            raise
        return writer

    def is_connected(self) -> bool:
        """Whether the server can be reached: connects again where the connection was lost."""
        if not self._connection.closed:
            return True
        try:
            self._connection = self._connect()
        except DatabaseInUse as failure:
            _log.warning("the database cannot be used: %s", failure)
            return False
        except FAILURES as failure:
            _log.warning("the database cannot be reached: %s", failure)
            return False
        _log.warning("the database can be reached again")
        return True

    def found_disk_full(self) -> bool:
        """Whether the server has said since the last question that its disk is full."""
        found = self._disk_full or any(each.found_disk_full for each in self._transactions)
        self._disk_full = False
        return found

    def begin(self) -> None:
        """See the port. Waits until no other process is in a transaction."""
        self._disk_full = self._disk_full or any(each.found_disk_full for each in self._transactions)
        self._transactions = []
        self.rollback()
        self._connection.execute(_BEGIN)

    def commit(self) -> None:
        """See the port. Where the answer is lost, the server is asked what became of the transaction."""
        if not any(each.has_written() for each in self._transactions):
            self._connection.execute("COMMIT")
            return
        batch = secrets.token_hex(8)
        try:
            self._connection.execute(self._ending(batch))
        except FAILURES as failure:
            self._disk_full = self._disk_full or isinstance(failure, DiskFull)
            if not self._connection.closed:
                raise
            _log.warning("the connection was lost in a commit: %s", failure)
            if not self._was_committed(batch):
                raise

    def rollback(self) -> None:
        """See the port."""
        if self._connection.closed:
            return
        try:
            if self._connection.info.transaction_status != TransactionStatus.IDLE:
                self._connection.execute("ROLLBACK")
        except FAILURES:
            self._connection.close()

    def transaction(self) -> PostgresqlTransaction:
        """See the port."""
        transaction = PostgresqlTransaction(self._connection)
        self._transactions.append(transaction)
        return transaction

    def close(self) -> None:
        """Gives the process's place free."""
        self._connection.close()

    def _ending(self, batch: str) -> sql.Composed:
        """The last statements of a transaction that has written, sent together."""
        parts: list[sql.Composable] = [
            sql.SQL("UPDATE store_writers SET last_batch = {} WHERE number = {}").format(batch, self.number)
        ]
        subjects = [subject for each in self._transactions for subject in each.subjects]
        parts += [
            sql.SQL("SELECT pg_notify({}, {})").format(CHANNEL, payload) for payload in payloads(self.number, subjects)
        ]
        parts.append(sql.SQL("COMMIT"))
        return sql.SQL("; ").join(parts)

    def _was_committed(self, batch: str) -> bool:
        """Asks until the server has told. Raises Refused with OUTCOME_UNKNOWN where it does not in time."""
        end = time.monotonic() + OUTCOME_SECONDS
        while time.monotonic() < end:
            try:
                if self.is_connected():
                    # Waits for the transaction itself, if the server is still at it: that has locked the row.
                    row = self._connection.execute(
                        "SELECT last_batch FROM store_writers WHERE number = %s FOR UPDATE", (self.number,)
                    ).fetchone()
                    _log.warning("the commit %s", "was done" if row == (batch,) else "was not done")
                    return row == (batch,)
            except FAILURES as failure:
                _log.warning("what became of the commit is not known yet: %s", failure)
            time.sleep(_LOOK_AGAIN)
        _log.error("what became of the commit is not known; callers are told so")
        raise Refused(Reason.REASON_OUTCOME_UNKNOWN)

    def _connect(self) -> Connection:
        connection = connect(self._conninfo, self._name)
        try:
            connection.execute(_SESSION)
            # A former connection of this process that the server still holds for alive.
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = %s AND pid <> pg_backend_pid()",
                (self._name,),
            )
            self._take_place(connection)
        except psycopg.Error:
            connection.close()
            raise
        return connection

    def _take_place(self, connection: Connection) -> None:
        shared = "" if self._alone else "_shared"
        try:
            connection.execute("SET lock_timeout = '2s'")  # long enough for one that was killed just now to be gone
            connection.execute(f"SELECT pg_advisory_lock({_LOCKS}, {_FIRST_NUMBER + self.number})".encode())
            connection.execute(f"SELECT pg_advisory_lock{shared}({_LOCKS}, {_PRESENCE})".encode())
            connection.execute("SET lock_timeout = '8s'")
        except LockNotAvailable:
            others = connection.execute(
                "SELECT application_name FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name LIKE 'crossregion/%' AND pid <> pg_backend_pid() ORDER BY 1"
            ).fetchall()
            connection.close()
            holders = ", ".join(str(name) for (name,) in others) or "unknown"
            wanted = "the database, which it needs for itself," if self._alone else f"number {self.number}"
            raise DatabaseInUse(
                f"{wanted} is in use; at work there are (crossregion/<number>/<process id>/…): {holders}."
                " Stop that process, or give this one another number"
            ) from None


def connect(conninfo: str, name: str) -> Connection:
    """A connection on which each statement is its own transaction, unless told otherwise. Raises OperationalError."""
    connection: Connection = psycopg.connect(conninfo, autocommit=True, application_name=name)
    _prepare(connection)
    return connection


def reading_pool(conninfo: str, readers: int) -> "ConnectionPool[Connection]":
    """Connections that read snapshots. Not open yet."""
    pool: ConnectionPool[Connection] = ConnectionPool(
        conninfo,
        min_size=1,
        max_size=readers,
        open=False,
        kwargs={"application_name": f"crossregion-reader/{os.getpid()}"},
        configure=_prepare_reader,
        check=ConnectionPool.check_connection,
    )
    return pool


def _prepare(connection: Connection) -> None:
    connection.prepared_max = _PREPARED
    # One type each, whatever the value: a statement is prepared once.
    connection.adapters.register_dumper(int, Int8BinaryDumper)
    connection.adapters.register_dumper(str, StrDumper)


def _prepare_reader(connection: Connection) -> None:
    _prepare(connection)
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
