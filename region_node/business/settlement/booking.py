"""The books of a statement that both regions have signed: what it settles is moved to what is left to pay."""

from datetime import datetime

from gateway.api.region.v1.settlement_pb2 import SettlementLine, SettlementState, SettlementStatement
from gateway.store.port import Transaction
from region_node.business.settlement.port import Settlement
from region_node.business.settlement.rows import keep_statement
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import (
    RECONCILIATION,
    Entry,
    EntryKind,
    Posting,
    payable,
    receivable,
    settled,
)


def keep(tx: Transaction, settlement: Settlement, region: str, statement: SettlementStatement, now: datetime) -> None:
    """Stores the statement with another region, in place of its state before; books it once both have signed it."""
    keep_statement(tx, region, statement, now)
    if statement.state == SettlementState.SETTLEMENT_STATE_SIGNED:
        book_once(tx, settlement, region, statement, now)


def book_once(
    tx: Transaction, settlement: Settlement, region: str, statement: SettlementStatement, now: datetime
) -> None:
    """Books a signed statement, unless its postings are in the books: those of an earlier version are not."""
    if not ledger.is_any_booked(tx, f"{statement.id}#"):
        for line in statement.terms.lines:
            _book(tx, settlement, region, statement, line, now)


def _book(
    tx: Transaction,
    settlement: Settlement,
    region: str,
    statement: SettlementStatement,
    line: SettlementLine,
    now: datetime,
) -> None:
    """Moves a line from the debts of its records, or from the account of its kind, to what is left to pay."""
    amount = line.amount.minor_units
    owed = amount if statement.terms.first_region == settlement.node.region else -amount
    if not owed:
        return
    entries = (Entry(_account(settlement, region, line.charge_kind, owed), -owed), Entry(settled(region), owed))
    name = f"{statement.id}#{line.charge_kind}/{line.of_month}/{line.amount.currency}"
    ledger.post(tx, Posting(name, EntryKind.SETTLED, entries), line.amount.currency, now)


def _account(settlement: Settlement, region: str, charge_kind: str, owed: int) -> str:
    """Where the charges of a line were booked before; those of a kind that this region does not know were not."""
    kind = next((each for each in settlement.kinds if each.name == charge_kind), None)
    if kind is None:
        return RECONCILIATION
    return kind.account or (payable(region) if owed > 0 else receivable(region))
