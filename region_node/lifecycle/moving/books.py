"""The balance of a customer who moves, as both homes book it, settle it and compare it."""

from collections.abc import Sequence
from datetime import datetime

from gateway.api.region.v1.customer_move_pb2 import CustomerMove
from gateway.relay.at_rest import envelope_subject
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp
from region_node.business.reconciliation.port import SettledKind, Wanted
from region_node.business.reconciliation.rules import OPEN, Record
from region_node.business.settlement.debts import Debt, charged_debts, note_booked_debt, settled_debts
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import REFUNDS_DUE, SETTLING, EntryKind, charge, transfer
from region_node.lifecycle.moving.rows import open_moves_between
from region_node.lifecycle.moving.rules import state_name
from region_node.node.context import RegionContext

_KIND = "moved-balance"


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


def note_moved(tx: Transaction, context: RegionContext, move: CustomerMove, amount: int) -> None:
    """Stores the sum of the balances of a move as a debt of the old home to the new one.

    It belongs to the day of the request, which both homes have.
    """
    time = from_timestamp(move.create_time)
    note_booked_debt(tx, context, Debt(_KIND, move.id, move.from_region, move.to_region, amount, time))


def book_rest(tx: Transaction, move: CustomerMove, account: str, currency: str, now: datetime) -> None:
    """Empties the account of a customer who has moved of what came after the confirmation.

    The balance of the hand-over does not know of it. Charges are taken back, since the new home charges from then on;
    what was given is owed to the customer, and pays for no charge that is taken back. A customer owes what corrections
    took in excess of it: the new home has that amount in the balance.
    """
    rest, confirmed = ledger.balance(tx, account), from_timestamp(move.change_time)
    owed = max(rest, ledger.given_after(tx, account, SETTLING, confirmed))
    if owed > rest:
        posting = charge(f"{move.id}#rest/{account}", EntryKind.CORRECTION, rest - owed, account)
        ledger.post(tx, posting, currency, now)
    if owed:
        posting_id = f"{move.id}#given/{account}"
        debit, credit = (account, REFUNDS_DUE) if owed > 0 else (REFUNDS_DUE, account)
        posting = transfer(posting_id, EntryKind.REFUND, abs(owed), debit=debit, credit=credit)
        ledger.post(tx, posting, currency, now)


def _records(tx: Transaction, wanted: Wanted) -> Sequence[Record]:
    """The balances that were handed over, and at the old home the moves on their way."""
    moves = open_moves_between(tx, wanted.start, wanted.end)
    on_the_way = [Record(each.id, OPEN, state_name(each.state)) for each in moves if each.to_region == wanted.there]
    return [*_BOOKED.records(tx, wanted), *on_the_way]


_BOOKED = settled_debts(_KIND, envelope_subject)
CHARGED_MOVES = charged_debts(_KIND)
SETTLED_MOVES = SettledKind(_KIND, _records, envelope_subject)
