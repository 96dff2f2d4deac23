"""A region numbers its own records one after another, also those that share a commit."""

import sys
from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

import pytest

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.group_commit import run_alone, start_batch
from gateway.store.port import Operation, Transaction
from gateway.store.sqlite import SqliteDatabase
from gateway.store.tables import Table
from region_node.app.registered import COUNTED
from region_node.records.numbers import Numbers
from region_node.records.stored import Events
from region_node.tickets.rows import TicketRows
from tests.keys import region_keys

NUMBERS = Numbers("tickets", "number", purged="purged_tickets")


class Ticket(NamedTuple):
    name: str
    number: int


TICKETS = Table("tickets", Ticket, key=("name",))


def added(name: str) -> Operation[int]:
    """Adds a record of this region."""

    def add(tx: Transaction) -> int:
        number = NUMBERS.next(tx)
        tx.insert(TICKETS, Ticket(name, number))
        NUMBERS.note(tx, number)
        return number

    return add


def followed(tx: Transaction) -> int:
    """Adds a record of another region."""
    tx.insert(TICKETS, Ticket("theirs", 0))
    NUMBERS.note(tx, 0)
    return 0


def refused(tx: Transaction) -> int:
    """Takes a number, and does not use it."""
    raise Refused(Reason.REASON_REQUEST_INVALID, field=str(NUMBERS.next(tx)), problem="refused")


@pytest.fixture
def database() -> Iterator[SqliteDatabase]:
    with closing(SqliteDatabase(":memory:", region_keys())) as database:
        database.connection.execute("CREATE TABLE tickets (name TEXT PRIMARY KEY, number INTEGER)")
        database.connection.execute("CREATE TABLE purged_tickets (number INTEGER)")
        database.connection.execute("CREATE TABLE number_floors (records TEXT PRIMARY KEY, number INTEGER)")
        yield database


OPERATIONS = [added("a"), refused, added("b"), followed, added("c")]


def test_records_that_share_a_commit_are_numbered_as_those_that_do_not(database: SqliteDatabase) -> None:
    shared = start_batch(database, OPERATIONS)
    assert shared is not None
    assert [each.result for each in shared] == [1, None, 2, 0, 3]
    database.rollback()
    assert [each.result for each in run_alone(database, OPERATIONS)] == [1, None, 2, 0, 3]


def test_records_of_one_commit_are_numbered_by_one_query(database: SqliteDatabase) -> None:
    asked: list[str] = []
    database.connection.set_trace_callback(asked.append)
    start_batch(database, [added("a"), added("b"), added("c")])
    assert len([each for each in asked if each.startswith("SELECT COALESCE(MAX")]) == 1


def test_the_number_of_a_purged_record_is_not_given_again(database: SqliteDatabase) -> None:
    database.connection.execute("INSERT INTO purged_tickets VALUES (7)")
    assert [each.result for each in run_alone(database, [added("a"), added("b")])] == [8, 9]


def test_numbers_go_on_behind_those_that_a_lost_part_of_the_database_may_have_given(database: SqliteDatabase) -> None:
    def skip(tx: Transaction) -> int:
        before = NUMBERS.next(tx)
        NUMBERS.skip(tx, 10)
        return NUMBERS.next(tx) - before

    assert [each.result for each in run_alone(database, [added("a"), skip, added("b")])] == [1, 10, 12]
    assert [each.result for each in run_alone(database, [skip, skip, added("c"), added("d")])] == [10, 10, 33, 34]


def test_every_number_that_a_region_gives_is_left_out_after_a_loss() -> None:
    """Numbers of records, and of the changes that clients read on from."""
    modules = [module for name, module in sys.modules.items() if name.startswith("region_node.")]
    held = [value for module in modules for value in vars(module).values()]
    found = [each.numbers if isinstance(each, TicketRows) else each for each in held]
    tables = {each.table for each in found if isinstance(each, Numbers | Events)}
    assert {"complaints", "support_requests", "order_events"} <= tables
    assert tables == {each.table for each in COUNTED if isinstance(each, Numbers | Events)}
