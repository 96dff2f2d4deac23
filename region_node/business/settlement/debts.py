"""Debts between two regions that no order brings about: each has one row and one posting in both of them.

The owing region learns of a debt by a message that the other one has signed. Both have its serial, amount and time.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

from gateway.store.port import Transaction
from gateway.store.tables import Table
from gateway.time.clock import to_microseconds
from region_node.business.reconciliation.port import Restoring, SettledKind, Wanted
from region_node.business.reconciliation.rules import SETTLED, Record
from region_node.business.settlement.port import ChargedKind
from region_node.business.settlement.rules import Charge
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import COMPENSATION, EntryKind, payable, receivable, transfer
from region_node.node.context import RegionContext

_STATE = "owed"
# '$' is the character behind '#': the postings of a debt, and no other.
_RECORDS = """
    SELECT d.serial, d.debtor, COUNT(e.amount), CAST(COALESCE(SUM(
        CASE WHEN e.account = :payable THEN e.amount WHEN e.account = :receivable THEN -e.amount END), 0) AS BIGINT),
        COALESCE(MAX(e.currency), '')
    FROM regional_debts AS d LEFT JOIN ledger_entries AS e ON e.posting_id >= d.serial || '#'
        AND e.posting_id < d.serial || '$' AND e.account || '' IN (:payable, :receivable)
    WHERE d.region = :there AND d.create_time >= :start AND d.create_time < :end AND d.kind = :kind
    GROUP BY d.serial, d.debtor"""

_OWED = """
    SELECT d.region, CAST(-SUM(e.amount) AS BIGINT)
    FROM regional_debts AS d JOIN ledger_entries AS e ON e.posting_id = d.serial || '#owed'
        AND e.account IN (:payable || d.region, :receivable || d.region)
    WHERE d.kind = :kind AND d.serial >= :start AND d.serial < :end
    GROUP BY d.region"""


class Debt(NamedTuple):
    """A debt of one region to another, in minor units; both have the time of the record.

    The amount is positive, but for a balance that a customer owes.
    """

    kind: str
    """The name of the kind of charge."""
    serial: str
    """Unique in its kind; no other posting has an id that begins with it and `#`."""
    debtor: str
    creditor: str
    amount: int
    time: datetime


class _DebtRow(NamedTuple):
    """The columns of a debt."""

    kind: str
    serial: str
    region: str
    debtor: str
    create_time: int


class _Booked(NamedTuple):
    """A debt with the sum of its postings."""

    serial: str
    debtor: str
    postings: int
    amount: int
    currency: str


class _Owed(NamedTuple):
    """The net of a region's debts."""

    region: str
    amount: int


_DEBTS = Table("regional_debts", _DebtRow, key=("kind", "serial"))


def note_debt(
    tx: Transaction, context: RegionContext, debt: Debt, kind: EntryKind, recovered: str, now: datetime
) -> bool:
    """Stores and books a debt in one of its regions; returns False for a known one.

    The creditor books it to the account `recovered`, which has borne the amount. A region that has lost either the row
    or the posting gets it again.
    """
    is_debtor, is_new = debt.debtor == context.region, not is_noted(tx, debt.kind, debt.serial)
    region = debt.creditor if is_debtor else debt.debtor
    if is_new:
        _keep(tx, debt, region)
    debit, credit = (COMPENSATION, payable(region)) if is_debtor else (receivable(region), recovered)
    posting = transfer(f"{debt.serial}#owed", kind, debt.amount, debit=debit, credit=credit)
    ledger.post_once(tx, [posting], context.currency, now)
    return is_new


def note_booked_debt(tx: Transaction, context: RegionContext, debt: Debt) -> None:
    """Stores a debt whose postings the caller books, with ids that begin with the serial and `#`; once.

    The debtor books to `payable` of the creditor, who books to `receivable` of the debtor: also a negative amount.
    """
    if not is_noted(tx, debt.kind, debt.serial):
        _keep(tx, debt, debt.creditor if debt.debtor == context.region else debt.debtor)


def is_noted(tx: Transaction, kind: str, serial: str) -> bool:
    """Whether this region has a debt."""
    return tx.find(_DEBTS, kind, serial) is not None


def owed_by_region(tx: Transaction, kind: str, prefix: str) -> dict[str, int]:
    """The amount that each other region owes this one by its debts of a kind; negative if this one owes it.

    Only debts count whose serial begins with `prefix`, which ends with `#`.
    """
    end = prefix.removesuffix("#") + "$"  # the character behind '#'
    names = {"payable": payable(""), "receivable": receivable("")}
    return dict(tx.all(_Owed, _OWED, kind=kind, start=prefix, end=end, **names))


def charged_debts(kind: str) -> ChargedKind:
    """The charges of a kind of debt."""
    return ChargedKind(kind, partial(_charges, kind))


def settled_debts(
    kind: str, subject: Callable[[str], str], restoring: Restoring | None = None, *, of_any_origin: bool = False
) -> SettledKind:
    """The reconciliation of a kind of debt; the parameters are those of `SettledKind`."""
    return SettledKind(kind, partial(_records, kind), subject, restoring=restoring, of_any_origin=of_any_origin)


def _keep(tx: Transaction, debt: Debt, region: str) -> None:
    tx.insert(_DEBTS, _DebtRow(debt.kind, debt.serial, region, debt.debtor, to_microseconds(debt.time)))


def _charges(kind: str, tx: Transaction, wanted: Wanted) -> Iterator[Charge]:
    return (Charge(each.serial, each.debtor, each.amount, each.currency) for each in _booked(kind, tx, wanted))


def _records(kind: str, tx: Transaction, wanted: Wanted) -> Sequence[Record]:
    return [
        Record(each.serial, SETTLED, _STATE, each.amount, each.currency, each.postings)
        for each in _booked(kind, tx, wanted)
    ]


def _booked(kind: str, tx: Transaction, wanted: Wanted) -> Sequence[_Booked]:
    return tx.all(
        _Booked,
        _RECORDS,
        kind=kind,
        there=wanted.there,
        start=to_microseconds(wanted.start),
        end=to_microseconds(wanted.end),
        payable=payable(wanted.there),
        receivable=receivable(wanted.there),
    )
