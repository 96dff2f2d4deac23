"""How much the changes of each region write into the registry.

A share bounds the space of the records there. Besides, each change leaves a version in etcd until its compaction, an
hour or two later.
"""

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

    def take(self, region: str, size: int, now: float) -> None:
        """Counts a change that writes so many bytes at `now`, in the seconds of the event loop.

        Raises Refused with TOO_BUSY where the region has no room for it.
        """
        if not self.allows(region, size, now):
            raise Refused(Reason.REASON_TOO_BUSY)

    def allows(self, region: str, size: int, now: float) -> bool:
        """As `take`; False where the region has no room."""
        with self._lock:
            return self._rate.allows(region, now, size + _PUT)
