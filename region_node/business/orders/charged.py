"""The charges of orders between the origin and the home region: money that the origin owes, and fees for handling."""

from collections.abc import Iterator
from functools import partial

from gateway.store.port import Transaction
from region_node.business.orders.settled import records_of_orders
from region_node.business.reconciliation.port import Wanted
from region_node.business.reconciliation.rules import SETTLED, Record
from region_node.business.settlement.port import ChargedKind
from region_node.business.settlement.rules import Charge


def _completed(tx: Transaction, wanted: Wanted, *, is_remedy: bool) -> Iterator[Record]:
    """Completed orders, with those of customers who were erased since: their money stays owed."""
    found = records_of_orders(tx, wanted, is_remedy=is_remedy, with_erased=True)
    return (each for each in found if each.standing == SETTLED)


def _owed(tx: Transaction, wanted: Wanted, *, is_remedy: bool) -> Iterator[Charge]:
    for each in _completed(tx, wanted, is_remedy=is_remedy):
        if each.postings:
            yield Charge(each.serial, _origin(each), each.amount, each.currency)


def _handled(tx: Transaction, wanted: Wanted) -> Iterator[Charge]:
    for each in _completed(tx, wanted, is_remedy=False):
        home = wanted.there if _origin(each) == wanted.here else wanted.here
        yield Charge(each.serial, home, 0, "")


def _origin(record: Record) -> str:
    """The region with which the id of an order begins."""
    return record.serial.partition("/")[0]


CHARGED_PAYMENTS = ChargedKind("payment", partial(_owed, is_remedy=False))
"""Payments that the origin took for the home region."""
CHARGED_REMEDIES = ChargedKind("remedy", partial(_owed, is_remedy=True))
"""Money for complaints that the home region credited for the origin."""
CHARGED_HANDLING = ChargedKind("handling", _handled, rate="settlement-handling-fee")
"""Orders that the origin handled for the home region."""
