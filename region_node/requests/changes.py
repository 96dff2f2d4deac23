"""Who waits for what: woken by what this process commits, and by what another one on the same database does."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gateway.api.region.v1.order_pb2 import Order
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.identity import Identity
from gateway.store.port import CommittedElsewhere, OutcomeLost, Store, Transaction
from region_node.business.orders import rules
from region_node.business.orders.rows import (
    ORDERS,
    OrderChanged,
    OrderRow,
    RequestSettled,
    about_order,
    find_order,
    find_request,
    request_subject,
)

LOOK_AGAIN = 1.0  # seconds until the store is looked at again after it refused
WATCHES = 32  # of one certificate at one process: each wakes with every change


class Changes:
    """Wakes those who wait: for a decision on an order, for the answer to a request, or for any change.

    `closed` once the process stops.
    """

    def __init__(self, store: Store) -> None:
        self._orders: dict[str, set[asyncio.Future[Order]]] = {}
        self._requests: dict[tuple[str, str], set[asyncio.Event]] = {}
        self._watching: dict[asyncio.Event, Identity] = {}
        self._store = store
        self._looking: set[asyncio.Task[None]] = set()
        self.closed = False
        self.round = 0  # counts the times at which watchers were woken: what was read in an earlier one may be old
        store.subscribe(OrderChanged, self._order_changed)
        store.subscribe(RequestSettled, self._request_settled)
        store.subscribe(CommittedElsewhere, self._committed_elsewhere)
        store.subscribe(OutcomeLost, lambda _: self._committed_elsewhere(CommittedElsewhere(frozenset())))

    @contextmanager
    def decision_on(self, order_id: str) -> Iterator["asyncio.Future[Order]"]:
        """A future of the order as it is once its home region has decided. Entered before the order is stored."""
        future: asyncio.Future[Order] = asyncio.get_running_loop().create_future()
        waiting = self._orders.setdefault(order_id, set())
        waiting.add(future)
        try:
            yield future
        finally:
            waiting.discard(future)
            if not waiting:
                self._orders.pop(order_id, None)

    @contextmanager
    def answer_to(self, caller: str, request_id: str) -> Iterator[asyncio.Event]:
        """An event that is set once the home region has answered. Entered before the request is stored."""
        event, key = asyncio.Event(), (caller, request_id)
        waiting = self._requests.setdefault(key, set())
        waiting.add(event)
        try:
            yield event
        finally:
            waiting.discard(event)
            if not waiting:
                self._requests.pop(key, None)

    @contextmanager
    def watch(self, identity: Identity) -> Iterator[asyncio.Event]:
        """An event that is set at every change. Raises Refused with WATCHES_TOO_MANY."""
        if sum(each == identity for each in self._watching.values()) >= WATCHES:
            raise Refused(Reason.REASON_WATCHES_TOO_MANY, watches=str(WATCHES))
        event = asyncio.Event()
        self._watching[event] = identity
        try:
            yield event
        finally:
            del self._watching[event]

    def close(self) -> None:
        """Ends all watches, so that the process can stop; watchers resume elsewhere after their last token."""
        self.closed = True
        self.wake_watchers()

    def _order_changed(self, changed: OrderChanged) -> None:
        self._tell_if_decided(changed.order)
        self.wake_watchers()

    def _request_settled(self, settled: RequestSettled) -> None:
        for event in self._requests.get((settled.caller, settled.request_id), ()):
            event.set()

    def _committed_elsewhere(self, committed: CommittedElsewhere) -> None:
        """Another process may have decided what somebody waits for here; without subjects, anything."""
        subjects, anything = committed.subjects, not committed.subjects
        orders = [each for each in self._orders if anything or about_order(each) in subjects]
        requests = [each for each in self._requests if anything or request_subject(*each) in subjects]
        if orders or requests or (anything and self._watching):
            task = asyncio.get_running_loop().create_task(self._look(orders, requests))
            self._looking.add(task)
            task.add_done_callback(self._looking.discard)
        if anything or any(subject.startswith(ORDERS) for subject in subjects):
            self.wake_watchers()

    async def _look(self, orders: Sequence[str], requests: Sequence[tuple[str, str]]) -> None:
        """Looks until the store can be read: it may be away just now."""
        looked: tuple[list[OrderRow], list[tuple[str, str]]] | None = None
        while looked is None:
            try:
                looked = await self._store.read(lambda tx: _found(tx, orders, requests))
            except Refused:
                await asyncio.sleep(LOOK_AGAIN)
        rows, settled = looked
        for row in rows:
            self._tell_if_decided(row.order)
        for key in settled:
            self._request_settled(RequestSettled(*key))
        self.wake_watchers()

    def _tell_if_decided(self, order: Order) -> None:
        if is_decided(order):
            for future in self._orders.get(order.id, ()):
                if not future.done():
                    future.set_result(order)

    def wake_watchers(self) -> None:
        """Something has changed that somebody may watch."""
        self.round += 1
        for event in self._watching:
            event.set()


def _found(
    tx: Transaction, orders: Sequence[str], requests: Sequence[tuple[str, str]]
) -> tuple[list[OrderRow], list[tuple[str, str]]]:
    """The orders that are there, and the requests that are settled."""
    rows = [row for each in orders if (row := find_order(tx, each)) is not None]
    known = [(key, find_request(tx, *key)) for key in requests]
    return rows, [key for key, request in known if request is not None and request.settled]


def is_decided(order: Order) -> bool:
    """Whether the home region has decided, or the order cannot go there now."""
    return order.version > 0 or rules.is_final(order) or order.state == rules.HELD
