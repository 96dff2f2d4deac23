"""The last good copy on disk, so that a coordinator starts and routes where etcd does not answer.

The file is a SHA-256 over the rest, then the entries as etcd told them: a RangeResponse of its own.
"""

import hashlib
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from etcd3.etcdrpc.kv_pb2 import KeyValue
from etcd3.etcdrpc.rpc_pb2 import RangeResponse, ResponseHeader
from google.protobuf.message import DecodeError

from coordinator.registry.etcd.client import Read
from coordinator.registry.etcd.copy import Entry
from gateway.files import replace_file

FILE_NAME = "registry.bin"
_DIGEST_BYTES = hashlib.sha256().digest_size


class LastGoodBroken(Exception):
    """The file is there and cannot be used; the text says why."""


class LastGood:
    """The file in one data directory."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME
        self._saving = threading.Lock()

    def load(self) -> Read | None:
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
            kept = RangeResponse.FromString(content)
        except DecodeError as error:
            raise LastGoodBroken("it holds no registry of this version") from error
        return Read({pair.key: Entry(pair.value, pair.mod_revision) for pair in kept.kvs}, kept.header.revision)

    def saved_at(self) -> datetime:
        """When it was saved last, which must have been. Raises OSError."""
        return datetime.fromtimestamp(self.path.stat().st_mtime, UTC)

    def save(self, entries: Mapping[bytes, Entry], revision: int) -> None:
        """Replaces the file; on disk when it returns. From several threads, one after the other. Raises OSError."""
        kept = RangeResponse(
            header=ResponseHeader(revision=revision),
            kvs=[
                KeyValue(key=key, value=entry.value, mod_revision=entry.revision)
                for key, entry in sorted(entries.items())
            ],
        )
        content = kept.SerializeToString()
        with self._saving:
            replace_file(self.path, hashlib.sha256(content).digest() + content)
