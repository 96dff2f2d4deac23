"""The file sink: a line of JSON for each level, on disk before it counts as delivered."""

import asyncio
import fcntl
import os
from pathlib import Path

from google.protobuf import json_format

from gateway.api.provider.v1.raised_complaint_pb2 import RaisedComplaint
from gateway.errors import Unreachable
from gateway.process.files import make_private
from gateway.values.plain_text import visible

_NEWLINE = b"\n"


def as_json(raised: RaisedComplaint) -> str:
    """In one line, by the names of the contract."""
    return visible(
        json_format.MessageToJson(
            raised,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
            ensure_ascii=False,
            indent=None,
        )
    )


class FileSink:
    """See the port. The file is opened anew each time, so that it may be moved away while the node runs."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def tell(self, raised: RaisedComplaint, timeout: float) -> None:
        """See the port."""
        line = as_json(raised).encode() + _NEWLINE
        try:
            await asyncio.to_thread(_append, self._path, line)
        except OSError as error:
            raise Unreachable(f"{self._path}: {error.strerror}") from None


def _append(path: Path, line: bytes) -> None:
    """Appends a line durably. A line cut off by a full disk or a crash is ended first: it was not delivered."""
    is_new = not path.exists()
    if is_new:
        make_private(path)
    file = os.open(path, os.O_RDWR | os.O_APPEND)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = os.fstat(file).st_size
        if size and os.pread(file, 1, size - 1) != _NEWLINE:
            line = _NEWLINE + line
        while line:
            line = line[os.write(file, line) :]
        os.fsync(file)
    finally:
        os.close(file)
    if is_new:
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
