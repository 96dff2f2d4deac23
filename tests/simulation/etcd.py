"""etcd on virtual time, as far as coordinators use it, and each coordinator's line to it, which fails."""

import asyncio
import contextvars
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import cast

import grpc
from etcd3.etcdrpc import kv_pb2, rpc_pb2
from google.protobuf.message import Message

from coordinator.registry.etcd.client import (
    ATTEMPT_SECONDS,
    CALL_SECONDS,
    EtcdClient,
    Method,
    Rejected,
    Request,
    Response,
    Unanswered,
    WatchCall,
)
from coordinator.registry.etcd.keys import KeyRange
from tests.simulation.virtual_time import VirtualLoop

_SLOWEST = 0.02  # seconds of a trip between a coordinator and etcd
_HELD = 3.0  # seconds more of a trip while the line is held up

Events = Sequence[kv_pb2.Event]
Act = Callable[[Message], Message]


@dataclass
class _Lease:
    """For how long keys live, from each sign of life on."""

    seconds: int
    end: asyncio.TimerHandle


class SimulatedEtcd:
    """A cluster as one member: what it answers is durable. It runs outside of every process."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._revision = 1
        self._pairs: dict[bytes, kv_pb2.KeyValue] = {}
        self._leases: dict[int, _Lease] = {}
        self._past: list[tuple[int, Events]] = []
        self._watches: list[Watch] = []
        self._acts: Mapping[type[Message], Act] = {
            rpc_pb2.RangeRequest: self._range,
            rpc_pb2.PutRequest: self._put_alone,
            rpc_pb2.DeleteRangeRequest: self._delete_alone,
            rpc_pb2.TxnRequest: self._transact,
            rpc_pb2.LeaseGrantRequest: self._grant,
            rpc_pb2.LeaseRevokeRequest: self._revoke,
        }

    @property
    def header(self) -> rpc_pb2.ResponseHeader:
        """Of an answer now."""
        return rpc_pb2.ResponseHeader(revision=self._revision)

    def act(self, request: Message) -> Message:
        """Executes a request. Raises Rejected."""
        return self._acts[type(request)](request)

    def put(self, key: bytes, value: bytes) -> None:
        """Puts a value for good, before the run."""
        self.act(rpc_pb2.PutRequest(key=key, value=value))

    def keep_alive(self, lease: int) -> bool:
        """Renews a lease for its full time; False for a missing one."""
        known = self._leases.get(lease)
        if known is None:
            return False
        known.end.cancel()
        known.end = self._ending(lease, known.seconds)
        return True

    def watch(self, watch: "Watch", start: int) -> None:
        """Tells a watch all that happened from a revision on, and that will."""
        self._watches.append(watch)
        for revision, events in self._past:
            if revision >= start:
                watch.tell(revision, events)

    def unwatch(self, watch: "Watch") -> None:
        """Tells it nothing more."""
        self._watches.remove(watch)

    def _ending(self, lease: int, seconds: int) -> asyncio.TimerHandle:
        end = self._loop.time() + seconds
        return self._loop.call_at(end, self._expire, lease, context=contextvars.Context())

    def _expire(self, lease: int) -> None:
        self._leases.pop(lease).end.cancel()
        self._change(self._removed(each.key) for each in list(self._pairs.values()) if each.lease == lease)

    def _change(self, changes: Iterator[kv_pb2.Event]) -> None:
        """Makes changes of one revision."""
        events = list(changes)
        if not events:
            return
        self._revision += 1
        for each in events:
            each.kv.mod_revision = self._revision
            if each.type == kv_pb2.Event.PUT:
                self._pairs[each.kv.key] = each.kv
            else:
                self._pairs.pop(each.kv.key, None)
        self._past.append((self._revision, events))
        for watch in list(self._watches):
            watch.tell(self._revision, events)

    def _range(self, request: Message) -> rpc_pb2.RangeResponse:
        asked = cast("rpc_pb2.RangeRequest", request)
        found = [self._pairs[each] for each in sorted(self._pairs) if _holds(asked.key, asked.range_end, each)]
        return rpc_pb2.RangeResponse(header=self.header, kvs=found, count=len(found))

    def _put_alone(self, request: Message) -> rpc_pb2.PutResponse:
        self._change(iter([self._put(cast("rpc_pb2.PutRequest", request))]))
        return rpc_pb2.PutResponse(header=self.header)

    def _delete_alone(self, request: Message) -> rpc_pb2.DeleteRangeResponse:
        self._change(self._deleted(cast("rpc_pb2.DeleteRangeRequest", request)))
        return rpc_pb2.DeleteRangeResponse(header=self.header)

    def _transact(self, request: Message) -> rpc_pb2.TxnResponse:
        asked = cast("rpc_pb2.TxnRequest", request)
        succeeded = all(self._is_true(each) for each in asked.compare)
        operations = asked.success if succeeded else asked.failure
        events, responses = list[kv_pb2.Event](), list[rpc_pb2.ResponseOp]()
        for each in operations:
            kind = each.WhichOneof("request")
            if kind == "request_range":
                responses.append(rpc_pb2.ResponseOp(response_range=self._range(each.request_range)))
            elif kind == "request_put":
                events.append(self._put(each.request_put))
                responses.append(rpc_pb2.ResponseOp(response_put=rpc_pb2.PutResponse()))
            else:
                events += self._deleted(each.request_delete_range)
                responses.append(rpc_pb2.ResponseOp(response_delete_range=rpc_pb2.DeleteRangeResponse()))
        self._change(iter(events))
        return rpc_pb2.TxnResponse(header=self.header, succeeded=succeeded, responses=responses)

    def _is_true(self, compare: rpc_pb2.Compare) -> bool:
        pair = self._pairs.get(compare.key, kv_pb2.KeyValue())
        assert compare.result == rpc_pb2.Compare.EQUAL, "coordinators compare in no other way"
        if compare.target == rpc_pb2.Compare.LEASE:
            return pair.lease == compare.lease
        assert compare.target == rpc_pb2.Compare.MOD, "coordinators compare nothing else"
        return pair.mod_revision == compare.mod_revision

    def _put(self, request: rpc_pb2.PutRequest) -> kv_pb2.Event:
        if request.lease and request.lease not in self._leases:
            raise Rejected(grpc.StatusCode.NOT_FOUND, "requested lease not found")
        pair = kv_pb2.KeyValue(key=request.key, value=request.value, lease=request.lease)
        return kv_pb2.Event(type=kv_pb2.Event.PUT, kv=pair)

    def _deleted(self, request: rpc_pb2.DeleteRangeRequest) -> Iterator[kv_pb2.Event]:
        found = [each for each in self._pairs if _holds(request.key, request.range_end, each)]
        return (self._removed(each) for each in found)

    def _removed(self, key: bytes) -> kv_pb2.Event:
        return kv_pb2.Event(type=kv_pb2.Event.DELETE, kv=kv_pb2.KeyValue(key=key))

    def _grant(self, request: Message) -> rpc_pb2.LeaseGrantResponse:
        asked = cast("rpc_pb2.LeaseGrantRequest", request)
        if asked.ID in self._leases:
            raise Rejected(grpc.StatusCode.FAILED_PRECONDITION, "lease already exists")
        self._leases[asked.ID] = _Lease(asked.TTL, self._ending(asked.ID, asked.TTL))
        return rpc_pb2.LeaseGrantResponse(header=self.header, ID=asked.ID, TTL=asked.TTL)

    def _revoke(self, request: Message) -> rpc_pb2.LeaseRevokeResponse:
        lease = cast("rpc_pb2.LeaseRevokeRequest", request).ID
        if lease not in self._leases:
            raise Rejected(grpc.StatusCode.NOT_FOUND, "requested lease not found")
        self._expire(lease)
        return rpc_pb2.LeaseRevokeResponse(header=self.header)


class Trouble(Enum):
    """What is wrong with a line."""

    NOTHING = auto()
    CUT = auto()
    """Every attempt fails at once."""
    SILENT = auto()
    """What is sent is lost, and nobody is told."""
    ANSWERS_LOST = auto()
    """What is sent is done, and no answer comes."""
    HELD_UP = auto()
    """Everything comes seconds late."""


class Watch:
    """A stream of events, as `WatchCall`. Events come in their order."""

    def __init__(self, line: "LineToEtcd", keys: KeyRange) -> None:
        self._line = line
        self._keys = keys
        self._arrived: deque[rpc_pb2.WatchResponse] = deque()
        self._is_broken = False
        self._woken = asyncio.Event()
        self._last = 0.0

    def tell(self, revision: int, events: Events) -> None:
        """etcd sends what has happened."""
        own = [each for each in events if self._keys.holds(each.kv.key)]
        if own or not events:
            loop, header = asyncio.get_running_loop(), rpc_pb2.ResponseHeader(revision=revision)
            response = rpc_pb2.WatchResponse(header=header, events=own)
            self._last = max(self._last + 1e-6, loop.time() + self._line.delay())  # in their order
            loop.call_at(self._last, self._arrive, response, context=contextvars.Context())

    async def read(self) -> rpc_pb2.WatchResponse:
        """The next events. Raises Unanswered where the line broke."""
        while not self._arrived and not self._is_broken:
            self._woken.clear()
            await self._woken.wait()
        if self._is_broken:
            raise Unanswered("the stream broke")
        return self._arrived.popleft()

    async def write(self, request: rpc_pb2.WatchRequest) -> None:
        """Asks for the present revision."""
        if not self._is_broken:
            self.tell(self._line.etcd.header.revision, ())

    def cancel(self) -> None:
        """Ends the stream."""
        self._is_broken = True
        self._woken.set()

    def _arrive(self, response: rpc_pb2.WatchResponse) -> None:
        self._arrived.append(response)
        self._woken.set()


class LineToEtcd(EtcdClient):
    """The client of one coordinator, over a line that can be in trouble."""

    def __init__(self, etcd: SimulatedEtcd, source: random.Random) -> None:
        self.etcd = etcd
        self.trouble = Trouble.NOTHING
        self._source = source
        self._streams: list[Watch] = []

    def treat(self, trouble: Trouble) -> None:
        """Something is wrong from now on, or nothing any more. Streams end, also of a process that stands still."""
        self.trouble = trouble
        if trouble is not Trouble.HELD_UP:
            for each in self._streams:
                each.cancel()

    def delay(self) -> float:
        """Seconds of a trip."""
        late = self._source.uniform(0.0, _HELD) if self.trouble is Trouble.HELD_UP else 0.0
        return late + self._source.uniform(0.0005, _SLOWEST)

    async def once(
        self, method: Method[Request, Response], request: Request, seconds: float = ATTEMPT_SECONDS
    ) -> Response:
        """See `EtcdClient`."""
        return cast("Response", await self._carried(lambda: self.etcd.act(request), seconds))

    async def keep_alive(self, lease: int, seconds: float = CALL_SECONDS) -> bool:
        """See `EtcdClient`."""
        return bool(await self._carried(lambda: self.etcd.keep_alive(lease), min(seconds, ATTEMPT_SECONDS)))

    async def revision(self, key: bytes, seconds: float) -> int:
        """See `EtcdClient`."""
        return cast("int", await self._carried(lambda: self.etcd.header.revision, seconds))

    @asynccontextmanager
    async def watching(
        self, keys: KeyRange, start_revision: int, *, in_fragments: bool = False
    ) -> AsyncIterator[WatchCall]:
        """See `EtcdClient`. No answer is divided."""
        watch = Watch(self, keys)
        await self._carried(lambda: self.etcd.watch(watch, start_revision), ATTEMPT_SECONDS)
        self._streams.append(watch)
        try:
            yield cast("WatchCall", watch)
        finally:
            self._streams.remove(watch)
            self.etcd.unwatch(watch)

    async def close(self) -> None:
        """See `EtcdClient`. There is no connection."""

    async def _carried(self, act: Callable[[], object], seconds: float) -> object:
        """The outcome of what etcd does. Raises Unanswered, or Rejected.

        Whether it is done does not depend on the process that has sent it, which may stand still meanwhile.
        """
        loop, outside = asyncio.get_running_loop(), contextvars.Context()
        answered: asyncio.Future[object] = loop.create_future()
        if self.trouble is Trouble.CUT:
            raise Unanswered("connection refused")

        def do() -> None:
            try:
                outcome: object = act()
            except Rejected as rejected:
                outcome = rejected
            if self.trouble not in (Trouble.ANSWERS_LOST, Trouble.SILENT):
                loop.call_later(self.delay(), answer, outcome, context=outside)

        def answer(outcome: object) -> None:
            if not answered.done():
                answered.set_result(outcome)

        if self.trouble is not Trouble.SILENT:
            loop.call_later(self.delay(), do, context=outside)
        await asyncio.wait({answered}, timeout=seconds)
        if not answered.done():
            answered.cancel()
            raise Unanswered("DEADLINE_EXCEEDED: no answer", is_cut_short=seconds < ATTEMPT_SECONDS)
        if isinstance(answered.result(), Rejected):
            raise cast("Rejected", answered.result())
        return answered.result()


def _holds(key: bytes, end: bytes, other: bytes) -> bool:
    """Whether a range of etcd holds a key: without an end it is one key."""
    return key <= other < end if end else other == key
