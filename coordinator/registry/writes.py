"""How much the changes of each region write into the registry.

A share bounds the space of the records there. Besides, each change leaves a version in etcd until its compaction, an
hour or two later.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.rates import Rate

_PUT = 256  # bytes of a value's keys, and of the records of etcd about it


class Writes:
    """The bytes of one kind of changes by the region that makes them, at one coordinator.

    A region may write the bytes of an hour at once. The last change may exceed them, and the next one waits for longer.
    """

    def __init__(self, an_hour: int) -> None:
        self._rate = Rate(an_hour, an_hour / 3600)
        self._lock = Lock()  # decisions are made beside the event loop

    def allows(self, region: str, size: int, now: float) -> bool:
        """Whether a region may write so many bytes at `now`, in the seconds of the event loop; then they count."""
        with self._lock:
            return self._rate.allows(region, now, size + _PUT)

    @contextmanager
    def change(self, region: str, now: float) -> Iterator[Callable[[int], None]]:
        """Counts a change at `now` once, however often it is decided anew.

        Each decision gives its bytes to the function, which count instead of those of the decision before. The function
        raises Refused with TOO_BUSY where the region has no room. A refused change counts nothing, unless it may have
        been made.
        """
        taken = 0

        def take(size: int) -> None:
            nonlocal taken
            with self._lock:
                if not taken and not self._rate.has_room(region, now):
                    raise Refused(Reason.REASON_TOO_BUSY)
                self._rate.count(region, now, size + _PUT - taken)
                taken = size + _PUT

        try:
            yield take
        except Refused as refused:
            if refused.reason != Reason.REASON_OUTCOME_UNKNOWN:
                with self._lock:
                    self._rate.count(region, now, -taken)
            raise
