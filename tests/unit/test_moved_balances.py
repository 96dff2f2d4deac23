"""Balances of customers who move: each home owes the next one what it hands over, and all positions sum up to zero."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.region.v1.customer_move_pb2 import CustomerMove, MoveState
from gateway.errors import Refused
from gateway.store.schema import migrations_of
from gateway.store.sqlite_schema import apply
from gateway.time.clock import to_microseconds, to_timestamp
from region_node.app.registered import settlement
from region_node.business.settlement import signing
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import OPENING, EntryKind, payable, receivable, transfer
from region_node.customers.rows import CustomerRow, insert_customer
from region_node.lifecycle.moving import rules
from region_node.lifecycle.moving.books import book_moved, note_moved
from region_node.lifecycle.moving.rows import keep_move
from tests.unit.reconciling import HOME, NIGHT, ORIGIN, TAKEN_IN, Region, Two, two_regions

MONTH, OTHER = "2030-06", {HOME: ORIGIN, ORIGIN: HOME}


@pytest.fixture(name="two")
def regions_without_records() -> Iterator[Two]:
    with two_regions() as two:
        yield two


def move_of(number: int, old: str) -> CustomerMove:
    move = CustomerMove(id=f"{old}/crm/m{number}", from_region=old, to_region=OTHER[old], state=rules.MOVING)
    move.create_time.CopyFrom(to_timestamp(TAKEN_IN))
    move.change_time.CopyFrom(to_timestamp(TAKEN_IN + timedelta(hours=1)))
    return move


def takes_over(two: Two, move: CustomerMove, balances: Sequence[int]) -> None:
    region, owed = two.by_name[move.to_region], receivable(move.from_region)
    for index, each in enumerate(balances):
        book_moved(region.tx, move.id, f"account-new-{index}", each, owed, "CNY", TAKEN_IN)
    note_moved(region.tx, region.context.node, move, sum(balances))


def gives_up(two: Two, move: CustomerMove, balances: Sequence[int]) -> None:
    region = two.by_name[move.from_region]
    for index, each in enumerate(balances):
        book_moved(region.tx, move.id, f"account-{index}", -each, payable(move.to_region), "CNY", TAKEN_IN)
    note_moved(region.tx, region.context.node, move, sum(balances))


def line(region: Region) -> tuple[int, int]:
    """Quantity and amount, as the first region of the pair owes it."""
    terms = signing.computed(region.tx, settlement(region.context.node), OTHER[region.name], MONTH)
    found = {each.charge_kind: (each.quantity, each.amount.minor_units) for each in terms.lines}
    return found.get("moved-balance", (0, 0))


def between(region: Region) -> int:
    """What the books say that a region owes the other one."""
    other = OTHER[region.name]
    return ledger.balance(region.tx, payable(other)) + ledger.balance(region.tx, receivable(other))


@settings(max_examples=15, deadline=None)
@given(
    moved=st.lists(
        st.tuples(st.sampled_from((HOME, ORIGIN)), st.lists(st.integers(-5000, 5000), min_size=1, max_size=3)),
        max_size=6,
    )
)
def test_whatever_moves_to_and_fro_both_homes_state_the_same_and_the_positions_sum_up_to_zero(
    moved: list[tuple[str, list[int]]],
) -> None:
    with two_regions() as two:
        for number, (old, balances) in enumerate(moved):
            takes_over(two, move_of(number, old), balances)
            gives_up(two, move_of(number, old), balances)
        owes = sum(sum(balances) * (1 if old == ORIGIN else -1) for old, balances in moved)
        count = sum(1 if old == ORIGIN else -1 for old, _ in moved)
        assert line(two.origin) == line(two.home) == (count, owes), "the first region is the origin"
        assert (between(two.origin), between(two.home)) == (owes, -owes)
        two.compare()
        assert two.origin.named == two.home.named == {}


@pytest.mark.clause("10.3(3)")
def test_a_balance_that_only_one_home_has_booked_is_named_and_charged_by_nobody(two: Two) -> None:
    move = move_of(1, HOME)
    insert_customer(two.home.tx, CustomerRow("c1", "陈静", "chen@example.com"))
    keep_move(two.home.tx, move, "c1")
    takes_over(two, move, [700])
    two.compare()
    assert two.home.named == two.origin.named == {"m1": "in_flight"}, "the receipt is on its way"
    assert line(two.origin) == (0, 0)
    gives_up(two, move, [700])
    move.state = MoveState.MOVE_STATE_MOVED
    keep_move(two.home.tx, move, "c1")
    two.compare(now=NIGHT + timedelta(days=1))
    assert two.home.named == two.origin.named == {}
    assert line(two.origin) == line(two.home) == (-1, -700)
    two.home.tx.execute("DELETE FROM customer_moves")
    two.home.tx.execute("DELETE FROM regional_debts")
    two.compare(now=NIGHT + timedelta(days=2))
    assert two.origin.named == {"m1": "missing_there"}, "the old home was restored from before the move"
    assert line(two.origin) == (0, 0)


def test_a_move_that_no_statement_would_look_at_is_not_taken_over() -> None:
    for age in (timedelta(days=61), -timedelta(hours=2), timedelta(days=10**6)):
        with pytest.raises(Refused):
            rules.require_recent(move_of(1, HOME), TAKEN_IN + age)
    rules.require_recent(move_of(1, HOME), TAKEN_IN + timedelta(days=59))
    ahead = move_of(1, HOME)
    ahead.change_time.CopyFrom(to_timestamp(TAKEN_IN + timedelta(days=3)))
    with pytest.raises(Refused):
        rules.require_recent(ahead, TAKEN_IN)


def test_moves_of_the_version_before_are_charged_once_they_are_found_in_the_books() -> None:
    migrations = migrations_of("gateway", "region_node")
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        apply(connection, [each for each in migrations if each.package != "region_node" or each.name < "0123"])
        connection.execute("PRAGMA foreign_keys = OFF")
        for name, state in ((f"{HOME}/crm/m1", 3), (f"{ORIGIN}/crm/m2", 4), (f"{HOME}/crm/m3", 2)):
            connection.execute(
                "INSERT INTO customer_moves (move_id, customer_id, state, create_time, is_planned, body)"
                " VALUES (?, 'c', ?, ?, 1, X'00')",
                (name, state, to_microseconds(TAKEN_IN)),
            )
        with two_regions() as two:
            columns = [each[1] for each in connection.execute("PRAGMA table_info(ledger_entries)")]
            for move, other in ((f"{HOME}/crm/m1", payable(ORIGIN)), (f"{ORIGIN}/crm/m2", receivable(ORIGIN))):
                posting = transfer(f"{move}#balance/account-1", EntryKind.MOVED_BALANCE, 5, debit=OPENING, credit=other)
                ledger.post(two.home.tx, posting, "CNY", TAKEN_IN)
            found = two.home.tx.all(lambda *row: row, f"SELECT {', '.join(columns)} FROM ledger_entries")
        marks = ", ".join("?" for _ in columns)
        connection.executemany(f"INSERT INTO ledger_entries ({', '.join(columns)}) VALUES ({marks})", found)
        apply(connection, migrations)
        rows = connection.execute("SELECT serial, region, debtor, create_time FROM regional_debts ORDER BY serial")
        assert rows.fetchall() == [
            (f"{ORIGIN}/crm/m2", ORIGIN, ORIGIN, to_microseconds(TAKEN_IN)),
            (f"{HOME}/crm/m1", ORIGIN, HOME, to_microseconds(TAKEN_IN)),
        ]
