"""Double entry, balances, bills' months and what regions owe each other."""

import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.sqlite import SqliteTransaction
from region_node.business.billing.rules import month_bounds, next_cycle, next_month
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import (
    Entry,
    EntryKind,
    Posting,
    balance_of,
    payable,
    receivable,
    require_balanced,
    transfer,
)
from tests.empty_database import empty_database

NOW = datetime(2030, 6, 15, 4, 0, tzinfo=UTC)
SHANGHAI = "Asia/Shanghai"
KEPT = 5
ACCOUNTS = ["cash", "account-1", "account-2", "payable/sichuan", "receivable/guangdong"]
accounts = st.sampled_from(ACCOUNTS)
amounts = st.integers(1, 10**12)
# (debit, credit, amount, minutes since the one before)
transfers = st.lists(st.tuples(accounts, accounts, amounts, st.integers(0, 600)), max_size=25).map(
    lambda found: [each for each in found if each[0] != each[1]]
)


@contextlib.contextmanager
def books() -> Iterator[SqliteTransaction]:
    """An empty database of a region, in memory."""
    with contextlib.closing(empty_database("gateway", "region_node")) as connection:
        yield SqliteTransaction(connection)


@given(amounts, accounts, accounts)
def test_a_transfer_gives_to_one_what_it_takes_from_the_other(amount: int, debit: str, credit: str) -> None:
    posting = transfer("P1", EntryKind.PAYMENT, amount, debit=debit, credit=credit)
    require_balanced(posting)
    assert sorted(entry.amount for entry in posting.entries) == [-amount, amount]
    assert balance_of(credit, [posting]) == (0 if debit == credit else amount)


@given(st.lists(st.integers(-100, 100), max_size=6))
def test_a_posting_is_balanced_exactly_where_it_sums_to_zero(parts: list[int]) -> None:
    posting = Posting("P1", EntryKind.PAYMENT, tuple(Entry(f"a{index}", part) for index, part in enumerate(parts)))
    if sum(parts) == 0:
        require_balanced(posting)
        return
    with pytest.raises(ValueError, match="does not sum to zero"):
        require_balanced(posting)


@settings(max_examples=40)
@given(transfers)
def test_balances_are_what_a_plain_sum_says(found: list[tuple[str, str, int, int]]) -> None:
    expected = dict.fromkeys(ACCOUNTS, 0)
    postings = []
    with books() as tx:
        for index, (debit, credit, amount, _) in enumerate(found):
            expected[debit] -= amount
            expected[credit] += amount
            postings.append(transfer(f"P{index}", EntryKind.PAYMENT, amount, debit=debit, credit=credit))
            ledger.post(tx, postings[-1], "CNY", NOW)
        assert {account: ledger.balance(tx, account) for account in ACCOUNTS} == expected
        assert {account: balance_of(account, postings) for account in ACCOUNTS} == expected
        assert sum(expected.values()) == 0
        listed = {each.account: each.amount for each in ledger.balances_like(tx, "account-")}
        touched = {account for pair in found for account in pair[:2] if account.startswith("account-")}
        assert listed == {account: expected[account] for account in touched}


@settings(max_examples=40)
@given(transfers, st.integers(0, 3000), st.integers(0, 3000))
def test_a_period_shows_its_entries_and_the_balances_at_both_ends(
    found: list[tuple[str, str, int, int]], one: int, other: int
) -> None:
    start, end = (NOW + timedelta(minutes=each) for each in sorted((one, other)))
    history: list[tuple[datetime, int]] = []
    now = NOW
    with books() as tx:
        for index, (debit, credit, amount, pause) in enumerate(found):
            now += timedelta(minutes=pause)
            ledger.post(
                tx, transfer(f"P{index:03d}", EntryKind.PAYMENT, amount, debit=debit, credit=credit), "CNY", now
            )
            if "account-1" in (debit, credit):
                history.append((now, amount if credit == "account-1" else -amount))
        entries = [entry.amount for entry in ledger.entries_between(tx, "account-1", start, end)]
        opening, closing = (ledger.balance_before(tx, "account-1", at) for at in (start, end))
    within = [(time, amount) for time, amount in history if start <= time < end]
    assert entries == [amount for _, amount in sorted(within, key=lambda each: (each[0], each[1] < 0))]
    assert opening == sum(amount for time, amount in history if time < start)
    assert closing == opening + sum(entries)


def test_entries_of_one_instant_show_money_that_came_in_before_it_is_paid_out() -> None:
    given = transfer("R1#remedy", EntryKind.REMEDY, 1_200, debit="compensation", credit="account-1")
    paid_out = transfer("R1#refund", EntryKind.REFUND, 1_200, debit="account-1", credit="refunds-due")
    with books() as tx:
        ledger.post_all(tx, [given, paid_out], "CNY", NOW)
        found = ledger.entries_between(tx, "account-1", NOW, NOW + timedelta(minutes=1))
    assert [each.posting_id for each in found] == ["R1#remedy", "R1#refund"]


