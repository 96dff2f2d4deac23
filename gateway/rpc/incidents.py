"""Defects: logged under a number that the caller learns."""

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused

_log = logging.getLogger(__name__)


def incident(where: str, error: Exception) -> Refused:
    """Logs a defect with its traceback. Returns the refusal INTERNAL with the number of the log entry."""
    number = secrets.token_hex(6)
    _log.error("incident %s in %s", number, where, exc_info=error)
    return Refused(Reason.REASON_INTERNAL, incident=number)


@contextmanager
def contained(where: str) -> Iterator[None]:
    """A look of a loop over data of others. A defect is logged under a number, and the loop goes on with its next look.

    Else data that nobody has foreseen would end a process, which would meet them again after each start. Refusals are
    raised.
    """
    try:
        yield
    except Refused:
        raise
    except Exception as error:  # noqa: BLE001 - a defect: logged under its number
        incident(where, error)
