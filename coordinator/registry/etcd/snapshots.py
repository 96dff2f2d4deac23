"""Snapshots of etcd beside the copies of a coordinator's database, and the changes behind the last one."""

import asyncio
import hashlib
import json
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from io import FileIO
from pathlib import Path

import grpc
from etcd3.etcdrpc import rpc_pb2
from etcd3.etcdrpc.kv_pb2 import KeyValue

from coordinator.registry.etcd.change_log import ChangeLog, Part, replay
from coordinator.registry.etcd.client import RANGE, SNAPSHOT_SECONDS, EtcdClient, Rejected, Unanswered, ask, download
from coordinator.registry.etcd.scratch import served
from coordinator.registry.etcd.settings import EtcdSettings
from gateway.backups.encoding import decoded, encoded
from gateway.backups.refused import CopyFailed, ProgramMissing
from gateway.backups.room import require_free
from gateway.backups.server_programs import run
from gateway.backups.shared_store import CHANGES, SharedCopy
from gateway.process.files import copy_file, create_file, start_private
from gateway.security.tls import CredentialsUnusable
from gateway.time.clock import SystemClock
from gateway.wording.languages import translated

SNAPSHOT = "registry.db"
_MANIFEST = "registry.json"
_SCRATCH = "registry"
_REPLAYED = "replayed.db"
_READ_SECONDS = 30.0  # a page of the snapshot, from a disk that is busy
_STORE = "etcd"
_PROGRAMS, _PACKAGE = ("etcdutl", "etcd"), "etcd-server"
_LATEST = 0  # as the revision of a request: the present one
_ALL = b"\0"  # as the first key and as the end of a range: every key
_ENTRIES_AT_ONCE = 500
_HASH_BYTES = 32  # SHA-256 of what stands before it, at the end of a snapshot
_LOG_BYTES = 2 * 64_000_000  # an etcd allots its log by files of this size, and one ahead
_PAGE_BYTES = 512  # the content of a snapshot is a multiple of this

Ask = Callable[[rpc_pb2.RangeRequest], Awaitable[rpc_pb2.RangeResponse]]


class EtcdSnapshots:
    """The snapshots of one cluster. See SharedStore."""

    def __init__(self, settings: EtcdSettings) -> None:
        self._settings = settings

    @property
    def name(self) -> str:
        """See SharedStore."""
        return _STORE

    def require_programs(self) -> None:
        """See SharedStore."""
        for program in _PROGRAMS:
            if shutil.which(program) is None:
                raise ProgramMissing(
                    translated("{program} is not installed (on Debian: {package})", program=program, package=_PACKAGE)
                )

    def copy(self, directory: Path, now: datetime) -> None:
        """See SharedStore. The revision of the snapshot is read from etcd once more, and described by that."""
        self.require_programs()
        try:
            content = asyncio.run(self._copied(directory / SNAPSHOT, now))
        except (Unanswered, Rejected, CredentialsUnusable) as error:
            raise CopyFailed(f"{_STORE}: {error}") from error
        create_file(directory / _MANIFEST, encoded(content))

    def begin(self, log: Path, directory: Path) -> None:
        """See SharedStore."""
        told = _described(directory)
        ChangeLog(log).begin(int(told.cluster, 16), told.revision)

    def extend(self, log: Path) -> None:
        """See SharedStore. Tries each member once."""
        try:
            asyncio.run(self._extended(ChangeLog(log)))
        except (Unanswered, Rejected, CredentialsUnusable) as error:
            raise CopyFailed(f"{_STORE}: {error}") from error

    def prove(self, directory: Path) -> SharedCopy | None:
        """See SharedStore. An etcd of its own serves the snapshot meanwhile, and the changes are made again there."""
        if not any((directory / name).exists() for name in (SNAPSHOT, _MANIFEST)):
            return None
        told = verified(directory)
        try:
            return asyncio.run(self._proven(directory, told))
        except (Unanswered, Rejected, CredentialsUnusable) as error:
            raise CopyFailed(f"{_STORE}: {error}") from error

    async def _proven(self, directory: Path, told: SharedCopy) -> SharedCopy:
        parts = _behind(directory, told)
        async with served(directory / SNAPSHOT, _scratch(directory, parts)) as channel:
            if await _content(_asking(channel), told.revision) != (told.entries, told.hash):
                raise CopyFailed(translated("{file}: differs from its manifest", file=SNAPSHOT))
            if not parts:
                return told
            await replay(channel, parts, told.revision)
            found = await _content(_asking(channel), _LATEST, _lasting)
        client = EtcdClient(self._settings, SystemClock())
        try:
            live = await _content(partial(client.call, RANGE), parts[-1].last, _lasting)
        finally:
            await client.close()
        if found != live:
            raise CopyFailed(translated("the log of the changes of etcd: gives another content than etcd has"))
        return replace(told, revision=parts[-1].last, entries=found[0], hash=found[1])

    async def _extended(self, log: ChangeLog) -> None:
        client = EtcdClient(self._settings, SystemClock())
        try:
            for left in reversed(range(len(self._settings.endpoints))):
                try:
                    return await log.extend(client)
                except Unanswered:
                    if not left:
                        raise
        finally:
            await client.close()

    async def _copied(self, file: Path, now: datetime) -> SharedCopy:
        client = EtcdClient(self._settings, SystemClock())
        clusters: set[int] = set()
        client.compare(lambda header: clusters.add(header.cluster_id))
        try:
            await client.read([])
            with start_private(file) as target:
                await self._download(client, file.parent, target)
            revision = await asyncio.to_thread(_revision_of, file)
            entries, content_hash = await _content(partial(client.call, RANGE), revision)
        finally:
            await client.close()
        if len(clusters) > 1:
            raise CopyFailed(translated("etcd became another cluster while it was copied"))
        return SharedCopy(_STORE, f"{clusters.pop():x}", revision, entries, content_hash, now)

    async def _download(self, client: EtcdClient, directory: Path, target: FileIO) -> None:
        """Tries each member once. Raises CopyFailed where the disk has no room, Unanswered, or Rejected."""
        for left in reversed(range(len(self._settings.endpoints))):
            target.seek(0)
            target.truncate()
            try:
                await client.snapshot(partial(require_free, directory), target.write)
            except Unanswered:
                if not left:
                    raise
            else:
                return


