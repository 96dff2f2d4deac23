"""The last good copy on disk, from which a coordinator starts and routes while etcd does not respond.

It holds the entries in etcd's own form, a RangeResponse.
"""

import asyncio
import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from etcd3.etcdrpc.kv_pb2 import KeyValue
from etcd3.etcdrpc.rpc_pb2 import RangeResponse, ResponseHeader

from coordinator.registry.etcd.client import Read
from coordinator.registry.etcd.copy import Copy, Entry
from coordinator.registry.etcd.watch import Follower
from gateway.process.last_good import load_last_good, save_last_good

FILE_NAME = "registry.bin"
_log = logging.getLogger(__name__)


class RegistryUnreachable(Exception):
    """etcd does not respond, and there is no last good copy to start with; the text has the reason."""


class LastGood:
    """The file in one data directory."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME
        self._saving = threading.Lock()

    def load(self) -> Read | None:
        """The copy saved last; None where none was ever saved. Raises LastGoodBroken."""
        kept = load_last_good(self.path, RangeResponse)
        if kept is None:
            return None
        entries = {pair.key: Entry(pair.value, pair.mod_revision, pair.lease) for pair in kept.kvs}
        return Read(entries, kept.header.revision, kept.header.cluster_id)

    def saved_at(self) -> datetime:
        """The time of the last save, which must exist. Raises OSError."""
        return datetime.fromtimestamp(self.path.stat().st_mtime, UTC)

    def save(self, entries: Mapping[bytes, Entry], revision: int, cluster: int) -> None:
        """Replaces the file; on disk when it returns. From several threads, one after the other. Raises OSError."""
        kept = RangeResponse(
            header=ResponseHeader(revision=revision, cluster_id=cluster),
            kvs=[
                KeyValue(key=key, value=entry.value, mod_revision=entry.revision, lease=entry.lease)
                for key, entry in sorted(entries.items())
            ],
        )
        with self._saving:
            save_last_good(self.path, kept)


class LastGoodKeeper:
    """Saves the copy after changes; changes in between are saved together.

    Once etcd has gone back, the copy is saved for the last time: an administrator accepts etcd by removing the file.
    """

    def __init__(self, copy: Copy, follower: Follower, last_good: LastGood) -> None:
        self._copy = copy
        self._follower = follower
        self._last_good = last_good
        self._unsaved = asyncio.Event()

    def note_change(self) -> None:
        """Has the copy saved soon."""
        self._unsaved.set()

    def note_loaded(self) -> None:
        """The copy is that of the file."""
        self._unsaved.clear()

    async def run(self) -> None:
        """Saves until cancelled."""
        while True:
            await self._unsaved.wait()
            await self._save()

    async def close(self) -> None:
        """Saves the copy for the next start; of an etcd that has gone back, only what is not saved yet."""
        if self._unsaved.is_set() or not self._follower.has_gone_back:
            await self._save()

    async def _save(self) -> None:
        self._unsaved.clear()
        entries, revision, cluster = self._copy.lasting(), self._copy.revision, self._follower.cluster
        try:
            await asyncio.to_thread(self._last_good.save, entries, revision, cluster)
        except OSError as error:
            _log.error("the last good copy is not kept: %s", error)
