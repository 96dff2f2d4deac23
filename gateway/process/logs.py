"""Logs of a process: to standard error, one line for each event, as text for people or as JSON for programs."""

import logging
import sys
from datetime import UTC, datetime

from pythonjsonlogger.json import JsonFormatter

from gateway.process.tracing import current_traceparent
from gateway.values.plain_text import visible

_OF_GRPC = "grpc._cython.cygrpc"


class OneLine(logging.Formatter):
    """Formats a record of several lines, such as a traceback, as one line without terminal control characters."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging: time in UTC, level, logger, text."""
        time = datetime.fromtimestamp(record.created, UTC)
        text = visible(super().format(record).replace("\n", " | "))
        return f"{time:%Y-%m-%dT%H:%M:%S.%f}Z {record.levelname} {record.name}: {text}"


class OneObject(JsonFormatter):
    """Formats a record as a JSON object: `timestamp`, `severity`, `scope`, `message`, and the ids of its trace."""

    def __init__(self) -> None:
        names = {"levelname": "severity", "name": "scope"}
        super().__init__("%(levelname)s %(name)s %(message)s", rename_fields=names, timestamp=True)

    def add_fields(
        self, log_data: dict[str, object], record: logging.LogRecord, message_dict: dict[str, object]
    ) -> None:
        """See the library."""
        super().add_fields(log_data, record, message_dict)
        if traceparent := current_traceparent():
            _, log_data["trace_id"], log_data["span_id"], _ = traceparent.split("-")


def _shows_no_metadata(record: logging.LogRecord) -> bool:
    """Whether a record of gRPC for Python has no metadata of a caller.

    It logs each value that is no UTF-8, whole: a token perhaps, and as many bytes as callers like to send.
    """
    return record.msg != "Invalid encoding on %s"


def configure(log_format: str = "text") -> None:
    """Sends the logs of this process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneObject() if log_format == "json" else OneLine("%(message)s"))
    logging.getLogger(_OF_GRPC).addFilter(_shows_no_metadata)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
