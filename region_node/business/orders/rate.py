"""The rate at which orders come to this process."""

from gateway.store.port import Store
from gateway.time.clock import Clock
from region_node.business.orders.rows import OrderAdded

_SECONDS = 60


class OrderRate:
    """Counts the orders that this process adds, by minutes of its clock.

    The figure changes once a minute, so that a heartbeat seldom has news of it.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._clock = clock
        self._minute = self._present()
        self._count = self._before = 0
        store.subscribe(OrderAdded, lambda _: self._add())

    def per_minute(self) -> int:
        """The orders of the last whole minute."""
        self._turn()
        return self._before

    def _add(self) -> None:
        self._turn()
        self._count += 1

    def _turn(self) -> None:
        """Begins the present minute where another one was counted."""
        minute = self._present()
        if minute != self._minute:
            self._before = self._count if minute == self._minute + 1 else 0
            self._minute, self._count = minute, 0

    def _present(self) -> int:
        return int(self._clock.now().timestamp()) // _SECONDS
