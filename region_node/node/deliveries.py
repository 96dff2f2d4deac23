"""The deliveries of a process to the systems beside its node: how many are accepted, and since when none is."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.errors import Unreachable

_REMINDER = 60.0  # seconds between two errors in the log about one system
# Seconds without an attempt, after which nothing waits here: another process delivered it, or nobody wants it any more.
# Longer than every rest between two attempts.
_QUIET = 1800.0
_log = logging.getLogger(__name__)


class Deliveries:
    """Those to one system: the one for fulfilment or notices, a sink of escalations, or all listeners."""

    def __init__(self, system: str) -> None:
        self.system = system
        """Its name in the log and in metrics."""
        self.accepted = 0
        self.failed = 0
        self.seconds = 0.0
        """The time of all of them."""
        self._failing_since: float | None = None
        self._failed_at = 0.0
        self._reminded = 0.0

    def failing(self) -> float:
        """The seconds for which every delivery has failed; 0 for a system that accepts them, or gets none."""
        now = time.monotonic()
        return 0.0 if self._failing_since is None or now - self._failed_at > _QUIET else now - self._failing_since

    @contextmanager
    def delivery(self) -> Iterator[None]:
        """One delivery, which has failed where Unreachable leaves it. Another exception changes no count."""
        begun = time.monotonic()
        try:
            yield
        except Unreachable as failure:
            self._fail(failure)
            self.seconds += time.monotonic() - begun
            raise
        self._accept()
        self.seconds += time.monotonic() - begun

    def _fail(self, failure: Unreachable) -> None:
        """Logs the failure, once a minute while it lasts."""
        self.failed += 1
        now = time.monotonic()
        if now - self._failed_at > _QUIET:
            self._failing_since = None
        self._failed_at = now
        if self._failing_since is None:
            self._failing_since = self._reminded = now
            _log.warning("a delivery to the system for %s has failed, and is repeated: %s", self.system, failure)
        elif now - self._reminded >= _REMINDER:
            self._reminded = now
            seconds = self.failing()
            _log.error("all deliveries to the system for %s have failed for %.0f s: %s", self.system, seconds, failure)

    def _accept(self) -> None:
        self.accepted += 1
        if self._failing_since is not None:
            _log.warning("the system for %s accepts deliveries again, after %.0f s", self.system, self.failing())
            self._failing_since = None
