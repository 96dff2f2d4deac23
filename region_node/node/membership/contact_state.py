"""How a coordinator stands towards this node: told in the log when it changes, not at every attempt."""

import logging

from gateway.errors import Refused, reason_name

_log = logging.getLogger(__name__)


class ContactState:
    """What was last told about one subject."""

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._told = ""

    def well(self, how: str) -> None:
        """Takes in that it works, and how."""
        if self._told != how:
            self._told = how
            _log.info("%s: %s", self._subject, how)

    def failed(self, error: Exception) -> None:
        """Takes in that it does not work. Another text of the same kind of failure is no news."""
        kind = reason_name(error.reason) if isinstance(error, Refused) else type(error).__name__
        if self._told != kind:
            self._told = kind
            _log.warning("%s: %s", self._subject, error)
