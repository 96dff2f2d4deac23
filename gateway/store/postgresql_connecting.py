"""Connections to PostgreSQL, before anything is done over them: defaults, limits, the pool of reading ones."""

import os

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.numeric import Int8BinaryDumper
from psycopg.types.string import StrDumper
from psycopg_pool import ConnectionPool

from gateway.store.postgresql_schema import Connection

FROZEN_WAIT = "5s"  # in a transaction without a statement: then the server ends it
TAKEN_WAIT = "10s"  # until the process has taken a result; then the server ends it, too
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
# A server that crashed and came back shows commits of before that no standby has, and that may be lost. Whatever a
# connection reads later is confirmed once a commit of its own is: by the order of the log.
_READING = """SET lock_timeout = '5s'; SET statement_timeout = '30s'; SET synchronous_commit = on;
SELECT pg_logical_emit_message(true, 'crossregion', '')"""


def completed(conninfo: str) -> str:
    """The connection string with this project's defaults for missing parts."""
    told = conninfo_to_dict(conninfo)
    return make_conninfo(conninfo, **{name: value for name, value in _DEFAULTS.items() if name not in told})


def connect(conninfo: str, name: str) -> Connection:
    """Opens a connection with autocommit, unless set otherwise. Raises OperationalError."""
    connection: Connection = psycopg.connect(completed(conninfo), autocommit=True, application_name=name)
    _prepare(connection)
    return connection


def reading_pool(conninfo: str, readers: int) -> "ConnectionPool[Connection]":
    """Connections that read snapshots. Not open yet."""
    pool: ConnectionPool[Connection] = ConnectionPool(
        completed(conninfo),
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


def _prepare(connection: Connection) -> None:
    connection.prepared_max = _PREPARED
    # One type for each parameter, whatever the value, so that a statement is prepared once.
    connection.adapters.register_dumper(int, Int8BinaryDumper)
    connection.adapters.register_dumper(str, StrDumper)


def _prepare_reader(connection: Connection) -> None:
    _prepare(connection)
    connection.execute(_READING)
    connection.execute(frozen_wait())
    connection.commit()
    connection.autocommit = True  # a read begins its transaction by `BEGIN_READ`
