"""The changes of customers, for listeners."""

from collections.abc import Sequence
from dataclasses import replace

from gateway.api.region.v1.customer_service_pb2 import Customer, Product
from gateway.store.port import Transaction
from region_node.customers.events import EVENTS
from region_node.customers.rows import line_at_rest
from region_node.customers.status import ACTIVE, status_of
from region_node.records.watches import Change, ChangeKind, Feed, changes_after

_UNREADABLE = (ChangeKind.DELETED, ChangeKind.STATE)


def _changes_after(tx: Transaction, sequence: int, name: str) -> Sequence[Change[Customer]]:
    """The changes after a sequence number, each with the id of the line alone.

    A read of a customer is of a person who is named and counted, and none is here. Of customers whose data may not be
    read only that is told which a read is refused with: another state.
    """

    def permitted(change: Change[Customer]) -> Change[Customer]:
        line = line_at_rest(tx, change.name)
        if line is not None and status_of(tx, line.customer_id) == ACTIVE:
            return change
        return replace(change, kinds=[each for each in change.kinds if each in _UNREADABLE])

    found = changes_after(tx, EVENTS, sequence, name, lambda product_id: Customer(product=Product(id=product_id)))
    return [permitted(each) for each in found]


CUSTOMER_FEED = Feed(_changes_after, EVENTS.last)