def verified(directory: Path) -> SharedCopy:
    """The content of the snapshot in the directory of a copy, once its bytes are those that etcd gave.

    Raises CopyFailed, and OSError.
    """
    told = _described(directory)
    revision = _revision_of(directory / SNAPSHOT)
    if revision != told.revision:
        raise CopyFailed(
            translated(
                "{file}: is at revision {found}, and its manifest says {told}",
                file=SNAPSHOT,
                found=revision,
                told=told.revision,
            )
        )
    return told


def write_snapshot(directory: Path, target: Path) -> tuple[SharedCopy, int]:
    """Writes a snapshot with all that the directory of a copy has, the log of changes too, into a new file.

    Returns the content of the file at its own revision, and the revision of the cluster up to which it has changes.
    The two differ where changes were made again. Raises CopyFailed, and OSError.
    """
    told = verified(directory)
    parts = _behind(directory, told)
    if not parts:
        copy_file(directory / SNAPSHOT, target)
        return told, told.revision
    try:
        entries, content_hash = asyncio.run(_replayed(directory, parts, told.revision))
    except (Unanswered, Rejected) as error:
        raise CopyFailed(f"{_STORE}: {error}") from error
    revision = _revision_of(directory / _REPLAYED)
    copy_file(directory / _REPLAYED, target)
    return replace(told, revision=revision, entries=entries, hash=content_hash), parts[-1].last


async def _replayed(directory: Path, parts: Sequence[Part], revision: int) -> tuple[int, str]:
    async with served(directory / SNAPSHOT, _scratch(directory, parts)) as channel:
        await replay(channel, parts, revision)
        require_free(directory, (directory / SNAPSHOT).stat().st_size)
        with start_private(directory / _REPLAYED) as file:
            await download(channel, file.write, SNAPSHOT_SECONDS)
        return await _content(_asking(channel), _LATEST, _lasting)


def _behind(directory: Path, told: SharedCopy) -> Sequence[Part]:
    """The changes that a copy has behind its snapshot."""
    return ChangeLog(directory / CHANGES).behind(int(told.cluster, 16), told.revision)


def _described(directory: Path) -> SharedCopy:
    try:
        return decoded(SharedCopy, (directory / _MANIFEST).read_bytes())
    except FileNotFoundError:
        raise CopyFailed(translated("the copy has no snapshot of etcd")) from None
    except (ValueError, TypeError) as error:
        raise CopyFailed(translated("the copy has no manifest that can be read: {error}", error=error)) from error


def _scratch(directory: Path, parts: Sequence[Part]) -> Path:
    """The place of an etcd that serves the snapshot, with the changes once more in its log and in its store.

    Raises CopyFailed where its disk has no room, and OSError.
    """
    changes = sum(part.path.stat().st_size for part in parts)
    require_free(directory, (directory / SNAPSHOT).stat().st_size + 2 * changes + _LOG_BYTES)
    scratch = directory / _SCRATCH
    scratch.mkdir(mode=0o700)
    return scratch


def _asking(channel: grpc.aio.Channel) -> Ask:
    return lambda request: ask(channel, RANGE, request, _READ_SECONDS)


def _revision_of(file: Path) -> int:
    """The revision of a snapshot, whose bytes and pages are whole. Raises CopyFailed, and OSError."""
    size = file.stat().st_size - _HASH_BYTES
    with file.open("rb") as content:
        content.seek(max(size, 0))
        told = content.read()
        content.seek(0)
        found = hashlib.sha256()
        for start in range(0, size, 1 << 20):
            found.update(content.read(min(1 << 20, size - start)))
    if size <= 0 or size % _PAGE_BYTES or found.digest() != told:
        raise CopyFailed(translated("{file}: is no whole snapshot of etcd", file=file.name))
    status: dict[str, object] = json.loads(run("etcdutl", "snapshot", "status", str(file), "--write-out=json"))
    revision = status.get("revision")
    if not isinstance(revision, int):
        raise CopyFailed(translated("{file}: is no whole snapshot of etcd", file=file.name))
    return revision


def _whole(entry: KeyValue) -> KeyValue | None:
    return entry


def _lasting(entry: KeyValue) -> KeyValue | None:
    """Key and value alone, as they come back by a replay; None for an entry that lives by a lease."""
    return None if entry.lease else KeyValue(key=entry.key, value=entry.value)


async def _content(
    ask: Ask, revision: int, compared: Callable[[KeyValue], KeyValue | None] = _whole
) -> tuple[int, str]:
    """The number of entries at a revision, and a hash over all of them. Raises Unanswered, or Rejected."""
    found, entries, key = hashlib.sha256(), 0, _ALL
    while True:
        page = await ask(rpc_pb2.RangeRequest(key=key, range_end=_ALL, limit=_ENTRIES_AT_ONCE, revision=revision))
        for each in filter(None, map(compared, page.kvs)):
            content = each.SerializeToString(deterministic=True)
            found.update(len(content).to_bytes(8) + content)
            entries += 1
        if not page.more:
            return entries, found.hexdigest()
        key = page.kvs[-1].key + b"\0"
