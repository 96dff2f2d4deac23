"""Keeps the copy up to date: a list at one revision, then a watch from the next one.

A stream that ends is resumed after the last revision seen, at another member. Where etcd has compacted that revision
away, everything is listed again, and the difference counts as events.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
from etcd3.etcdrpc import rpc_pb2

from coordinator.registry.etcd.client import CALL_SECONDS, EtcdClient, Forgotten, Rejected, Unanswered, WatchCall
from coordinator.registry.etcd.copy import Copy, Entry, Event
from coordinator.registry.etcd.keys import Keys
from coordinator.registry.etcd.plans import Plans
from gateway.time.clock import Clock

_PAUSE_SECONDS = 0.1  # before a stream that broke is opened again; doubled while that fails
_LONGEST_PAUSE_SECONDS = 1.0
_WRITE_SECONDS = 0.5
_CONTAIN_SECONDS = 1.0  # the time in which the watch reports a change; after that everything is listed
_GONE_BACK = "etcd was restored or made anew"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FollowerPorts:
    """The ports of a follower. `last_good` is the file of the copy."""

    client: EtcdClient
    keys: Keys
    plans: Plans
    clock: Clock
    last_good: Path


class Follower:
    """Follows etcd on the event loop that makes it. `tell` is called after each relevant change."""

    def __init__(self, ports: FollowerPorts, copy: Copy, tell: Callable[[], None]) -> None:
        self._client = ports.client
        self._keys = ports.keys
        self._plans = ports.plans
        self._clock = ports.clock
        self._last_good = ports.last_good
        self._copy = copy
        self._tell = tell
        self._cluster = self._told_cluster = 0
        self._has_gone_back = False
        self._pause = _PAUSE_SECONDS
        self._stream: WatchCall | None = None
        self._advanced = asyncio.Event()
        self._client.compare(self._require_cluster)

    @property
    def has_gone_back(self) -> bool:
        """Whether etcd was found behind this coordinator's copy, or to be another cluster.

        Then none of its values are taken over or changed.
        """
        return self._has_gone_back

    @property
    def cluster(self) -> int:
        """The id of the cluster that the copy is of; 0 while none is known."""
        return self._cluster

    def begin(self, cluster: int) -> None:
        """Follows the cluster of a copy on disk, and no other; 0 for a copy that names none."""
        self._cluster = cluster

    @property
    def revision(self) -> int:
        """The revision of etcd that the copy contains."""
        return self._copy.revision

    async def list(self, seconds: float = CALL_SECONDS, *, seen: int = 0) -> None:
        """Takes over the current entries, and follows from there. `seen`: a former revision of etcd.

        Raises Unanswered, or Rejected.
        """
        before = self._copy.revision
        read = await self._client.read(self._keys.copied, seconds)
        self.require_onward(read.revision, max(before, seen))
        entries = await self._whole(read.entries)
        if read.revision < self._copy.revision:
            return  # the stream was faster
        self._end_stream()
        told = self._copy.replace(entries, read.revision, self._clock.now())
        self._moved(told)

    def require_onward(self, revision: int, seen: int) -> None:
        """Raises Forgotten where etcd is behind a revision seen before, until this process ends.

        Such an etcd may have lost suspensions of regions. Otherwise its cluster is the known one from now on.
        """
        if revision < seen:
            self._go_back(f"is at revision {revision} and was at {seen}")
        if self._has_gone_back:
            raise Forgotten(_GONE_BACK)
        if not self._cluster and self._told_cluster:
            self._cluster = self._told_cluster
            self._tell()

    def _require_cluster(self, header: rpc_pb2.ResponseHeader) -> None:
        """Raises Forgotten for an answer of another cluster than the known one; an id of 0 tells nothing.

        The revisions of two clusters cannot be compared: a restored etcd may be ahead, and have forgotten changes.
        """
        told, known = header.cluster_id, self._cluster or self._told_cluster
        if told and known and told != known:
            self._go_back(f"is cluster {told:x} and was cluster {known:x}")
            raise Forgotten(_GONE_BACK)
        self._told_cluster = told or self._told_cluster

    def _go_back(self, difference: str) -> None:
        if self._has_gone_back:
            return
        self._has_gone_back = True
        _log.error(
            "etcd %s: it was restored or made anew, and may lack changes. The last good copy stays in use. To go on"
            " with what etcd holds, remove %s and start again",
            difference,
            self._last_good,
        )
        self._end_stream()
        self._tell()

    async def run(self) -> None:
        """Watches until it is cancelled."""
        while True:
            try:
                await self._watch()
            except Unanswered as error:
                # Logged once for each failure after a success.
                _log.log(logging.INFO if self._pause == _PAUSE_SECONDS else logging.DEBUG, "watch of etcd: %s", error)
            except Rejected as error:
                _log.error("etcd does not let us list: %s", error)
            await asyncio.sleep(self._pause)
            self._pause = min(2 * self._pause, _LONGEST_PAUSE_SECONDS)

    async def reached(self, revision: int, seconds: float) -> bool:
        """Whether the copy contains this revision; waits for it up to `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while self._copy.revision < revision:
                    await self._advanced.wait()
        except TimeoutError:
            return False
        return True

    async def contains(self, revision: int) -> bool:
        """Whether the copy contains this revision, and listeners know it; waits for it, and lists it if need be."""
        if not await self.reached(revision, _CONTAIN_SECONDS):
            try:
                await self.list(_CONTAIN_SECONDS)
            except (Unanswered, Rejected) as error:
                _log.warning("the change of revision %d was made, and is not known here yet: %s", revision, error)
                return False
        # Listeners learn of the copy on the loop's next turn; only then may callers act on it.
        await asyncio.sleep(0)
        return not self._has_gone_back

    async def ask_for_progress(self) -> None:
        """Requests the current revision of the stream, even without events of the federation's keys."""
        stream = self._stream
        if stream is None:
            return
        try:
            async with asyncio.timeout(_WRITE_SECONDS):
                await stream.write(rpc_pb2.WatchRequest(progress_request=rpc_pb2.WatchProgressRequest()))
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError, TimeoutError):
            self._end_stream()
        except asyncio.CancelledError:
            if _is_told_to_end():
                raise

    async def _watch(self) -> None:
        if self._has_gone_back:
            raise Forgotten(_GONE_BACK)
        async with self._client.watching(self._keys.everything, self._copy.revision + 1) as stream:
            self._stream, self._pause = stream, _PAUSE_SECONDS
            try:
                while True:
                    response = await stream.read()
                    if self._stream is not stream:
                        return  # the response belongs to a copy that was replaced
                    if response is None:
                        raise Unanswered("the stream ended")
                    if response.compact_revision:
                        _log.warning("etcd has compacted revision %d away: listing again", self._copy.revision + 1)
                        await self.list()
                        return
                    if response.canceled:
                        raise Unanswered(f"the watch was cancelled: {response.cancel_reason}")
                    events = await self._events(response)
                    if self._stream is not stream:
                        return
                    self._take(response, events)
            except asyncio.CancelledError:
                if _is_told_to_end():
                    raise
                raise Unanswered("the stream was given up") from None
            finally:
                if self._stream is stream:
                    self._stream = None

    async def _events(self, response: rpc_pb2.WatchResponse) -> Sequence[Event]:
        """The events of this federation's keys, in order. Raises Unanswered, or Rejected."""
        events = []
        for event in response.events:
            pair, is_put = event.kv, event.type == event.PUT
            entry = Entry(pair.value, pair.mod_revision, pair.lease) if is_put else None
            if entry is not None and event.kv.key == self._keys.configuration:
                entry = await self._plans.complete(entry)
            events.append(Event(event.kv.key, entry))
        return events

    async def _whole(self, entries: Mapping[bytes, Entry]) -> Mapping[bytes, Entry]:
        """The entries, with the number plan of the configuration. Raises Unanswered, or Rejected."""
        key = self._keys.configuration
        listed, held = entries.get(key), self._copy.entries.get(key)
        if listed is None:
            return entries
        if held is None or held.revision != listed.revision:
            held = await self._plans.complete(listed)
        return {**entries, key: held}

    def _take(self, response: rpc_pb2.WatchResponse, events: Sequence[Event]) -> None:
        if not events:
            # All events before this revision were sent before this response.
            if not response.created and response.header.revision > self._copy.revision:
                self._moved(self._copy.take((), response.header.revision, self._clock.now()))
            return
        revision = max(event.kv.mod_revision for event in response.events)
        self._moved(self._copy.take(events, revision, self._clock.now()))

    def _moved(self, told: bool) -> None:
        # First, so that the caller of a change continues after the listeners.
        if told:
            self._tell()
        advanced, self._advanced = self._advanced, asyncio.Event()
        advanced.set()

    def _end_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.cancel()


def _is_told_to_end() -> bool:
    """Whether the task itself was cancelled: gRPC raises the same exception after the cancellation of a stream."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
