"""Bills as stored: one of an account and month, with its lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.store.port import Transaction, Value
from gateway.time.clock import instant_or_none, microseconds_or_none, to_microseconds
from region_node.business.billing.rating import Charge
from region_node.customers.accounts.rules import EntryKind


@dataclass(frozen=True)
class BillRow:
    """A bill: the charges of the month (minor units), and the due date, if it is to be paid."""

    account_id: str
    month: str
    total: int
    payment_due: datetime | None
    abnormal: bool


@dataclass(frozen=True)
class BillLineRow:
    """The charge of one line for one kind."""

    product_id: str
    charge: Charge


def find_bill(tx: Transaction, account_id: str, month: str) -> BillRow | None:
    """The bill of a month; None before it is written."""
    return tx.first(
        _bill,
        "SELECT account_id, month, total, payment_due, abnormal FROM bills"
        " WHERE account_id = :account AND month = :month",
        account=account_id,
        month=month,
    )


def open_bills(tx: Transaction, account_id: str, instant: datetime) -> list[BillRow]:
    """The bills that are not known to be paid and were due before an instant, oldest first."""
    return tx.all(
        _bill,
        "SELECT account_id, month, total, payment_due, abnormal FROM bills"
        " WHERE account_id = :account AND settled = 0 AND payment_due < :instant ORDER BY month",
        account=account_id,
        instant=to_microseconds(instant),
    )


def accounts_with_open_bills(tx: Transaction, after: str, instant: datetime, limit: int) -> list[str]:
    """At most `limit` accounts after one with such bills, in order."""
    return tx.all(
        str,
        "SELECT DISTINCT account_id FROM bills WHERE settled = 0 AND payment_due < :instant AND account_id > :after"
        " ORDER BY account_id LIMIT :limit",
        instant=to_microseconds(instant),
        after=after,
        limit=limit,
    )


def settle_bill(tx: Transaction, bill: BillRow) -> None:
    """The bill was found paid."""
    tx.execute(
        "UPDATE bills SET settled = 1 WHERE account_id = :account AND month = :month",
        account=bill.account_id,
        month=bill.month,
    )


def insert_bill(tx: Transaction, bill: BillRow, lines: Sequence[BillLineRow]) -> None:
    """Adds a bill."""
    tx.execute(
        "INSERT INTO bills (account_id, month, total, payment_due, abnormal, settled)"
        " VALUES (:account, :month, :total, :payment_due, :abnormal, 0)",
        account=bill.account_id,
        month=bill.month,
        total=bill.total,
        payment_due=microseconds_or_none(bill.payment_due),
        abnormal=int(bill.abnormal),
    )
    rows: list[dict[str, Value]] = [
        {
            "account": bill.account_id,
            "month": bill.month,
            "product_id": line.product_id,
            "kind": str(line.charge.kind),
            "amount": line.charge.amount,
            "quantity": line.charge.quantity,
            "allowance": line.charge.allowance,
            "rate": line.charge.rate,
        }
        for line in lines
    ]
    tx.execute_many(
        "INSERT INTO bill_lines (account_id, month, product_id, kind, amount, quantity, allowance, rate)"
        " VALUES (:account, :month, :product_id, :kind, :amount, :quantity, :allowance, :rate)",
        rows,
    )


def lines_of_bill(tx: Transaction, account_id: str, month: str) -> list[BillLineRow]:
    """The lines of a bill."""
    return tx.all(
        _bill_line,
        "SELECT product_id, kind, amount, quantity, allowance, rate FROM bill_lines"
        " WHERE account_id = :account AND month = :month ORDER BY product_id, kind",
        account=account_id,
        month=month,
    )


_NOT_HELD = (
    " AND NOT EXISTS (SELECT 1 FROM products JOIN legal_holds ON legal_holds.customer_id = products.customer_id"
    " WHERE products.account_id = {table}.account_id AND (legal_holds.until IS NULL OR legal_holds.until > :now))"
)


def forget_before(tx: Transaction, month: str, limit: int, now: datetime) -> int:
    """Removes at most `limit` uses, and as many bills, of earlier months; returns the number of removed rows.

    Bills that may be unpaid stay, and all data under a legal hold. The ledger keeps everything.
    """
    uses = tx.execute(
        "DELETE FROM usage_records WHERE usage_id IN"  # noqa: S608 - the name of a table
        " (SELECT usage_id FROM usage_records WHERE month < :month"
        + _NOT_HELD.format(table="usage_records")
        + " ORDER BY month LIMIT :limit)",
        month=month,
        limit=limit,
        now=to_microseconds(now),
    )
    old = tx.all(
        _key,
        "SELECT account_id, month FROM bills"  # noqa: S608 - the name of a table
        " WHERE month < :month AND (settled = 1 OR payment_due IS NULL)"
        + _NOT_HELD.format(table="bills")
        + " ORDER BY month LIMIT :limit",
        month=month,
        limit=limit,
        now=to_microseconds(now),
    )
    tx.execute_many("DELETE FROM bill_lines WHERE account_id = :account AND month = :month", old)
    tx.execute_many("DELETE FROM bills WHERE account_id = :account AND month = :month", old)
    return uses + len(old)


def _key(account_id: str, month: str) -> dict[str, Value]:
    return {"account": account_id, "month": month}


def _bill(account_id: str, month: str, total: int, payment_due: int | None, abnormal: int) -> BillRow:
    due = instant_or_none(payment_due)
    return BillRow(account_id, month, total, due, bool(abnormal))


def _bill_line(product_id: str, kind: str, amount: int, quantity: int, allowance: int, rate: int) -> BillLineRow:
    return BillLineRow(product_id, Charge(EntryKind.of(kind), amount, quantity, allowance, rate))
