"""Statements and credits, killed before any commit: each month of each agreement is posted, and corrected, once."""

import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.process.failpoints import VARIABLE
from gateway.security.region_keys import KeySet
from gateway.store.schema import migrations_of
from gateway.store.sqlite_schema import apply
from tests import preloaded
from tests.crash.statement_pages import AGREEMENTS

pytestmark = pytest.mark.slow


def do(path: Path, command: str, *points: str) -> int:
    """A command by a process of its own, which dies where it reaches one of the points; how it ended."""
    words = ("tests.crash.statement_pages", str(path), str(path.with_name("keys")), command)
    return preloaded.run(*words, environment={VARIABLE: ",".join(points)}).code


def postings(path: Path) -> dict[str, int]:
    """How many postings there are of each kind."""
    with closing(sqlite3.connect(path)) as connection:
        sql = "SELECT kind, COUNT(*) FROM ledger_entries WHERE account LIKE 'a%' GROUP BY kind"
        return {str(kind): int(number) for kind, number in connection.execute(sql)}


def statements(path: Path) -> int:
    """How many revisions of statements there are."""
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT COUNT(*) FROM agreement_statements").fetchone()[0])


@pytest.fixture(name="path")
def a_node_with_agreements(tmp_path: Path) -> Path:
    KeySet.new(os.urandom).save(tmp_path / "keys")
    path = tmp_path / "node.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        apply(connection, migrations_of("gateway", "region_node"))
    assert do(path, "make") == 0
    return path


def test_statements_and_credits_killed_before_a_commit_are_done_once(path: Path) -> None:
    for _ in range(2):
        assert do(path, "run", "statements.before-commit") == -signal.SIGKILL
        assert (postings(path), statements(path)) == ({}, 0), "nothing of the page that was broken is there"
    assert do(path, "run") == 0
    assert do(path, "run") == 0
    assert postings(path) == {"service-credit": AGREEMENTS}
    assert do(path, "late") == 0
    for _ in range(2):
        assert do(path, "run", "correction.before-commit") == -signal.SIGKILL
        assert postings(path) == {"service-credit": AGREEMENTS}
    assert do(path, "run") == 0
    assert do(path, "late") == 0
    assert do(path, "run") == 0
    assert postings(path) == {"service-credit": AGREEMENTS, "service-credit-correction": AGREEMENTS}
    assert statements(path) == 2 * AGREEMENTS
