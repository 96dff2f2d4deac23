"""Defects: logged under a number that the caller learns."""

import logging
import secrets

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused

_log = logging.getLogger(__name__)


def incident(where: str, error: Exception) -> Refused:
    """Logs a defect with its traceback. Returns the refusal INTERNAL with the number of the log entry."""
    number = secrets.token_hex(6)
    _log.error("incident %s in %s", number, where, exc_info=error)
    return Refused(Reason.REASON_INTERNAL, incident=number)
