"""The bills of ended months, for listeners, each by its id: the account and the month."""

from collections.abc import Sequence
from datetime import datetime

from gateway.api.region.v1.billing_service_pb2 import Bill
from gateway.api.region.v1.listener_service_pb2 import ListenerResource
from gateway.store.port import Transaction
from region_node.customers.status import ACTIVE
from region_node.records.listened import ListenedEvents, StateChange
from region_node.records.stored import FIRST
from region_node.records.watches import Change, Feed, changes_after

EVENTS = ListenedEvents("bill_events", "bill", (ListenerResource.LISTENER_RESOURCE_CUSTOMER_BILL,))
_WRITTEN = 1  # the one state of a bill
_STATUSES = (
    "SELECT DISTINCT status FROM customers WHERE customer_id IN"
    " (SELECT customer_id FROM products WHERE account_id = :account)"
)


def note_bill(tx: Transaction, account: str, month: str, now: datetime) -> None:
    """Notes that a bill was written."""
    EVENTS.note_states(tx, [StateChange(f"{account}/{month}", _WRITTEN, FIRST)], now)


def forget_bill_events(tx: Transaction, customer_id: str) -> None:
    """Removes the bills of an erased customer."""
    EVENTS.skip(tx, 0)  # the next number comes behind those that are removed
    accounts = tx.all(str, "SELECT DISTINCT account_id FROM products WHERE customer_id = :id", id=customer_id)
    tx.execute_many(
        # Months have seven characters. An account may have a slash in its id.
        "DELETE FROM bill_events WHERE bill > :account || '/' AND bill < :account || '0'"
        " AND length(bill) = length(:account) + 8",
        [{"account": each} for each in accounts],
    )


def _changes_after(tx: Transaction, sequence: int, name: str) -> Sequence[Change[Bill]]:
    """The changes after a sequence number, each with the id of the bill alone.

    A bill is read by the papers of the customer, and nobody shows any here. Bills of customers whose data may not be
    read have no state.
    """

    def now(bill: str) -> Bill | None:
        account, _, month = bill.rpartition("/")
        is_readable = tx.all(int, _STATUSES, account=account) == [ACTIVE]
        return Bill(billing_account_id=account, month=month) if is_readable else None

    return changes_after(tx, EVENTS, sequence, name, now)


BILL_FEED = Feed(_changes_after, EVENTS.last)
