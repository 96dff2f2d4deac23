"""Connections to PostgreSQL, before anything is done over them: defaults, limits, the pool of reading ones."""

import os
from itertools import cycle

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.numeric import Int8BinaryDumper
from psycopg.types.string import StrDumper
from psycopg_pool import ConnectionPool

from gateway.store.postgresql_schema import Connection

FROZEN_WAIT = "5s"  # in a transaction without a statement: then the server ends it
TAKEN_WAIT = "10s"  # until the process has taken a result; then the server ends it, too
KEEPALIVES = "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 3; SET tcp_keepalives_count = 3"
"""The statements by which the server finds a lost machine: until then it keeps what that machine held."""
BEGIN_READ = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_KEEP_CONNECTING = 5.0  # seconds
_PREPARED = 512  # statements kept prepared per connection: more than all named statements of a process
# Defaults where the operator sets none. A silent server or network must not block forever. Of several servers only the
# writable one is meant, since its reads alone include every finished write.
_DEFAULTS: dict[str, int | str] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "target_session_attrs": "read-write",
}
_READING = b"SET lock_timeout = '5s'; SET synchronous_commit = on; SET statement_timeout = '5s'"
_CONFIRMED_READING = b"SET statement_timeout = '30s'"
# A server that crashed and came back shows commits of before that no standby has, and that may be lost. Whatever a
# connection reads later is confirmed once a commit of its own is: by the order of the log. Within a block the timeout
# of statements ends the wait for a standby, too; it does not for a COMMIT of its own.
_CONFIRMED = b"DO $$ BEGIN PERFORM pg_logical_emit_message(true, 'crossregion', ''); COMMIT; END $$"
_WAITING = "SyncRepWaitForLSN"  # the server's function that warns of such an end; its texts are in any language
# Backends that have committed, and wait for a standby to confirm it: longer than a standby takes that is there.
_CONFIRMING = b"""SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SyncRep'
AND application_name LIKE 'crossregion/%' AND clock_timestamp() - query_start > interval '1 second'"""
_PORT = "5432"


class Unconfirmed(psycopg.OperationalError):
    """No standby confirms what was committed. Nothing more can be committed until one does."""


class Servers:
    """The servers that a connection string names, and at which of them the next attempt to connect begins.

    A former primary whose Patroni is dead takes connections and writes as before, but nobody confirms them. By the
    order of the names alone it would be taken again and again, although another server is the primary. One thread at a
    time connects or passes over; any may read `conninfo`.
    """

    def __init__(self, conninfo: str) -> None:
        self._given = completed(conninfo)
        told = conninfo_to_dict(self._given)
        lists = {name: str(told.get(name) or "").split(",") for name in ("host", "hostaddr", "port")}
        self._lists = {name: parts for name, parts in lists.items() if len(parts) > 1}
        self.count = max(map(len, self._lists.values()), default=1)
        ports = zip(cycle(lists["port"]), range(self.count), strict=False)
        self._places = list(zip(cycle(lists["host"]), (port or _PORT for port, _ in ports), strict=False))
        self.first = 0
        """The server at which the next attempt begins, counted from 0."""
        self._reached = 0

    def conninfo(self) -> str:
        """The connection string for the next attempt."""
        first = self.first
        return make_conninfo(
            self._given, **{name: ",".join(parts[first:] + parts[:first]) for name, parts in self._lists.items()}
        )

    def connect(self, name: str) -> Connection:
        """As the function `connect`, to the first one that fits."""
        connection = connect(self.conninfo(), name)
        place = (connection.info.host, str(connection.info.port))
        self._reached = self._places.index(place) if place in self._places else self.first
        return connection

    def pass_over(self) -> None:
        """Lets the next attempt begin behind the server that was reached last, and try that as the last one."""
        self.first = (self._reached + 1) % self.count


def completed(conninfo: str) -> str:
    """The connection string with this project's defaults for missing parts."""
    told = conninfo_to_dict(conninfo)
    return make_conninfo(conninfo, **{name: value for name, value in _DEFAULTS.items() if name not in told})


def connect(conninfo: str, name: str) -> Connection:
    """Opens a connection with autocommit, unless set otherwise. Raises OperationalError."""
    connection: Connection = psycopg.connect(completed(conninfo), autocommit=True, application_name=name)
    _prepare(connection)
    return connection


def reading_pool(servers: Servers, readers: int) -> "ConnectionPool[Connection]":
    """Connections that read snapshots, at the server where the writing one is. Not open yet."""
    pool: ConnectionPool[Connection] = ConnectionPool(
        servers.conninfo,
        min_size=1,
        max_size=readers,
        open=False,
        kwargs={"application_name": f"crossregion-reader/{os.getpid()}"},
        configure=_prepare_reader,
        # Attempts become rarer as time goes by; given up, the next read begins with frequent ones again.
        reconnect_timeout=_KEEP_CONNECTING,
    )
    return pool


def frozen_wait() -> bytes:
    """The statement by which a server ends a connection whose process does not go on."""
    return f"SET idle_in_transaction_session_timeout = '{FROZEN_WAIT}'; SET tcp_user_timeout = '{TAKEN_WAIT}'".encode()


def waits_for_a_standby(connection: Connection) -> bool:
    """Whether the commit of a process waits for a standby, longer than for one that is there."""
    return connection.execute(_CONFIRMING).rowcount > 0


def require_nobody_waits(connection: Connection) -> None:
    """Raises Unconfirmed where the commit of a process waits for a standby."""
    if waits_for_a_standby(connection):
        raise Unconfirmed("no standby confirms what was committed: start one, or see synchronous_standby_names")


def _prepare(connection: Connection) -> None:
    connection.prepared_max = _PREPARED
    # One type for each parameter, whatever the value, so that a statement is prepared once.
    connection.adapters.register_dumper(int, Int8BinaryDumper)
    connection.adapters.register_dumper(str, StrDumper)


def ended_wait(notice: psycopg.errors.Diagnostic) -> str:
    """The warning by which a server says that it waits no longer for a standby; empty for any other notice.

    A server that does not say where a warning comes from is not believed.
    """
    if notice.severity_nonlocalized != "WARNING" or notice.source_function not in {None, _WAITING}:
        return ""
    return notice.message_primary or "a warning of the server"


def _prepare_reader(connection: Connection) -> None:
    warnings: list[str] = []

    def note(notice: psycopg.errors.Diagnostic) -> None:
        warnings.append(ended_wait(notice))

    _prepare(connection)
    connection.autocommit = True  # a read begins its transaction by `BEGIN_READ`
    connection.execute(_READING)
    connection.execute(frozen_wait())
    connection.add_notice_handler(note)
    connection.execute(_CONFIRMED)
    connection.remove_notice_handler(note)
    if any(warnings):
        raise Unconfirmed("; ".join(filter(None, warnings)))
    connection.execute(_CONFIRMED_READING)
