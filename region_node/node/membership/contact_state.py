"""The state of the contact with a coordinator, logged when it changes and not at every attempt."""

import logging

from gateway.errors import Refused, reason_name

_log = logging.getLogger(__name__)


class ContactState:
    """The last logged state of one subject."""

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._told = ""

    def well(self, how: str) -> None:
        """Records success, with its details."""
        if self._told != how:
            self._told = how
            _log.info("%s: %s", self._subject, how)

    def failed(self, error: Exception) -> None:
        """Records a failure. Another text of the same kind of failure is not logged."""
        kind = reason_name(error.reason) if isinstance(error, Refused) else type(error).__name__
        if self._told != kind:
            self._told = kind
            _log.warning("%s: %s", self._subject, error)
