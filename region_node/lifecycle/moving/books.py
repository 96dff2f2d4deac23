"""The balance of a customer who moves, as both homes book it."""

from datetime import datetime

from gateway.store.port import Transaction
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import REFUNDS_DUE, EntryKind, charge, transfer


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


def book_rest(tx: Transaction, move_id: str, account: str, currency: str, now: datetime) -> None:
    """Empties the account of a customer who has moved of what came after the confirmation.

    The balance of the hand-over does not know of it. Charges are taken back, since the new home charges from then on;
    what was given is owed to the customer.
    """
    rest, posting_id = ledger.balance(tx, account), f"{move_id}#rest/{account}"
    if rest < 0:
        ledger.post(tx, charge(posting_id, EntryKind.CORRECTION, rest, account), currency, now)
    elif rest > 0:
        posting = transfer(posting_id, EntryKind.REFUND, rest, debit=account, credit=REFUNDS_DUE)
        ledger.post(tx, posting, currency, now)
