"""Calls to etcd: its members take turns, each call has a deadline, and errors are classified here only."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

import grpc
from etcd3.etcdrpc import rpc_pb2
from etcd3.etcdrpc.kv_pb2 import KeyValue
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from coordinator.registry.etcd.copy import Entry
from coordinator.registry.etcd.keys import KeyRange
from coordinator.registry.etcd.settings import EtcdSettings
from gateway.process.running import stop_tasks
from gateway.security.tls import ChannelOptions, CredentialsUnusable, client_credentials
from gateway.time.clock import Clock

ATTEMPT_SECONDS = 1.0  # for one member; a call continues at the next one
SHORTEST_ATTEMPT_SECONDS = 0.1  # below that, no attempt begins: its failure would not mean a failed member
_FULL_SECONDS = 0.9 * ATTEMPT_SECONDS  # a member with this much time had enough for a response
CALL_SECONDS = 4.0  # for a call at all members: an election takes up to two, and a first attempt may hang
# The time for which a failed member is skipped while another is there. It is longer than another failing look at the
# member.
LEFT_OUT_SECONDS = 2.5
SNAPSHOT_SECONDS = 3600.0  # for the whole store of a member; keepalives end the stream of a frozen one much sooner
PAUSE_SECONDS = 0.05  # between attempts, where members fail immediately
_STAMP_SECONDS = 1.0  # between checks of the certificate files
# etcd disconnects clients that ping more often than every five seconds, or without a call.
_KEEPALIVE_MS = 10_000
_KEEPALIVE_TIMEOUT_MS = 3_000
_RECONNECT_MIN_MS = 200
_RECONNECT_MAX_MS = 1_000
_MAX_MESSAGE_BYTES = 64 * 1024 * 1024
_VALUES_AT_ONCE = 500  # of one range in one answer: with values of 64 KiB half of what a message holds
# The messages of the package lack two fields that etcd has: `fragment = 8` of a request of a watch, here as true, and
# `fragment = 7` of an answer.
_IN_FRAGMENTS = b"\x40\x01"
_FRAGMENT = 7
# A member without contact to the others then fails immediately, and ends its streams.
_METADATA = (("hasleader", "true"),)
# With these errors etcd rejects a request for good. After any other error the outcome is unknown.
_REJECTIONS = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
    }
)
_log = logging.getLogger(__name__)


class Headed(Protocol):
    """An answer of etcd. Each has a header, which names the cluster."""

    header: rpc_pb2.ResponseHeader

    @classmethod
    def FromString(cls, data: bytes, /) -> Self:  # noqa: N802
        """The message of its bytes. Raises DecodeError."""
        ...


Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Headed)


class Unanswered(Exception):
    """No member responded in time. The request may have been executed, or may still be.

    `is_cut_short`: a member had less time than usual, and may be healthy.
    """

    def __init__(self, problem: str, *, is_cut_short: bool = False) -> None:
        super().__init__(problem)
        self.is_cut_short = is_cut_short


class Forgotten(Unanswered):
    """etcd is behind a revision seen before, or is another cluster: it was restored from a backup, or made anew."""


class Rejected(Exception):
    """etcd rejected the request; the text is its own."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(f"{code.name}: {details}")
        self.code = code


@dataclass(frozen=True)
class Method(Generic[Request, Response]):
    """An RPC of etcd."""

    path: str
    request: type[Request]
    response: type[Response]


RANGE = Method("/etcdserverpb.KV/Range", rpc_pb2.RangeRequest, rpc_pb2.RangeResponse)
PUT = Method("/etcdserverpb.KV/Put", rpc_pb2.PutRequest, rpc_pb2.PutResponse)
DELETE = Method("/etcdserverpb.KV/DeleteRange", rpc_pb2.DeleteRangeRequest, rpc_pb2.DeleteRangeResponse)
TRANSACTION = Method("/etcdserverpb.KV/Txn", rpc_pb2.TxnRequest, rpc_pb2.TxnResponse)
GRANT = Method("/etcdserverpb.Lease/LeaseGrant", rpc_pb2.LeaseGrantRequest, rpc_pb2.LeaseGrantResponse)
REVOKE = Method("/etcdserverpb.Lease/LeaseRevoke", rpc_pb2.LeaseRevokeRequest, rpc_pb2.LeaseRevokeResponse)
KEEP_ALIVE = Method("/etcdserverpb.Lease/LeaseKeepAlive", rpc_pb2.LeaseKeepAliveRequest, rpc_pb2.LeaseKeepAliveResponse)
WATCH = Method("/etcdserverpb.Watch/Watch", rpc_pb2.WatchRequest, rpc_pb2.WatchResponse)
SNAPSHOT = Method("/etcdserverpb.Maintenance/Snapshot", rpc_pb2.SnapshotRequest, rpc_pb2.SnapshotResponse)
STATUS = Method("/etcdserverpb.Maintenance/Status", rpc_pb2.StatusRequest, rpc_pb2.StatusResponse)

