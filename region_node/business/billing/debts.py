"""Overdue debts of accounts, read from bills and ledger."""

from datetime import datetime

from gateway.store.port import Transaction
from gateway.time.clock import to_microseconds
from region_node.business.billing.arrears import unpaid
from region_node.business.billing.bills import BillRow, open_bills
from region_node.business.billing.rules import Month
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import SETTLING, EntryKind

_SETTLING = ", ".join(f"'{kind}'" for kind in SETTLING)


def overdue(tx: Transaction, time_zone: str, account: str, now: datetime) -> int:
    """The amount that clears all overdue debt, late fees included, in minor units.

    Without an open bill, the negative balance: the line was migrated in arrears.
    """
    bills = open_bills(tx, account, now)
    if not bills:
        return max(0, -ledger.balance(tx, account))
    return unpaid_of(tx, time_zone, bills[-1], now, with_late_fees=True)


def unpaid_of(tx: Transaction, time_zone: str, bill: BillRow, at: datetime, *, with_late_fees: bool) -> int:
    """The unpaid part, at a time, of all charges up to the end of a bill's month."""
    end = to_microseconds(Month.of(bill.month, time_zone).end)
    late_fees = str(EntryKind.LATE_FEE) if not with_late_fees else ""
    then = tx.first(
        int,
        "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM ledger_entries"
        " WHERE account = :account AND time < :end AND kind <> :without",
        account=bill.account_id,
        end=end,
        without=late_fees,
    )
    since = tx.first(
        int,
        "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM ledger_entries"  # noqa: S608 - stored names of ours
        " WHERE account = :account AND time >= :end AND time < :at"
        f" AND kind IN ({_SETTLING}, :late_fee)"
        " AND kind <> :without",
        account=bill.account_id,
        end=end,
        at=to_microseconds(at),
        late_fee=str(EntryKind.LATE_FEE),
        without=late_fees,
    )
    return unpaid(then or 0, since or 0)
