"""The log of the changes of etcd behind a snapshot: parts in a directory, each with those of some revisions."""

import asyncio
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

import grpc
from etcd3.etcdrpc import kv_pb2, rpc_pb2

from coordinator.registry.etcd.client import TRANSACTION, EtcdClient, Unanswered, ask, is_fragment
from coordinator.registry.etcd.keys import KeyRange
from gateway.backups.refused import ArchiveGap
from gateway.process.files import replace_file
from gateway.wording.languages import translated

_EVERYTHING = KeyRange(b"\0", b"\0")
_NAME = re.compile(r"([0-9]{20})-([0-9]{20})")
_PART_BYTES = 8 << 20
_SILENT_SECONDS = 10.0  # between two answers of a watch that has more to give
_OPERATIONS_AT_ONCE = 100  # etcd takes 128 in a transaction; one that removes a range or a lease has no bound
_WRITE_SECONDS = 30.0


@dataclass(frozen=True)
class Part:
    """The changes of the revisions from `first` to `last`; none where `last` is before it."""

    first: int
    last: int
    path: Path

    def read(self) -> rpc_pb2.WatchResponse:
        """The changes, with the cluster in the header. Raises OSError."""
        return rpc_pb2.WatchResponse.FromString(self.path.read_bytes())


class ChangeLog:
    """The log in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def begin(self, cluster: int, revision: int) -> None:
        """Begins anew behind a snapshot. Raises OSError."""
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir(mode=0o700, parents=True)
        self._add(revision + 1, cluster, revision, ())

    def parts(self) -> Sequence[Part]:
        """All parts in order. Raises ArchiveGap where there is none, or one is missing."""
        found = []
        for path in sorted(self._directory.glob("*")):
            named = _NAME.fullmatch(path.name)
            if named is not None:
                found.append(Part(int(named[1]), int(named[2]), path))
        if not found:
            raise ArchiveGap(translated("there is no log of the changes of etcd"))
        for former, part in pairwise(found):
            if part.first != former.last + 1:
                lacking = former.last + 1
                raise ArchiveGap(
                    translated("the log of the changes of etcd lacks revision {revision}", revision=lacking)
                )
        return found

    def behind(self, cluster: int, revision: int) -> Sequence[Part]:
        """The parts by which a snapshot goes on; none where there is no log, or one of another snapshot.

        Raises ArchiveGap where a part is missing.
        """
        if not self._directory.exists():
            return ()
        parts = self.parts()
        goes_on = parts[0].first <= revision + 1 and parts[-1].last > revision
        return parts if goes_on and parts[0].read().header.cluster_id == cluster else ()

    async def extend(self, client: EtcdClient) -> None:
        """Adds all that etcd has changed since. Parts that were added stay where a later one fails.

        Raises ArchiveGap where etcd has those changes no more, Unanswered, or Rejected.
        """
        parts = self.parts()
        start, cluster = parts[-1].last + 1, parts[0].read().header.cluster_id
        present = await client.read([])
        if present.cluster != cluster or present.revision < start - 1:
            raise ArchiveGap(translated("etcd was restored or made anew"))
        if present.revision < start:
            return
        async with client.watching(_EVERYTHING, start, in_fragments=True) as stream:
            events: list[kv_pb2.Event] = []
            size = 0
            while start <= present.revision:
                async with asyncio.timeout(_SILENT_SECONDS):
                    response = await stream.read()
                if response is not None and response.compact_revision:
                    raise ArchiveGap(translated("etcd has compacted changes that are not in its log"))
                if response is None or response.canceled:
                    raise Unanswered("the stream ended")
                events += response.events
                size += response.ByteSize()
                if is_fragment(response):
                    continue  # its last revision may have further events
                if events and (events[-1].kv.mod_revision >= present.revision or size >= _PART_BYTES):
                    end = events[-1].kv.mod_revision
                    self._add(start, cluster, end, events)
                    start, events, size = end + 1, [], 0

    def _add(self, first: int, cluster: int, last: int, events: Sequence[kv_pb2.Event]) -> None:
        header = rpc_pb2.ResponseHeader(cluster_id=cluster, revision=last)
        content = rpc_pb2.WatchResponse(header=header, events=events).SerializeToString()
        replace_file(self._directory / f"{first:020}-{last:020}", content)


async def replay(channel: grpc.aio.Channel, parts: Sequence[Part], revision: int) -> None:
    """Makes the changes behind a revision again. Raises OSError, Unanswered, or Rejected.

    An entry with a lease is left out: its holder enters it anew.
    """
    for part in parts:
        later = (each for each in part.read().events if each.kv.mod_revision > revision)
        for _, events in groupby(later, key=lambda each: each.kv.mod_revision):
            operations = list(map(_again, events))
            for start in range(0, len(operations), _OPERATIONS_AT_ONCE):
                request = rpc_pb2.TxnRequest(success=operations[start : start + _OPERATIONS_AT_ONCE])
                await ask(channel, TRANSACTION, request, _WRITE_SECONDS)


def _again(event: kv_pb2.Event) -> rpc_pb2.RequestOp:
    pair = event.kv
    if event.type == kv_pb2.Event.PUT and not pair.lease:
        return rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=pair.key, value=pair.value))
    return rpc_pb2.RequestOp(request_delete_range=rpc_pb2.DeleteRangeRequest(key=pair.key))
