"""The rate at which orders come to this process."""

from datetime import datetime, timedelta

from gateway.store.port import Store
from gateway.time.clock import Clock
from region_node.business.orders.rows import OrderAdded

_MINUTE = timedelta(minutes=1)


class OrderRate:
    """Counts the orders that this process adds, by minutes of its clock.

    The figure changes once a minute, so that a heartbeat seldom has news of it.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._clock = clock
        self._end = _end_of_minute(clock.now())
        self._count = self._before = 0
        store.subscribe(OrderAdded, self._add)

    def per_minute(self) -> int:
        """The orders of the last whole minute."""
        now = self._clock.now()
        if now < self._end - 2 * _MINUTE:  # the clock was set back: no minute of it is known
            self._end = _end_of_minute(now)
            self._count = self._before = 0
        self._turn(now)
        return self._before

    def _add(self, added: OrderAdded) -> None:
        self._turn(added.time)
        self._count += 1

    def _turn(self, now: datetime) -> None:
        """Begins the present minute where an earlier one was counted."""
        if now >= self._end:
            self._before = self._count if now < self._end + _MINUTE else 0
            self._end, self._count = _end_of_minute(now), 0


def _end_of_minute(now: datetime) -> datetime:
    return now.replace(second=0, microsecond=0) + _MINUTE
