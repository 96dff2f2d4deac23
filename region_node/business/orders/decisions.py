"""Callers that wait for the decision on an order, woken by commits of this process and of others."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gateway.api.region.v1.order_pb2 import Order
from gateway.store.port import CommittedElsewhere, OutcomeLost, Store
from region_node.business.orders import rules
from region_node.business.orders.rows import ORDERS, OrderChanged, OrderRow, about_order, find_order
from region_node.requests.changes import Changes


class Decisions:
    """Wakes the callers that wait for a decision on an order, and the watchers of orders."""

    def __init__(self, store: Store, changes: Changes) -> None:
        self._orders: dict[str, set[asyncio.Future[Order]]] = {}
        self._changes = changes
        store.subscribe(OrderChanged, self._order_changed)
        store.subscribe(CommittedElsewhere, self._committed_elsewhere)
        store.subscribe(OutcomeLost, lambda _: self._look(list(self._orders)))

    @contextmanager
    def decision_on(self, order_id: str) -> Iterator["asyncio.Future[Order]"]:
        """A future of the order after its home region's decision. Entered before the order is stored."""
        future: asyncio.Future[Order] = asyncio.get_running_loop().create_future()
        waiting = self._orders.setdefault(order_id, set())
        waiting.add(future)
        try:
            yield future
        finally:
            waiting.discard(future)
            if not waiting:
                self._orders.pop(order_id, None)

    def _order_changed(self, changed: OrderChanged) -> None:
        self._tell_if_decided(changed.order)
        self._changes.wake_watchers()

    def _committed_elsewhere(self, committed: CommittedElsewhere) -> None:
        """Another process may have decided; without subjects, anything may have changed."""
        subjects = committed.subjects
        self._look([each for each in self._orders if not subjects or about_order(each) in subjects])
        if any(subject.startswith(ORDERS) for subject in subjects):
            self._changes.wake_watchers()

    def _look(self, orders: Sequence[str]) -> None:
        if orders:
            self._changes.look(
                lambda tx: [row for each in orders if (row := find_order(tx, each)) is not None], self._found
            )

    def _found(self, rows: Sequence[OrderRow]) -> None:
        for row in rows:
            self._tell_if_decided(row.order)

    def _tell_if_decided(self, order: Order) -> None:
        if is_decided(order):
            for future in self._orders.get(order.id, ()):
                if not future.done():
                    future.set_result(order)


def is_decided(order: Order) -> bool:
    """Whether the home region has decided, or the order cannot go there now."""
    return order.version > 0 or rules.is_final(order) or order.state == rules.HELD
