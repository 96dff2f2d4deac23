"""The balance of a customer who moves, as both homes book it."""

from datetime import datetime

from gateway.store.port import Transaction
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import EntryKind, transfer


def book_moved(
    tx: Transaction, move_id: str, account: str, amount: int, between: str, currency: str, now: datetime
) -> None:
    """Books an amount, in minor units, to a customer's account, or from it where it is negative.

    `between` is the account of the debt between both regions.
    """
    if not amount:
        return
    debit, credit = (between, account) if amount > 0 else (account, between)
    posting_id = f"{move_id}#balance/{account}"
    posting = transfer(posting_id, EntryKind.MOVED_BALANCE, abs(amount), debit=debit, credit=credit)
    ledger.post(tx, posting, currency, now)
