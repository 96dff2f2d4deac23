"""The changes of orders, for watchers and listeners."""

from collections.abc import Sequence

from gateway.api.region.v1.order_pb2 import Order
from gateway.store.port import Transaction
from region_node.business.orders.rows import EVENTS, find_order
from region_node.records.watches import Change, Feed, changes_after


def _changes_after(tx: Transaction, sequence: int, name: str) -> Sequence[Change[Order]]:
    """The changes after a sequence number: each order in its current state."""

    def now(order_id: str) -> Order | None:
        row = find_order(tx, order_id)
        return None if row is None else row.order

    return changes_after(tx, EVENTS, sequence, name, now)


ORDER_FEED = Feed(_changes_after, EVENTS.last)
