"""The unit of work: operations that share a commit leave the same rows and see the same as operations alone."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.group_commit import Outcome, run_alone, start_batch
from gateway.store.port import Operation, Transaction
from gateway.store.sqlite import SqliteDatabase
from gateway.store.tables import Table, Tally

NAMES = ("a", "b", "c")


class Item(NamedTuple):
    """A row."""

    name: str
    code: int | None
    late: bool = False


class Named(NamedTuple):
    """The key of a row."""

    name: str


ITEMS = Table("items", Item, key=("name",))
COUNTS = Tally("counts", key=("name",), added=("seen",))
SCHEMA = (
    "CREATE TABLE items (name TEXT PRIMARY KEY, code INTEGER, late INTEGER NOT NULL)",
    "CREATE TABLE counts (name TEXT PRIMARY KEY, seen INTEGER NOT NULL)",
)


def refuse(tx: Transaction, row: Item) -> object:
    raise Refused(Reason.REASON_LINE_CLOSED)


def insert_if_missing(tx: Transaction, row: Item) -> None:
    if tx.find(ITEMS, row.name) is None:
        tx.insert(ITEMS, row)


def update_if_found(tx: Transaction, row: Item) -> None:
    if tx.find(ITEMS, row.name) is not None:
        tx.update(ITEMS, row)


CALLS: dict[str, Callable[[Transaction, Item], object]] = {
    "find": lambda tx, row: tx.find(ITEMS, row.name),
    "insert": lambda tx, row: tx.insert(ITEMS, row),
    "insert late": lambda tx, row: tx.insert_late(ITEMS, row, lambda row: row._replace(late=True)),
    "find all": lambda tx, row: sorted(each.name for each in tx.find_all(ITEMS, code=row.code)),
    "find least": lambda tx, row: tx.find_least(ITEMS, Named, code=row.code),
    "insert if missing": insert_if_missing,
    "update": lambda tx, row: tx.update(ITEMS, row),
    "update if found": update_if_found,
    "keep": lambda tx, row: tx.keep(ITEMS, row),
    "remove": lambda tx, row: tx.remove(ITEMS, row.name),
    "add": lambda tx, row: tx.add(COUNTS, row.name, seen=row.code or 0),
    "count once": lambda tx, _: tx.once("items", "count", lambda: tx.first(int, "SELECT COUNT(*) FROM items")),
    "change": lambda tx, row: tx.execute("UPDATE items SET code = code + 10 WHERE name = :name", name=row.name),
    "sum": lambda tx, _: tx.first(int, "SELECT SUM(seen) FROM counts"),
    "all": lambda tx, _: tx.all(Item, "SELECT name, code, late FROM items ORDER BY name"),
    "refuse": refuse,
}


@dataclass(frozen=True)
class Step:
    """A call of a transaction about a row."""

    call: str
    row: Item


STEPS = st.builds(
    Step, st.sampled_from(sorted(CALLS)), st.builds(Item, st.sampled_from(NAMES), st.none() | st.integers(0, 3))
)


def operation_of(steps: Sequence[Step]) -> Operation[object]:
    return lambda tx: [CALLS[step.call](tx, step.row) for step in steps]


@contextmanager
def opened() -> Iterator[SqliteDatabase]:
    database = SqliteDatabase(":memory:")
    with closing(database):
        for statement in SCHEMA:
            database.connection.execute(statement)
        yield database


def told(outcomes: Sequence[Outcome]) -> list[object]:
    return [type(each.error) if each.error is not None else each.result for each in outcomes]


def content(connection: sqlite3.Connection) -> list[list[object]]:
    return [connection.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in ("items", "counts")]


@given(st.lists(st.lists(st.lists(STEPS, max_size=5), max_size=6), max_size=3))
def test_operations_that_share_a_commit_do_the_same_as_each_alone(batches: list[list[list[Step]]]) -> None:
    with opened() as sharing, opened() as alone:
        for steps in batches:
            operations = [operation_of(each) for each in steps]
            outcomes = start_batch(sharing, operations)
            if outcomes is None:
                outcomes = run_alone(sharing, operations)
            else:
                sharing.commit()
            assert told(outcomes) == told(run_alone(alone, operations))
            assert content(sharing.connection) == content(alone.connection)


def test_a_row_is_read_once_until_sql_changes_its_table() -> None:
    def find_twice(tx: Transaction) -> list[Item | None]:
        return [tx.find(ITEMS, name) for name in ("a", "b", "a", "b")]

    found, found_later = [Item("a", 1), None] * 2, [Item("a", 11), None] * 2
    statements: list[str] = []
    with opened() as database:
        database.connection.execute("INSERT INTO items VALUES ('a', 1, 0)")
        database.connection.set_trace_callback(statements.append)
        putting, changing = (
            operation_of([each]) for each in (Step("keep", Item("c", 2)), Step("change", Item("a", 0)))
        )
        outcomes = start_batch(database, [find_twice, putting, find_twice, changing, find_twice])
        assert outcomes is not None
        assert told(outcomes) == [found, [None], found, [1], found_later]
    assert sum(each.startswith("SELECT") for each in statements) == 4


def test_an_operation_that_goes_on_after_rows_could_not_be_written_shares_no_commit() -> None:
    def swallowing(tx: Transaction) -> str:
        try:
            tx.execute("UPDATE items SET code = 2")
        except sqlite3.IntegrityError:
            return "as if nothing had happened"
        return "done"

    with opened() as database:
        database.connection.execute("INSERT INTO items VALUES ('a', 1, 0)")
        outcomes = start_batch(database, [operation_of([Step("insert", Item("a", 1))]), swallowing])
        assert outcomes is None
        assert not database.connection.in_transaction


def test_a_trigger_of_the_database_sees_each_change_of_a_row_in_a_commit() -> None:
    with opened() as database:
        for statement in (
            "CREATE TABLE changes (old INTEGER, new INTEGER)",
            "CREATE TRIGGER changed AFTER UPDATE ON items BEGIN INSERT INTO changes VALUES (old.code, new.code); END",
            "INSERT INTO items VALUES ('a', 1, 0)",
        ):
            database.connection.execute(statement)
        changing = [operation_of([Step("update", Item("a", code))]) for code in (2, 3)]
        assert start_batch(database, changing) is not None
        assert database.connection.execute("SELECT old, new FROM changes").fetchall() == [(1, 2), (2, 3)]
