"""Balances of customers who move: each home owes the next one what it hands over, and all positions sum up to zero."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.region.v1.customer_move_pb2 import CustomerMove, MoveState
from gateway.api.region.v1.reconciliation_pb2 import RepairAct
from gateway.api.relay.v1.relay_pb2 import Outcome, ReceiptContent
from gateway.errors import Refused
from gateway.relay.border import Command
from gateway.store.schema import migrations_of
from gateway.store.sqlite_schema import apply
from gateway.time.clock import to_microseconds, to_timestamp
from region_node.app.registered import registry, settlement
from region_node.business.orders.repairing import SETTLED_ORDERS
from region_node.business.orders.rows import require_order, update_order
from region_node.business.reconciliation.port import Act
from region_node.business.settlement import signing
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import OPENING, REFUNDS_DUE, EntryKind, charge, payable, receivable, transfer
from region_node.customers.operations import keep_customer, keep_line
from region_node.customers.rows import CustomerRow, insert_customer
from region_node.lifecycle.moving import operations, rules
from region_node.lifecycle.moving.books import book_moved, note_moved
from region_node.lifecycle.moving.relayed import MoveEnvelopes
from region_node.lifecycle.moving.rows import keep_move
from tests.unit.reconciling import HOME, NIGHT, ORIGIN, TAKEN_IN, Region, Two, two_regions
from tests.unit.situations import LINE

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


@pytest.mark.parametrize("charged", [0, 300])
@pytest.mark.parametrize("times", [0, 2, 3])
def test_a_correction_between_confirmation_and_receipt_leaves_the_customer_what_was_paid(
    two: Two, times: int, charged: int
) -> None:
    """A payment of 700 was booked so many `times` at the old home, whose correction does not reach the hand-over."""
    old, new, confirmed, hour = two.home, two.origin, TAKEN_IN, timedelta(hours=1)
    keep_customer(old.tx, CustomerRow(LINE.customer_id, "王芳", ""))
    keep_line(old.tx, replace(LINE, start_time=confirmed), confirmed)
    two.order("1", 700)
    row = require_order(old.tx, f"{ORIGIN}/counter/1")
    row.order.product_id = LINE.product_id
    update_order(old.tx, row.order, TAKEN_IN)
    old.unlock_ledger()
    old.tx.execute("DELETE FROM ledger_entries")
    for number in range(times):
        paid = transfer(f"1#{number}", EntryKind.PAYMENT, 700, debit=receivable(ORIGIN), credit=LINE.account_id)
        ledger.post(old.tx, replace(paid, posting_id=f"{row.order.id}#{number}"), "CNY", confirmed)
    kinds, move = registry(old.context.node), CustomerMove(id=f"{HOME}/crm/m1", to_region=ORIGIN)
    move.lines.add(number=LINE.number, plan_id="guangdong-79")
    operations.start(old.tx, kinds, move, LINE.number, confirmed)
    old.waiting()
    operations.confirm(old.tx, kinds, move.id, confirmed, "")
    (content,) = old.waiting()
    act = Act(f"{ORIGIN}/staff/li/r1", row.order.id, ORIGIN, 700 - 700 * times)
    SETTLED_ORDERS.repairs[RepairAct.REPAIR_ACT_CORRECT](old.tx, old.context.node, act, confirmed + hour)
    if charged:
        ledger.post(old.tx, charge("late", EntryKind.RENT, charged, LINE.account_id), "CNY", confirmed + hour)
    handler, receiver = (MoveEnvelopes(each.context.node).kinds()[content.kind] for each in (old, new))
    assert isinstance(handler, Command)
    assert isinstance(receiver, Command)
    told = receiver.act(new.tx, content, confirmed + 2 * hour)
    assert told.outcome == Outcome.OUTCOME_ACCEPTED
    receipt = ReceiptContent(envelope_id=content.id, outcome=told.outcome)
    for _ in range(2):
        handler.answered(old.tx, content, receipt, confirmed + 3 * hour)
    last_rent = -sum(each.amount for each in entries_of_charges(old))
    account = f"account-{rules.ids_at_new_home(move.id)}-0"
    handed_over, owed = ledger.balance(new.tx, account), ledger.balance(old.tx, REFUNDS_DUE)
    assert (handed_over, owed) == (700 * times - last_rent, 700 - 700 * times)
    assert (ledger.balance(old.tx, LINE.account_id), ledger.balance(old.tx, receivable(ORIGIN))) == (0, -700)


def entries_of_charges(region: Region) -> Sequence[ledger.LedgerEntry]:
    """The charges of the account up to the confirmation: what came later is given back."""
    before = TAKEN_IN - timedelta(days=1)
    found = ledger.entries_between(region.tx, LINE.account_id, before, TAKEN_IN + timedelta(days=1))
    return [each for each in found if each.kind is EntryKind.RENT and each.posting_id != "late"]


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
