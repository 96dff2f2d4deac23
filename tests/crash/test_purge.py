"""The nightly purge, killed in the middle of a page: the page is done once, and nothing else goes."""

import signal
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.auditing import audit
from gateway.process.failpoints import VARIABLE
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteTransaction
from gateway.store.sqlite_schema import apply
from gateway.time.clock import to_microseconds
from tests import preloaded
from tests.crash.purge_pages import NOW

OLD, WAITING = 500, 40
ALL = 1000  # pages: more than a night has


def filled(path: Path) -> None:
    """A database with notices of long ago, of which some still wait."""
    then = to_microseconds(NOW - timedelta(days=900))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        apply(connection, migrations_of("gateway", "region_node"))
        connection.executemany(
            "INSERT INTO notices (notice_id, kind, number, zh_cn, en, create_time, delivery_time, attempts, due_time)"
            " VALUES (?, 'bill', '+8619851000000', '', '', ?, ?, 1, ?)",
            [(f"n{each:04d}", then, then if each < OLD else None, then) for each in range(OLD + WAITING)],
        )


def run(path: Path, pages: int, *, armed: bool = False) -> int:
    """Some pages by a process of its own; how it ended."""
    environment = {VARIABLE: "purge.before-commit" if armed else ""}
    return preloaded.run("tests.crash.purge_pages", str(path), str(pages), environment=environment).code


def state(path: Path) -> tuple[int, str, int]:
    """How many notices are left, where the purge stands, and how many the report says it removed."""
    with closing(sqlite3.connect(path)) as connection:
        (left,) = connection.execute("SELECT COUNT(*) FROM notices").fetchone()
        (place,) = connection.execute("SELECT subject FROM timers WHERE kind = 'purge'").fetchone()
        (removed,) = connection.execute("SELECT COALESCE(SUM(removed), 0) FROM purges").fetchone()
    return int(left), str(place), int(removed)


@pytest.mark.parametrize("done", [6, *(pytest.param(each, marks=pytest.mark.slow) for each in (0, 7))])
def test_a_purge_killed_before_a_commit_goes_on_where_it_was(tmp_path: Path, done: int) -> None:
    path = tmp_path / "node.sqlite"
    filled(path)
    assert run(path, done) == 0
    before = state(path)
    for _ in range(2):
        assert run(path, ALL, armed=True) == -signal.SIGKILL
        assert state(path) == before, "nothing of the page that was broken is there"
    assert run(path, ALL) == 0
    left, place, removed = state(path)
    assert (left, place, removed) == (WAITING, "", OLD)
    with closing(sqlite3.connect(path)) as connection:
        audit.verify(audit.rows(SqliteTransaction(connection)))
