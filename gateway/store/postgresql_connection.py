"""The writing connection to PostgreSQL, which determines the outcome of a commit."""

import contextlib
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

import psycopg
from psycopg import sql
from psycopg.errors import DiskFull, IdleInTransactionSessionTimeout, LockNotAvailable, ReadOnlySqlTransaction
from psycopg.pq import TransactionStatus

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.security.region_keys import RegionKeys
from gateway.store.losses import OwnCommits
from gateway.store.pending_rows import RowMissing
from gateway.store.port import DatabaseInUse, Operation, Value
from gateway.store.postgresql_ahead import ReadAhead
from gateway.store.postgresql_connecting import (
    KEEPALIVES,
    Servers,
    Unconfirmed,
    ended_wait,
    frozen_wait,
    require_nobody_waits,
    waits_for_a_standby,
)
from gateway.store.postgresql_listening import CHANNEL, payloads
from gateway.store.postgresql_rows import for_all_rows, translated
from gateway.store.postgresql_schema import Connection, require_current, writer_name
from gateway.store.reading_ahead import Announced
from gateway.store.schema import Migration, SchemaMismatch
from gateway.store.tables import Key, Parameters, values_of
from gateway.store.unit_of_work import Cursor, UnitOfWork, UnitTransaction, is_query

LOCK_WAIT = "8s"  # for a lock: longer than a process that froze keeps one
OUTCOME_SECONDS = 30.0  # for finding the outcome of a commit whose response was lost
_LOOK_AGAIN = 0.2  # seconds between attempts to reach a server that is away
_LOCKS = 0x43524F53  # the class of this project's advisory locks in a database
# the locks: for turns of transactions; for the presence of a process; for its number
_SERIAL, _PRESENCE, _FIRST_NUMBER = 0, 1, 16
SERIAL_LOCK = f"{_LOCKS}, {_SERIAL}"
"""The advisory lock under which transactions that write take turns."""
# A process that froze in a transaction must not stop the others, nor a lost machine keep its number.
_SESSION = f"SET synchronous_commit = on; SET statement_timeout = '30s'; {KEEPALIVES}".encode()
# Commits before the lock must be visible after it, whatever the database's own default is.
_BEGIN = f"BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock({SERIAL_LOCK})".encode()
_LONGEST_SUBJECT = 1000  # bytes of a notification's subject; many subjects fit into one notification
_log = logging.getLogger(__name__)

FAILURES: tuple[type[Exception], ...] = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    IdleInTransactionSessionTimeout,
)


class PostgresqlTransaction(UnitTransaction):
    """An operation's view of the open transaction."""

    def __init__(
        self,
        connection: Connection,
        keys: RegionKeys | None = None,
        unit: UnitOfWork | None = None,
        ahead: ReadAhead | None = None,
    ) -> None:
        super().__init__(keys, unit)
        self._connection = connection
        self._ahead = ahead
        self.found_disk_full = False
        self.subjects: list[str] = []
        self._written: list[tuple[psycopg.Cursor[tuple[object, ...]], str, int]] = []

    def publish(self, event: object, *, about: str = "") -> None:
        """See the port."""
        if not about.isprintable() or len(about.encode()) > _LONGEST_SUBJECT:
            raise ValueError(f"not a subject that others can be told: {about[:40]!r}")
        self.events.append(event)
        if about:
            self.subjects.append(about)

    def _run(self, sql: str, parameters: Parameters) -> Cursor:
        if self._ahead is not None:
            if not is_query(sql):
                self._ahead.forget(sql)
            elif (found := self._ahead.find(sql, parameters)) is not None:
                return found
        try:
            cursor = self._connection.execute(translated(sql), parameters)
        except psycopg.Error as error:
            raise self._told(error, values_of(parameters)) from None
        if cursor.rowcount > 0 and not (cursor.statusmessage or "").startswith("SELECT"):
            self._has_written = True
        return cursor

    def _run_many(self, sql: str, rows: Sequence[Mapping[str, Value]]) -> int:
        self._forget(sql)
        cursor = self._connection.cursor()
        try:
            cursor.executemany(translated(sql), rows)
        except psycopg.Error as error:
            raise self._told(error, (value for row in rows for value in row.values())) from None
        self._has_written = self._has_written or cursor.rowcount > 0
        return cursor.rowcount

    def _write_rows(self, sql: str, rows: Sequence[Key], least: int) -> None:
        self._forget(sql)
        statement, columns = for_all_rows(sql, rows)
        if any(map(_holds_nul, columns)):  # in an array, only the server would notice: after that nothing is committed
            raise _nul_refused()
        try:
            self._written.append((self._connection.execute(statement, columns), sql, least))
        except psycopg.Error as error:
            raise self._told(error, ()) from None

    @contextlib.contextmanager
    def _together(self) -> Iterator[None]:
        """Sends the statements without waiting for the result of each."""
        self._written = []
        try:
            with self._connection.pipeline():
                yield
        except psycopg.Error as error:
            raise self._told(error, ()) from None
        for cursor, statement, least in self._written:
            if cursor.rowcount < least:
                raise RowMissing(statement)

    def _forget(self, sql: str) -> None:
        if self._ahead is not None:
            self._ahead.forget(sql)

    def _told(self, error: psycopg.Error, values: Iterable[Value]) -> Exception:
        """The exception of an operation for an error of a statement with these parameters."""
        self.found_disk_full = self.found_disk_full or isinstance(error, DiskFull)
        return _nul_refused() if _holds_nul(values) else _without_values(error)


