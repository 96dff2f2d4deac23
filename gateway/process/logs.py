"""Logs of a process: to standard error, one line for each event."""

import logging
import sys
from datetime import UTC, datetime

from gateway.values.plain_text import visible


class OneLine(logging.Formatter):
    """Formats a record of several lines, such as a traceback, as one line without terminal control characters."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging: time in UTC, level, logger, text."""
        time = datetime.fromtimestamp(record.created, UTC)
        text = visible(super().format(record).replace("\n", " | "))
        return f"{time:%Y-%m-%dT%H:%M:%S.%f}Z {record.levelname} {record.name}: {text}"


def configure() -> None:
    """Sends the logs of this process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine("%(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