def test_an_unbalanced_posting_is_not_booked() -> None:
    with books() as tx:
        with pytest.raises(ValueError, match="does not sum to zero"):
            ledger.post(tx, Posting("P1", EntryKind.PAYMENT, (Entry("cash", 1),)), "CNY", NOW)
        assert ledger.balance(tx, "cash") == 0


def test_the_same_posting_is_not_booked_twice() -> None:
    posting = transfer("P1", EntryKind.PAYMENT, 5, debit="cash", credit="account-1")
    with books() as tx:
        ledger.post(tx, posting, "CNY", NOW)
        with pytest.raises(sqlite3.IntegrityError):
            ledger.post(tx, posting, "CNY", NOW)


@pytest.mark.parametrize("sql", ["UPDATE ledger_entries SET amount = 9", "DELETE FROM ledger_entries"])
def test_what_is_booked_stays_as_it_is(sql: str) -> None:
    with books() as tx:
        ledger.post(tx, transfer("P1", EntryKind.PAYMENT, 5, debit="cash", credit="account-1"), "CNY", NOW)
        with pytest.raises(sqlite3.IntegrityError, match="immutable"):
            tx.execute(sql)
        assert ledger.balance(tx, "account-1") == 5


def test_accounts_between_regions_are_named_by_the_other_region() -> None:
    assert (payable("sichuan"), receivable("guangdong")) == ("payable/sichuan", "receivable/guangdong")
    with books() as tx:
        for index, account in enumerate([payable("henan"), payable("sichuan"), "payables"]):
            ledger.post(
                tx, transfer(f"P{index}", EntryKind.PAYMENT, index + 1, debit="cash", credit=account), "CNY", NOW
            )
        found = [(each.account, each.amount) for each in ledger.balances_like(tx, payable(""))]
    assert found == [("payable/henan", 1), ("payable/sichuan", 2)]


# Months.


@pytest.mark.parametrize(
    ("month", "start", "end"),
    [
        ("2030-06", datetime(2030, 5, 31, 16, tzinfo=UTC), datetime(2030, 6, 30, 16, tzinfo=UTC)),
        ("2030-02", datetime(2030, 1, 31, 16, tzinfo=UTC), datetime(2030, 2, 28, 16, tzinfo=UTC)),
        ("2030-01", datetime(2029, 12, 31, 16, tzinfo=UTC), datetime(2030, 1, 31, 16, tzinfo=UTC)),
    ],
)
def test_a_month_is_that_of_the_home_region(month: str, start: datetime, end: datetime) -> None:
    found = month_bounds(month, NOW, SHANGHAI, KEPT)
    assert (found.start, found.end) == (start, end)


@pytest.mark.parametrize(
    ("month", "kept"), [("2030-07", False), ("2030-06", True), ("2030-01", True), ("2029-12", False)]
)
def test_bills_are_kept_for_the_running_month_and_five_before(month: str, kept: bool) -> None:
    if kept:
        month_bounds(month, NOW, SHANGHAI, KEPT)
        return
    with pytest.raises(Refused) as raised:
        month_bounds(month, NOW, SHANGHAI, KEPT)
    assert (raised.value.reason, raised.value.parameters) == (Reason.REASON_BILL_OUT_OF_RANGE, {"month": month})


def test_the_month_changes_at_midnight_of_the_home_region() -> None:
    last = datetime(2030, 6, 30, 15, 59, 59, tzinfo=UTC)
    with pytest.raises(Refused):
        month_bounds("2030-07", last, SHANGHAI, KEPT)
    month_bounds("2030-07", last + timedelta(seconds=1), SHANGHAI, KEPT)


@pytest.mark.parametrize(
    "month", ["", "June", "2030", "2030-13", "2030-00", "30-06", "2030-06-01", "2030/06", "٢٠٣٠-٠٦"]
)
def test_a_month_is_written_as_year_and_month(month: str) -> None:
    with pytest.raises(Refused) as raised:
        month_bounds(month, NOW, SHANGHAI, KEPT)
    assert raised.value.reason == Reason.REASON_REQUEST_INVALID


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001 - made aware
    st.sampled_from([SHANGHAI, "Asia/Urumqi", "America/New_York", "Pacific/Auckland", "UTC"]),
)
def test_months_follow_each_other_without_gap_or_overlap(moment: datetime, zone: str) -> None:
    now = moment.replace(tzinfo=UTC)
    local = now.astimezone(ZoneInfo(zone))
    month = month_bounds(f"{local:%Y-%m}", now, zone, KEPT)
    start, end = month.start, month.end
    assert start <= now < end
    assert end == next_cycle(now, zone)
    begins = end.astimezone(ZoneInfo(zone))
    assert (begins.day, begins.hour, begins.minute, begins.second, begins.microsecond) == (1, 0, 0, 0, 0)
    assert month_bounds(f"{begins:%Y-%m}", end, zone, KEPT).start == end == month.next().start
    assert next_month(local).month == local.month % 12 + 1
