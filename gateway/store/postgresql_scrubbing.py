"""Removal of deleted rows from the files of PostgreSQL: `VACUUM` leaves some of their bytes in pages in use.

Only `VACUUM FULL` writes a table without them. It holds up everything that uses the table, about twenty seconds for
each million of sealing keys on a small machine. So a table that is not small is written anew in quiet hours alone, and
a large one by nobody but the operator of the database.
"""

import logging
import os
import re
import threading
from collections.abc import Sequence
from typing import LiteralString

import psycopg
from psycopg import sql

from gateway.store import vault
from gateway.store.postgresql_connecting import Servers, connect
from gateway.store.postgresql_schema import Connection

SMALL_BYTES = 16 * 1024 * 1024  # of a table with its indexes: written anew at any time, in about a second
LARGE_BYTES = 2 * 1024 * 1024 * 1024  # of the table of keys: written anew by its operator alone
_SETTINGS = "SET lock_timeout = '2s'; SET statement_timeout = 0"
_NUMBER = re.compile(r"\d+", re.ASCII)
_LINES, _FIGURES = 3, 3  # of the report of VACUUM on a table: fewer lines, and no report; rows in its third line
_LOCK = "hashtextextended('crossregion scrub', 0)"
_UNKNOWN = "unknown"  # the file of the keys, at an attempt that has not come to them
_log = logging.getLogger(__name__)


class Scrubbing:
    """Scrubs the tables of one database, one call at a time, over a connection of its own."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._is_stopped = False

    def scrub(self, tables: Sequence[str], since: str, *, is_quiet: bool) -> str:
        """See `Store.scrub`; `since` is the file of the sealing keys at the first attempt. Blocks until the end."""
        try:
            with connect(self._servers.conninfo(), f"crossregion-scrub/{os.getpid()}") as connection:
                with self._lock:
                    if self._is_stopped:
                        return since or _UNKNOWN
                    self._connection = connection
                try:
                    return _scrubbed(connection, tables, since, is_quiet=is_quiet)
                finally:
                    with self._lock:
                        self._connection = None
        except psycopg.Error as error:
            _log.warning("what erasures have left in tables is removed later: %s", error.diag.message_primary or error)
            return since or _UNKNOWN

    def stop(self) -> None:
        """Ends a running call, and makes every later one do nothing."""
        with self._lock:
            self._is_stopped = True
            if self._connection is not None:
                self._connection.cancel()


def _scrubbed(connection: Connection, tables: Sequence[str], since: str, *, is_quiet: bool) -> str:
    """Scrubs unless another process does: an attempt may outlast the time between two."""
    connection.execute(_SETTINGS)
    row = connection.execute(f"SELECT pg_try_advisory_lock({_LOCK})").fetchone()
    if row is None or not row[0]:
        return since or _UNKNOWN
    try:
        return _scrubbed_alone(connection, tables, since, is_quiet=is_quiet)
    finally:
        # The server may notice the end of the connection late, and would refuse the next attempt.
        connection.execute(f"SELECT pg_advisory_unlock({_LOCK})")


def _scrubbed_alone(connection: Connection, tables: Sequence[str], since: str, *, is_quiet: bool) -> str:
    # Another file of the keys: the operator of the database has written them anew.
    is_by_operator = since not in ("", _UNKNOWN, _file_of(connection, vault.KEYS))
    again = since if is_by_operator else _file_of(connection, vault.KEYS)
    for table in tables:
        size = _bytes_of(connection, table)
        if size <= SMALL_BYTES or (table == vault.KEYS and is_quiet and size <= LARGE_BYTES):
            left = _rows_left_by_writing_anew(connection, table)
        elif table == vault.KEYS and is_by_operator:
            continue
        elif not is_quiet:
            return again
        else:
            left = _rows_left_in_place(connection, table)
            if table == vault.KEYS:
                _log.warning("%s has %d bytes: run VACUUM FULL on it, by which erasures are complete", table, size)
                return again
        if left:
            _log.info("%d deleted rows of %s are still seen by an older transaction", left, table)
            return again if table != vault.KEYS else _file_of(connection, vault.KEYS)
    return ""


def _file_of(connection: Connection, table: str) -> str:
    """The file of a table, by a number that changes when the table is written anew."""
    row = connection.execute("SELECT pg_relation_filenode(%s::regclass)", (table,)).fetchone()
    return "" if row is None else str(row[0])


def _bytes_of(connection: Connection, table: str) -> int:
    row = connection.execute("SELECT pg_total_relation_size(%s::regclass)", (table,)).fetchone()
    return 0 if row is None else int(str(row[0]))


def _rows_left_in_place(connection: Connection, table: str) -> int:
    """Removes deleted rows within the file of a table. Returns how many were kept for older transactions."""
    # A few deleted rows would leave their entries in the indexes.
    said = _said(connection, "VACUUM (INDEX_CLEANUP ON, VERBOSE) {}", table)
    # Its report of a table, in any language of the server: the third line has the rows removed, remaining and kept.
    reports = [text.splitlines() for text, _ in said]
    kept = [_NUMBER.findall(lines[2]) for lines in reports if len(lines) > _LINES]
    return sum(int(each[2]) for each in kept) if kept and all(len(each) == _FIGURES for each in kept) else 1


def _rows_left_by_writing_anew(connection: Connection, table: str) -> int:
    """Writes a table anew. Returns the number of deleted rows that had to be copied, for older transactions."""
    said = _said(connection, "VACUUM (FULL, VERBOSE) {}", table)
    details = [detail for _, detail in said if detail]
    # The first number of the first detail, in any language of the server: rows that cannot be removed yet.
    found = _NUMBER.search(details[0]) if details else None
    return int(found.group()) if found is not None else 1


def _said(connection: Connection, statement: LiteralString, table: str) -> Sequence[tuple[str, str]]:
    """What the server says while a statement is carried out on a table: texts, each with its detail."""
    said: list[tuple[str, str]] = []

    def noticed(notice: psycopg.errors.Diagnostic) -> None:  # its texts are gone once the handler has returned
        said.append((notice.message_primary or "", notice.message_detail or ""))

    connection.add_notice_handler(noticed)
    try:
        connection.execute(sql.SQL(statement).format(sql.Identifier(table)))
    finally:
        connection.remove_notice_handler(noticed)
    return said