def _holds_nul(values: Iterable[Value]) -> bool:
    return any(isinstance(value, str) and "\0" in value for value in values)


def _nul_refused() -> Refused:
    return invalid("text", "holds a NUL character", "含NUL字符")


def _without_values(error: psycopg.Error) -> psycopg.Error:
    """The error without the server's quotation of the row: it may be personal data, and errors are logged."""
    told = error.diag
    if told.message_primary is None:
        return error
    constraint = f", constraint {told.constraint_name}" if told.constraint_name else ""
    return type(error)(f"{told.message_primary} (SQLSTATE {told.sqlstate}{constraint})")


class Writer:
    """The writing connection, as the group commit drives it, in one thread at a time. Made by `open`."""

    failures = (*FAILURES, ReadOnlySqlTransaction)
    errors: tuple[type[Exception], ...] = (psycopg.Error,)

    def __init__(
        self,
        servers: Servers,
        migrations: Sequence[Migration],
        number: int,
        *,
        alone: bool,
        keys: RegionKeys | None = None,
    ) -> None:
        self.number = number
        self.keys = keys
        self._migrations = migrations
        self._servers = servers
        self._alone = alone
        self._name = writer_name(f"crossregion/{number}/{os.getpid()}/{secrets.token_hex(4)}", migrations)
        self._transactions: list[PostgresqlTransaction] = []
        self._disk_full = False
        self._last_batch = ""  # as the server has it, as far as is known here
        self.own_commits = OwnCommits()
        """Of this number."""
        self.is_unconfirmed = False
        """Whether nothing could begin for want of a standby that confirms what was committed."""
        self._reached_anew = False
        self._warned = ""
        self._line: socket.socket | None = None
        self._line_lock = threading.Lock()
        self._ahead = ReadAhead()
        self._connection = self._connect()

    @classmethod
    def open(
        cls,
        servers: Servers,
        migrations: Sequence[Migration],
        number: int,
        *,
        alone: bool,
        keys: RegionKeys | None = None,
        seconds: float,
    ) -> "Writer":
        """Connects, and takes the process's place in the database. See `PostgresqlStore.open`.

        `seconds`: how long a server may take, which waits for its standby. Then the others are tried, once each.
        """
        for _ in range(servers.count - 1):
            first = servers.first
            try:
                return cls._opened(servers, migrations, number, alone=alone, keys=keys, seconds=seconds)
            except psycopg.OperationalError as failure:
                if servers.first == first:
                    raise
                _log.warning("the database cannot be used: %s", failure)
        return cls._opened(servers, migrations, number, alone=alone, keys=keys, seconds=seconds)

    @classmethod
    def _opened(
        cls,
        servers: Servers,
        migrations: Sequence[Migration],
        number: int,
        *,
        alone: bool,
        keys: RegionKeys | None,
        seconds: float,
    ) -> "Writer":
        writer = cls(servers, migrations, number, alone=alone, keys=keys)
        waiting = threading.Timer(seconds, writer.hang_up)
        waiting.start()
        try:
            require_current(writer._connection, migrations)
            writer._last_batch, writer.own_commits.made = writer._find_last_batch(writer._connection)
        except (psycopg.Error, SchemaMismatch):
            writer.close()
            raise
        finally:
            waiting.cancel()
        return writer

    def is_connected(self) -> bool:
        """Whether the server can be reached: connects again where the connection was lost."""
        if not self._connection.closed:
            return True
        try:
            connection = self._connect()
            try:
                # A newer version may have contracted the schema, or a restore brought an older one, meanwhile.
                require_current(connection, self._migrations)
                batch, commits = self._find_last_batch(connection)
            except (psycopg.Error, SchemaMismatch):
                connection.close()
                raise
        except (DatabaseInUse, SchemaMismatch, psycopg.Error) as failure:
            self.is_unconfirmed = isinstance(failure, Unconfirmed)
            _log.warning("the database cannot be used: %s", failure)
            return False
        self._connection = connection
        self._reached_anew = True
        if lost := self.own_commits.reached(commits):
            _log.critical("the database lacks %d commits of this process: nothing is served from it", lost)
        self._last_batch = batch
        _log.warning("the database can be used again")
        return True

    def hang_up(self) -> None:
        """Closes a silent connection, from another thread than the waiting one. The next begins at the next server."""
        self._servers.pass_over()
        with self._line_lock, contextlib.suppress(OSError):  # the connection may have ended by itself
            if self._line is not None:
                self._line.shutdown(socket.SHUT_RDWR)

    def was_reached_anew(self) -> bool:
        """Whether the server was reached by another connection since the last call. It may be another server."""
        reached, self._reached_anew = self._reached_anew, False
        return reached

    def found_disk_full(self) -> bool:
        """Whether the server has reported a full disk since the last call."""
        found = self._disk_full or any(each.found_disk_full for each in self._transactions)
        self._disk_full = False
        return found

    def begin(self) -> None:
        """See the port. Waits until no other process is in a transaction."""
        self._disk_full = self._disk_full or any(each.found_disk_full for each in self._transactions)
        self._transactions = []
        self._ahead.begin()
        self.is_unconfirmed = False
        self.rollback()
        if not self._begin():
            # The connection was lost since the last transaction: nothing has begun that could be half done.
            if not self.is_connected():
                raise psycopg.OperationalError("the database cannot be used now")
            self._connection.execute(_BEGIN)

    def read_ahead(self, operations: Sequence[Operation[object]]) -> None:
        """Reads what operations have announced, which are to share the open transaction. Raises psycopg.Error."""
        announced = [each.reads for each in operations if isinstance(each, Announced)]
        if announced:
            keys = PostgresqlTransaction(self._connection, self.keys)
            try:
                self._ahead.read(self._connection, keys, announced)
            except psycopg.Error as error:
                self._ahead.forget_usual()
                raise _without_values(error) from None
            except (ValueError, OverflowError) as error:
                self._ahead.forget_usual()
                raise psycopg.DataError(f"an announced value cannot be sent: {type(error).__name__}") from None

    def commit(self) -> None:
        """See the port. Where the response is lost, the server is queried for the outcome of the transaction."""
        if self._connection.info.transaction_status == TransactionStatus.INERROR:
            # The server would answer COMMIT by undoing everything, without an error.
            raise psycopg.InternalError("an operation went on after an error of the database")
        if not any(each.has_written() for each in self._transactions):
            self._connection.execute("COMMIT")
            return
        batch = secrets.token_hex(8)
        try:
            self._warned = ""
            self._connection.execute(self._ending(batch))
            self._require_confirmed()
        except psycopg.Error as failure:
            self._disk_full = self._disk_full or isinstance(failure, DiskFull)
            if failure.diag.severity_nonlocalized == "ERROR":
                raise  # the server has rolled the transaction back and keeps the connection
            _log.warning("the connection was lost in a commit: %s", failure)
            self._connection.close()
            if not self._was_committed(batch):
                raise
            return
        self._last_batch = batch
        self.own_commits.made += 1

    def rollback(self) -> None:
        """See the port."""
        if self._connection.closed:
            return
        try:
            # A statement behind one that failed has not reached the server. By this call alone, and not by the words
            # "ROLLBACK", the driver always forgets which statements it takes for prepared.
            self._connection.rollback()
        except psycopg.Error:
            self._connection.close()

    def transaction(self, unit: UnitOfWork | None = None) -> PostgresqlTransaction:
        """See the port."""
        ahead = None if unit is None else self._ahead
        transaction = PostgresqlTransaction(self._connection, self.keys, unit, ahead)
        self._transactions.append(transaction)
        return transaction

    def close(self) -> None:
        """Gives the process's place free."""
        self._connection.close()
        self._watch(None)

    def _begin(self) -> bool:
        """False where the connection is lost."""
        try:
            self._connection.execute(_BEGIN)
        except FAILURES:
            self.rollback()
            if not self._connection.closed:
                self.is_unconfirmed = waits_for_a_standby(self._connection)
                if self.is_unconfirmed:
                    self._servers.pass_over()
                    self._connection.close()
                raise
            return False
        return True

    def _ending(self, batch: str) -> sql.Composed:
        """The last statements of a transaction that has written, sent together."""
        parts: list[sql.Composable] = [
            sql.SQL("UPDATE store_writers SET last_batch = {}, commits = commits + 1 WHERE number = {}").format(
                batch, self.number
            )
        ]
        subjects = [subject for each in self._transactions for subject in each.subjects]
        parts += [
            sql.SQL("SELECT pg_notify({}, {})").format(CHANNEL, payload) for payload in payloads(self.number, subjects)
        ]
        parts.append(sql.SQL("COMMIT"))
        return sql.SQL("; ").join(parts)

    def _was_committed(self, batch: str) -> bool:
        """Queries until the server reports the outcome, which a standby confirms where commits wait for one.

        Raises Refused with OUTCOME_UNKNOWN at the timeout, or where no standby confirms the commit yet.
        """
        before, end = self._last_batch, time.monotonic() + OUTCOME_SECONDS
        while time.monotonic() < end:
            # With the process's place in hand, the former connection and its transaction are known to be gone.
            if self.is_connected():
                if self._last_batch in (batch, before):
                    done = self._last_batch == batch
                    _log.warning("the commit %s", "was done" if done else "was not done")
                    return done
                # Another process has had the number since, or this is another server, which lags behind.
                break
            if self.is_unconfirmed:
                break
            time.sleep(_LOOK_AGAIN)
        _log.error("what became of a commit is not known; callers are told so")
        raise Refused(Reason.REASON_OUTCOME_UNKNOWN)

    def _find_last_batch(self, connection: Connection) -> tuple[str, int]:
        """The last transaction of this number, and how many it has made.

        Waits for a transaction that is still running on the server, and for the standby that confirms it.
        """
        self._warned = ""
        row = connection.execute(
            "INSERT INTO store_writers (number, last_batch) VALUES (%s, '')"
            " ON CONFLICT (number) DO UPDATE SET last_batch = store_writers.last_batch RETURNING last_batch, commits",
            (self.number,),
        ).fetchone()
        self._require_confirmed()
        assert row is not None, "the row was just written"
        return str(row[0]), int(str(row[1]))

    def _connect(self) -> Connection:
        connection = self._servers.connect(self._name)
        try:
            self._watch(connection)
            connection.add_notice_handler(self._note)
            connection.execute(_SESSION)
            connection.execute(frozen_wait())
            self._end_former(connection)
            self._take_place(connection)
        except (psycopg.Error, DatabaseInUse) as failure:
            if isinstance(failure, Unconfirmed):
                self._servers.pass_over()
            connection.close()
            self._watch(None)
            raise
        return connection

    def _end_former(self, connection: Connection) -> None:
        """Ends a former connection of this process that the server still considers alive.

        One that waits for a standby is left alone: its commit would become visible, and might still be lost.
        Raises Unconfirmed while there is one, also of another process, or of one that has ended.
        """
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = %s AND pid <> pg_backend_pid() AND wait_event IS DISTINCT FROM 'SyncRep'",
            (self._name,),
        )
        require_nobody_waits(connection)

    def _require_confirmed(self) -> None:
        """Raises Unconfirmed where somebody ended the wait for a standby: a fail-over would lose the commit."""
        if self._warned:
            self._servers.pass_over()
            raise Unconfirmed(self._warned)

    def _note(self, notice: psycopg.errors.Diagnostic) -> None:
        self._warned = ended_wait(notice) or self._warned

    def _watch(self, connection: Connection | None) -> None:
        """Holds the file descriptor of a connection, for `hang_up`, in place of the former one's."""
        try:
            line = None if connection is None else socket.socket(fileno=os.dup(connection.fileno()))
        except OSError as error:
            raise psycopg.OperationalError(f"no more files can be opened: {error.strerror}") from error
        with self._line_lock:
            if self._line is not None:
                self._line.close()
            self._line = line

    def _take_place(self, connection: Connection) -> None:
        shared = "" if self._alone else "_shared"
        try:
            connection.execute("SET lock_timeout = '2s'")  # long enough for a process that was just killed to be gone
            connection.execute(f"SELECT pg_advisory_lock({_LOCKS}, {_FIRST_NUMBER + self.number})".encode())
            connection.execute(f"SELECT pg_advisory_lock{shared}({_LOCKS}, {_PRESENCE})".encode())
            connection.execute(f"SET lock_timeout = '{LOCK_WAIT}'".encode())
        except LockNotAvailable:
            require_nobody_waits(connection)  # a commit that has begun to wait meanwhile keeps its locks
            others = connection.execute(
                "SELECT application_name FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name LIKE 'crossregion/%' AND pid <> pg_backend_pid() ORDER BY 1"
            ).fetchall()
            holders = ", ".join(str(name) for (name,) in others) or "unknown"
            wanted = "the database, which it needs for itself," if self._alone else f"number {self.number}"
            raise DatabaseInUse(
                f"{wanted} is in use; at work there are (crossregion/<number>/<process id>/…): {holders}."
                " Stop that process, or give this one another number"
            ) from None
