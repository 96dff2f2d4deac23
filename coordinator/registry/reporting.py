"""How often a region may report what the registry, which all regions share, keeps for months."""

import asyncio
import logging

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.rates import Rate

PER_SECOND = 2.0
"""Reports of a region that a coordinator takes in the long run: by them it fills no registry within a day."""
_LOG_EVERY = 60.0  # seconds
_log = logging.getLogger(__name__)


class Reports:
    """The reports of one kind, by region, in the memory of one coordinator. Used on one event loop.

    A region beyond its rate gets TOO_BUSY: nodes of every version report again then.
    """

    def __init__(self, what: str, at_once: int) -> None:
        """`what` is for the log."""
        self._what = what
        self._rate = Rate(at_once, PER_SECOND)
        self._told = Rate(1, 1 / _LOG_EVERY)

    def require_room(self, region: str) -> None:
        """Counts a report. Raises Refused with TOO_BUSY beyond the rate."""
        now = asyncio.get_running_loop().time()
        if self._rate.allows(region, now):
            return
        if self._told.allows(region, now):
            _log.warning("%s reports %s faster than the registry takes them from one region", region, self._what)
        raise Refused(Reason.REASON_TOO_BUSY)
