"""Orders of two regions for their reconciliation, with the money that the origin owes the home region for them."""

from collections.abc import Sequence
from typing import NamedTuple

from gateway.api.region.v1.order_pb2 import OrderState
from gateway.store.port import Transaction
from gateway.time.clock import to_microseconds
from region_node.business.orders import rules
from region_node.business.reconciliation.port import Wanted
from region_node.business.reconciliation.rules import ENDED, OPEN, SETTLED, Record
from region_node.customers.accounts.rules import payable, receivable

REMEDY = "COMPLAINT_REMEDY"
# '$' is the character behind '#': the postings of an order, and no other. They are found by their ids, and not by the
# account, which has the entries of years.
_ENTRIES = """
    SELECT o.order_id, o.state, CASE WHEN e.account = :payable THEN e.amount ELSE -e.amount END, e.currency
    FROM orders AS o LEFT JOIN ledger_entries AS e ON e.posting_id >= o.order_id || '#'
        AND e.posting_id < o.order_id || '$' AND e.account || '' IN (:payable, :receivable)
    WHERE o.create_time >= :start AND o.create_time < :end AND o.erased <= :with_erased
        AND ((o.origin_region = :here AND o.home_region = :there)
            OR (o.origin_region = :there AND o.home_region = :here))
        AND (CASE WHEN o.business = :remedy THEN 1 ELSE 0 END) = :is_remedy"""


class _Entry(NamedTuple):
    """An order with one of its entries; without one the amount is None."""

    order_id: str
    state: int
    amount: int | None
    currency: str | None


def records_of_orders(
    tx: Transaction, wanted: Wanted, *, is_remedy: bool, with_erased: bool = False
) -> Sequence[Record]:
    """The orders of two regions, or those of money for complaints, with what the origin owes the home region."""
    entries = tx.all(
        _Entry,
        _ENTRIES,
        here=wanted.here,
        there=wanted.there,
        start=to_microseconds(wanted.start),
        end=to_microseconds(wanted.end),
        payable=payable(wanted.there),
        receivable=receivable(wanted.there),
        remedy=REMEDY,
        is_remedy=int(is_remedy),
        with_erased=int(with_erased),
    )
    found: dict[str, Record] = {}
    for each in entries:
        record = found.get(each.order_id) or _unbooked(each)
        if each.amount is not None:
            amount, postings = record.amount + each.amount, record.postings + 1
            record = record._replace(amount=amount, currency=each.currency or "", postings=postings)
        found[each.order_id] = record
    return list(found.values())


def _unbooked(entry: _Entry) -> Record:
    state = OrderState.ValueType(entry.state)
    standing = SETTLED if state == rules.COMPLETED else ENDED if state in rules.FINAL else OPEN
    return Record(entry.order_id, standing, rules.state_name(state))
