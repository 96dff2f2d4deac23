"""Looking for many values finds each row once, by few statements, whatever the number of values."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from gateway.store.batched_lookup import rows_among
from gateway.store.sqlite import SqliteTransaction


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE numbers (number TEXT)")
        connection.executemany("INSERT INTO numbers VALUES (?)", [(str(each),) for each in range(600)])
        yield connection


def test_every_number_of_values_finds_its_rows_each_once(connection: sqlite3.Connection) -> None:
    wrong = []
    for count in (0, 1, 2, 15, 16, 17, 249, 250, 251, 266, 501):
        asked = [str(each) for each in range(599, 599 - count, -1)]
        tx = SqliteTransaction(connection, None)
        found = rows_among(tx, str, "SELECT number FROM numbers WHERE number", [*asked, "unknown"])
        if sorted(found) != sorted(asked):
            wrong.append(f"{count}: {len(found)}")
    assert wrong == []


def test_few_statements_look_for_any_number_of_values_and_a_single_one_takes_the_shortest(
    connection: sqlite3.Connection,
) -> None:
    statements: list[str] = []
    tx = SqliteTransaction(connection, None)
    connection.set_trace_callback(statements.append)
    for count in (1, 2, 16, 17, 250, 251, 600):
        rows_among(tx, str, "SELECT number FROM numbers WHERE number", ["x"] * count)
    connection.set_trace_callback(None)
    assert len(set(statements)) == 3
    assert statements[0].count("'x'") == 1