Compare = Callable[[rpc_pb2.ResponseHeader], None]
_Stream = grpc.aio.StreamStreamCall[rpc_pb2.WatchRequest, rpc_pb2.WatchResponse]


@dataclass(eq=False)
class _Member:
    """A member of the cluster."""

    endpoint: str
    channel: grpc.aio.Channel
    left_out_until: float = 0.0


@dataclass(frozen=True)
class Read:
    """Entries as they were together at one revision."""

    entries: dict[bytes, Entry]
    revision: int
    cluster: int = 0
    """The id of the cluster; 0 for an unknown one."""


class WatchCall:
    """A stream of events. `compare` is called with the header of each answer."""

    def __init__(self, stream: _Stream, compare: Compare) -> None:
        self._stream = stream
        self._compare = compare

    async def read(self) -> rpc_pb2.WatchResponse | None:
        """The next answer; None at the end of the stream. Raises AioRpcError, and as the comparison."""
        response = await self._stream.read()
        if not isinstance(response, rpc_pb2.WatchResponse):
            return None
        self._compare(response.header)
        return response

    async def write(self, request: rpc_pb2.WatchRequest) -> None:
        """Sends a request. Raises AioRpcError, or InvalidStateError."""
        await self._stream.write(request)

    def cancel(self) -> None:
        """Ends the stream."""
        self._stream.cancel()


