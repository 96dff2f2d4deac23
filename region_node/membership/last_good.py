"""The last good federation state on disk, so that a node starts and works where no coordinator answers.

The file is a SHA-256 over the rest, then a WatchResponse that carries its configuration.
"""

import hashlib
from pathlib import Path

from google.protobuf.message import DecodeError

from gateway.api.federation.v1.federation_pb2 import WatchResponse
from gateway.files import replace_file

FILE_NAME = "federation.bin"
_DIGEST_BYTES = hashlib.sha256().digest_size


class LastGoodBroken(Exception):
    """The file is there and cannot be used; the text says why."""


class LastGood:
    """The file in one data directory."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME

    def load(self) -> WatchResponse | None:
        """What was saved last; None where nothing ever was. Raises LastGoodBroken."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LastGoodBroken(f"it cannot be read: {error.strerror}") from error
        digest, content = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != digest:
            raise LastGoodBroken("its content does not match its checksum")
        try:
            return WatchResponse.FromString(content)
        except DecodeError as error:
            raise LastGoodBroken("it holds no federation state of this version") from error

    def save(self, state: WatchResponse) -> None:
        """Replaces the file; on disk when it returns. Raises OSError."""
        content = state.SerializeToString()
        replace_file(self.path, hashlib.sha256(content).digest() + content)
