"""The home region's records that a rule may read besides the line, as a port: rules stay free of SQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from gateway.api.types.v1.types_pb2 import Document
from gateway.federation.catalogue import Federation
from gateway.store.port import Transaction
from region_node.business.billing.charging import charged, final_charges, given_back
from region_node.business.billing.debts import overdue
from region_node.business.billing.rules import Month
from region_node.customers.accounts.rules import EntryKind, Posting
from region_node.customers.documents.rows import holder_of
from region_node.customers.identities import customer_known_by, lines_held
from region_node.customers.moved_numbers import is_awaited
from region_node.customers.rows import CustomerRow, Line, find_customer, is_number_in_use
from region_node.customers.status import require_readable
from region_node.customers.subscriptions import Subscription, subscriptions_of


class HomeRecords(Protocol):
    """The records of one home region, as they are in the transaction of the decision."""

    def customer(self, customer_id: str) -> CustomerRow | None:
        """A customer by id."""
        ...

    def subscriptions(self, product_id: str) -> Sequence[Subscription]:
        """All offerings that a line has or has had, oldest first."""
        ...

    def is_free(self, number: str) -> bool:
        """Whether no line has, or had, the number."""
        ...

    def customer_known_by(self, attester: str, document: Document) -> str:
        """The id of the customer of a document: by the file, or by a region's earlier identification.

        Empty where there is none. Raises Refused with CUSTOMER_RESTRICTED for one whose data may not be used.
        """
        ...

    def lines_held(self, customer_id: str) -> int:
        """The number of a person's active lines, over all customers with the same identity document."""
        ...

    def charged(self, account_id: str, month: str, kind: EntryKind) -> int:
        """The charges of an account for a month and kind, less corrections, in minor units."""
        ...

    def final_charges(self, line: Line, now: datetime) -> Sequence[Posting]:
        """The remaining charges of a line's account at its closure now, ready to be booked."""
        ...

    def overdue(self, account_id: str, now: datetime) -> int:
        """The amount that clears all overdue debt, in minor units."""
        ...


class StoredRecords:
    """The node's own records, read in a transaction."""

    def __init__(self, tx: Transaction, federation: Federation, time_zone: str) -> None:
        self._tx = tx
        self._federation = federation
        self._time_zone = time_zone

    def customer(self, customer_id: str) -> CustomerRow | None:
        """See the port."""
        return find_customer(self._tx, customer_id)

    def subscriptions(self, product_id: str) -> Sequence[Subscription]:
        """See the port."""
        return subscriptions_of(self._tx, product_id)

    def is_free(self, number: str) -> bool:
        """See the port."""
        home = self._federation.number_plan.home_of(number)
        is_free = not is_number_in_use(self._tx, number)
        return is_free and not (home and is_awaited(self._tx, self._federation, home, number))

    def customer_known_by(self, attester: str, document: Document) -> str:
        """See the port."""
        known = holder_of(self._tx, document) or customer_known_by(self._tx, attester, document.keyed_hash)
        require_readable(self._tx, known)
        return known

    def lines_held(self, customer_id: str) -> int:
        """See the port."""
        return lines_held(self._tx, customer_id)

    def charged(self, account_id: str, month: str, kind: EntryKind) -> int:
        """See the port."""
        cycle = Month.of(month, self._time_zone)
        booked = charged(self._tx, account_id, cycle).get(kind, 0)
        return booked - given_back(self._tx, account_id, cycle, kind)

    def final_charges(self, line: Line, now: datetime) -> Sequence[Posting]:
        """See the port."""
        return final_charges(self._tx, self._federation, self._time_zone, line, now)

    def overdue(self, account_id: str, now: datetime) -> int:
        """See the port."""
        return overdue(self._tx, self._time_zone, account_id, now)