class EtcdClient:
    """A client of one cluster, on one event loop. Raises CredentialsUnusable where its files are."""

    def __init__(self, settings: EtcdSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._stamp = settings.credentials.stamp()
        self._stamp_checked = 0.0
        self._members = self._connect()
        self._turns = itertools.count()
        self._closing: set[asyncio.Task[None]] = set()
        self._looking: set[asyncio.Task[int | str]] = set()
        self._compare: Compare = _take_any

    def compare(self, compare: Compare) -> None:
        """Has the header of each answer compared, before anyone acts by the answer. `compare` raises Forgotten."""
        self._compare = compare

    async def call(
        self, method: Method[Request, Response], request: Request, seconds: float = CALL_SECONDS
    ) -> Response:
        """The answer of the first member that gives one. For requests that may be made more than once.

        Raises Unanswered, or Rejected.
        """
        end = _now() + seconds
        while True:
            try:
                return await self.once(method, request, min(ATTEMPT_SECONDS, end - _now()))
            except Forgotten:
                raise
            except Unanswered:
                if end - _now() < PAUSE_SECONDS + SHORTEST_ATTEMPT_SECONDS:
                    raise
            await asyncio.sleep(PAUSE_SECONDS)

    async def once(
        self, method: Method[Request, Response], request: Request, seconds: float = ATTEMPT_SECONDS
    ) -> Response:
        """The response of one member to one attempt. Raises Unanswered, or Rejected."""
        _require_time(seconds)
        member = self._pick()
        try:
            response = await ask(member.channel, method, request, seconds)
        except Unanswered as error:
            self._leave_out_after(error, member)
            raise
        self._compare(response.header)
        return response

    async def keep_alive(self, lease: int, seconds: float = CALL_SECONDS) -> bool:
        """Renews a lease for its full time; returns False for a missing one. Raises Unanswered, or Rejected."""
        end = _now() + seconds
        while True:
            left = min(ATTEMPT_SECONDS, end - _now())
            _require_time(left)
            member = self._pick()
            try:
                response = await _keep_alive(member.channel, lease, left)
            except Unanswered as error:
                self._leave_out_after(error, member)
                if end - _now() < PAUSE_SECONDS + SHORTEST_ATTEMPT_SECONDS:
                    raise
            else:
                self._compare(response.header)
                return response.TTL > 0
            await asyncio.sleep(PAUSE_SECONDS)

    async def read(self, ranges: Iterable[KeyRange], seconds: float = CALL_SECONDS) -> Read:
        """The values in these ranges, at one revision not older than any earlier response of any member.

        Raises Unanswered, or Rejected.
        """
        wanted, end = list(ranges), _now() + seconds
        operations = [
            rpc_pb2.RequestOp(
                request_range=rpc_pb2.RangeRequest(key=each.first, range_end=each.end, limit=_VALUES_AT_ONCE)
            )
            for each in wanted
        ]
        response = await self.call(TRANSACTION, rpc_pb2.TxnRequest(success=operations), seconds)
        found: list[KeyValue] = []
        for keys, answered in zip(wanted, response.responses, strict=True):
            page = answered.response_range
            found += page.kvs
            while page.more:
                further = rpc_pb2.RangeRequest(
                    key=page.kvs[-1].key + b"\0",
                    range_end=keys.end,
                    limit=_VALUES_AT_ONCE,
                    revision=response.header.revision,
                )
                page = await self.call(RANGE, further, end - _now())
                found += page.kvs
        entries = {pair.key: Entry(pair.value, pair.mod_revision, pair.lease) for pair in found}
        return Read(entries, response.header.revision, response.header.cluster_id)

    async def snapshot(
        self, begin: Callable[[int], object], take: Callable[[bytes], object], seconds: float = SNAPSHOT_SECONDS
    ) -> None:
        """Hands on the whole store of one member: first its size in bytes, then part by part.

        Raises Unanswered, or Rejected.
        """
        member = self._pick()
        try:
            status = await ask(member.channel, STATUS, STATUS.request(), ATTEMPT_SECONDS)
        except Unanswered as error:
            self._leave_out_after(error, member)
            raise
        self._compare(status.header)
        begin(status.dbSize)
        try:
            await download(member.channel, take, seconds)
        except (Unanswered, Rejected):
            self._leave_out(member)
            raise

    async def revision(self, key: bytes, seconds: float) -> int:
        """The current revision of etcd: all members are queried, and the first response counts. Raises Unanswered.

        A frozen member thus costs no time, and other calls skip it.
        """
        request = rpc_pb2.RangeRequest(key=key, keys_only=True)
        asked = {asyncio.create_task(self._look_at(member, request, seconds)) for member in self._followed_members()}
        self._looking |= asked
        for task in asked:
            task.add_done_callback(self._looking.discard)
        problems: list[str] = []
        for answer in asyncio.as_completed(asked):
            found = await answer
            if isinstance(found, int):
                return found
            problems.append(found)
        raise Unanswered("; ".join(problems))

    @asynccontextmanager
    async def watching(
        self, keys: KeyRange, start_revision: int, *, in_fragments: bool = False
    ) -> AsyncIterator[WatchCall]:
        """A stream of the events of these keys from a revision on, at one member. Raises Unanswered.

        `in_fragments`: etcd divides an answer of more than about 2 MiB, also within a revision; see `is_fragment`.
        """
        member = self._pick()
        stream: grpc.aio.StreamStreamMultiCallable[rpc_pb2.WatchRequest, rpc_pb2.WatchResponse]
        stream = member.channel.stream_stream(
            WATCH.path,
            request_serializer=WATCH.request.SerializeToString,
            response_deserializer=WATCH.response.FromString,
        )
        call = WatchCall(stream(metadata=_METADATA), self._compare)
        create = rpc_pb2.WatchCreateRequest(
            key=keys.first, range_end=keys.end, start_revision=start_revision, progress_notify=True
        )
        if in_fragments:
            create.MergeFromString(_IN_FRAGMENTS)
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                await call.write(rpc_pb2.WatchRequest(create_request=create))
                response = await call.read()
            if response is None or not response.created or response.canceled:
                raise Unanswered("no watch was made")
            yield call
        except grpc.aio.AioRpcError as error:
            self._leave_out(member)
            raise Unanswered(f"{member.endpoint}: {error.code().name}: {error.details()}") from None
        except (Unanswered, asyncio.InvalidStateError, TimeoutError) as error:
            self._leave_out(member)
            raise Unanswered(f"{member.endpoint}: {error}") from None
        finally:
            call.cancel()

    async def close(self) -> None:
        """Closes all connections."""
        await stop_tasks(self._looking)
        for member in self._members:
            await member.channel.close()
        await asyncio.gather(*self._closing)

    def _connect(self) -> list[_Member]:
        credentials = client_credentials(self._settings.credentials, self._clock.now())
        return [
            _Member(endpoint, grpc.aio.secure_channel(endpoint, credentials, options=channel_options()))
            for endpoint in self._settings.endpoints
        ]

    async def _look_at(self, member: _Member, request: rpc_pb2.RangeRequest, seconds: float) -> int | str:
        """The revision of a member, or the reason of its failure."""
        try:
            response = await ask(member.channel, RANGE, request, seconds)
            self._compare(response.header)
        except (Unanswered, Rejected) as error:
            self._leave_out_after(error, member)
            return str(error)
        return response.header.revision

    def _pick(self) -> _Member:
        members, now = self._followed_members(), _now()
        well = [member for member in members if member.left_out_until <= now] or members
        return well[next(self._turns) % len(well)]

    def _leave_out_after(self, error: Unanswered | Rejected, member: _Member) -> None:
        if isinstance(error, Rejected) or not error.is_cut_short:
            self._leave_out(member)

    def _leave_out(self, member: _Member) -> None:
        member.left_out_until = _now() + LEFT_OUT_SECONDS

    def _followed_members(self) -> list[_Member]:
        """The members, over new connections once the certificate files were replaced."""
        if _now() - self._stamp_checked < _STAMP_SECONDS:
            return self._members
        self._stamp_checked, stamp = _now(), self._settings.credentials.stamp()
        if stamp != self._stamp:
            try:
                fresh = self._connect()
            except CredentialsUnusable as error:
                _log.error("connections to etcd keep the former certificate: %s", error)
                return self._members
            for member in self._members:
                task = asyncio.create_task(member.channel.close(CALL_SECONDS))
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)
            self._members, self._stamp = fresh, stamp
        return self._members


