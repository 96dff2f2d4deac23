"""The place of a database in its history: a random timeline, and the number of its last commit in it.

The archive of commits continues only in the same timeline. A restored database begins another one, by which others
recognise it. So does one that was changed beside its archive: such a process notes it, or leaves an audit row.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from gateway.store.port import Transaction
from gateway.time.clock import microseconds_or_none

TABLE = "database_timeline"
COUNT_COMMIT = """UPDATE database_timeline
    SET commits = commits + 1, audit_rows = (SELECT COALESCE(MAX(sequence), 0) FROM audit)"""
"""Counts a commit; it belongs to the transaction of that commit."""
_READ = "SELECT timeline, commits, restore_time, audit_rows FROM database_timeline"
_AUDIT_ROWS = "SELECT COALESCE(MAX(sequence), 0) FROM audit"
_BEGIN = """INSERT INTO database_timeline (id, timeline, commits, audit_rows, restore_time)
    VALUES (1, :timeline, 0, :audit_rows, :restore_time)
    ON CONFLICT (id) DO UPDATE SET timeline = excluded.timeline, commits = 0, audit_rows = excluded.audit_rows,
        restore_time = COALESCE(excluded.restore_time, database_timeline.restore_time)"""
_LEAVE = "UPDATE database_timeline SET audit_rows = -1 WHERE audit_rows >= 0"
_TIMELINE_BYTES = 8


class _Row(NamedTuple):
    timeline: str
    commits: int
    restore_time: int | None
    audit_rows: int


@dataclass(frozen=True)
class Position:
    """A commit of a database."""

    timeline: str
    commits: int
    """The number of the commit in its timeline; 0 before the first."""


def position(tx: Transaction) -> Position | None:
    """The last commit; None for a database without a timeline, or changed since by a process without an archive."""
    row = tx.first(_Row, _READ)
    if row is None or row.audit_rows != tx.first(int, _AUDIT_ROWS):
        return None
    return Position(row.timeline, row.commits)


def begin(tx: Transaction, *, restored: datetime | None = None) -> Position:
    """Begins another timeline. `restored`: the time at which the database was made of a backup."""
    started = Position(secrets.token_hex(_TIMELINE_BYTES), 0)
    tx.execute(
        _BEGIN,
        timeline=started.timeline,
        audit_rows=tx.first(int, _AUDIT_ROWS) or 0,
        restore_time=microseconds_or_none(restored),
    )
    return started


def leave(tx: Transaction) -> None:
    """Notes that the database changes without an archive."""
    tx.execute(_LEAVE)