async def ask(
    channel: grpc.aio.Channel, method: Method[Request, Response], request: Request, seconds: float
) -> Response:
    """The response over one connection. Raises Unanswered, or Rejected."""
    rpc: grpc.aio.UnaryUnaryMultiCallable[Request, Response] = channel.unary_unary(
        method.path,
        request_serializer=method.request.SerializeToString,
        response_deserializer=method.response.FromString,
    )
    try:
        return await rpc(request, timeout=seconds, metadata=_METADATA)
    except grpc.aio.AioRpcError as error:
        raise _meaning(error, seconds) from None


async def download(channel: grpc.aio.Channel, take: Callable[[bytes], object], seconds: float) -> None:
    """Hands on a snapshot over one connection, part by part. Raises Unanswered, or Rejected."""
    stream: grpc.aio.UnaryStreamMultiCallable[rpc_pb2.SnapshotRequest, rpc_pb2.SnapshotResponse]
    stream = channel.unary_stream(
        SNAPSHOT.path,
        request_serializer=SNAPSHOT.request.SerializeToString,
        response_deserializer=SNAPSHOT.response.FromString,
    )
    try:
        async for part in stream(SNAPSHOT.request(), timeout=seconds, metadata=_METADATA):
            take(part.blob)
    except grpc.aio.AioRpcError as error:
        raise _meaning(error, seconds) from None


async def _keep_alive(channel: grpc.aio.Channel, lease: int, seconds: float) -> rpc_pb2.LeaseKeepAliveResponse:
    rpc: grpc.aio.StreamStreamMultiCallable[rpc_pb2.LeaseKeepAliveRequest, rpc_pb2.LeaseKeepAliveResponse]
    rpc = channel.stream_stream(
        KEEP_ALIVE.path,
        request_serializer=KEEP_ALIVE.request.SerializeToString,
        response_deserializer=KEEP_ALIVE.response.FromString,
    )
    call = rpc(timeout=seconds, metadata=_METADATA)
    try:
        await call.write(rpc_pb2.LeaseKeepAliveRequest(ID=lease))
        response = await call.read()
    except grpc.aio.AioRpcError as error:
        raise _meaning(error, seconds) from None
    except asyncio.InvalidStateError as error:
        raise Unanswered(str(error)) from None
    finally:
        call.cancel()
    if not isinstance(response, rpc_pb2.LeaseKeepAliveResponse):
        raise Unanswered("the stream ended without an answer")
    return response


def is_fragment(response: rpc_pb2.WatchResponse) -> bool:
    """Whether the next answer of the watch continues this one, perhaps with the same revision."""
    unknown = UnknownFieldSet(response)
    fields = (unknown[place] for place in range(len(unknown)))
    return any(field.field_number == _FRAGMENT and field.data for field in fields)


def _take_any(_: rpc_pb2.ResponseHeader) -> None:
    """Compares nothing: an administrator's client has no past."""


def _require_time(seconds: float) -> None:
    """Raises Unanswered where an attempt would have too little time for a meaningful failure."""
    if seconds < SHORTEST_ATTEMPT_SECONDS:
        raise Unanswered("no time is left", is_cut_short=True)


def _meaning(error: grpc.aio.AioRpcError, seconds: float) -> Unanswered | Rejected:
    """The meaning of an error for an attempt of `seconds` seconds."""
    code, details = error.code(), error.details() or ""
    if code in _REJECTIONS:
        return Rejected(code, details)
    is_cut_short = code == grpc.StatusCode.DEADLINE_EXCEEDED and seconds < _FULL_SECONDS
    return Unanswered(f"{code.name}: {details}", is_cut_short=is_cut_short)


def channel_options() -> ChannelOptions:
    """The options of connections to etcd."""
    return [
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.initial_reconnect_backoff_ms", _RECONNECT_MIN_MS),
        ("grpc.min_reconnect_backoff_ms", _RECONNECT_MIN_MS),
        ("grpc.max_reconnect_backoff_ms", _RECONNECT_MAX_MS),
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.enable_http_proxy", 0),
        ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    ]


def _now() -> float:
    return asyncio.get_running_loop().time()
