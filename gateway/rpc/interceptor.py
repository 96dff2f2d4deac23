"""The border of a server: each incoming call passes here, and nowhere else.

The order of checks: a place among all calls, an identity, a place among its own, a certificate in force, permission, a
deadline, a turn, the person who acts. Then the request is read: in time, within its size and the bytes of its caller,
parseable, plain, in the name of a proven person. A revoked certificate ends its open calls. A refusal becomes a status
with details. Data under a destroyed key is reported as erased. Any other exception becomes INTERNAL with a number, and
the log has the full traceback under that number.

gRPC treats every request here as a stream of bytes; a unary request looks the same on the wire. For a unary call gRPC
would read and parse the request before this code could check the caller.
"""

import asyncio
import inspect
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias, TypeVar, cast

import grpc
from google.protobuf.message import Message
from grpc_status import rpc_status
from opentelemetry.trace import SpanKind

from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import NO_ROOM, Refused, status_code, to_status
from gateway.process.metrics import CallMetrics
from gateway.process.tracing import Tracing
from gateway.process.turns import owner
from gateway.rpc.access import AccessRules
from gateway.rpc.acting import Acting, ActingStaff
from gateway.rpc.admission import Admission
from gateway.rpc.calls import Call, current_call, enter
from gateway.rpc.connections import ConnectionWatch
from gateway.rpc.incidents import incident
from gateway.rpc.request_streams import RequestReader, RequestStreams, arrived
from gateway.rpc.shares import CALLS, HeldBytes, Shares
from gateway.security.identity import Identity
from gateway.security.peers import Caller, Peer, peer_of
from gateway.security.revocations import Revocations
from gateway.store.vault import KeyDestroyed
from gateway.time.clock import Clock, SystemClock

Denied = Callable[[Identity, str, Refused], Awaitable[None]]
_Context = grpc.aio.ServicerContext[bytes, Message]
_Handler: TypeAlias = "grpc.RpcMethodHandler[bytes, Message]"
_Unary = Callable[[Message, _Context], Awaitable[Message]]
_Streams = Callable[[object, _Context], object]
_Requests = AsyncIterator[bytes]
_Serve = Callable[[_Requests, _Context, HeldBytes | None], Awaitable[Message | None]]
_Behave = Callable[[_Requests, _Context], Awaitable[Message | None]]
_CROWDED = (
    Reason.REASON_CALLS_TOO_MANY,
    Reason.REASON_CONNECTIONS_TOO_MANY,
    Reason.REASON_SERVER_CALLS_TOO_MANY,
    Reason.REASON_TOO_BUSY,
)
_CROWDED_KEPT = CALLS  # refusals, of each number of calls that one caller may have in a flood
_CROWDED_LENGTH = 256  # characters of the parameters of one: a server that passes a peer's refusal on keeps no long one
# Refusals for who somebody is, beside those with PERMISSION_DENIED.
_NOTED = frozenset({Reason.REASON_CERTIFICATE_REVOKED, Reason.REASON_STAFF_PROOF_INVALID})
_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


@dataclass(frozen=True)
class BorderPorts:
    """The ports of the border. `denied` writes an audit row about an authenticated peer that was turned away."""

    federation: str
    access: AccessRules
    tracing: Tracing
    metrics: CallMetrics
    denied: Denied
    revocations: Revocations | None = None
    """The revoked certificates; a server without them takes every certificate until its end."""
    clock: Clock = field(default_factory=SystemClock)
    """The machine's clock, by which TLS itself judges certificates."""
    peer: Callable[[Mapping[str, Iterable[bytes]], str], Peer] = peer_of
    """The peer of a call, by its `auth_context()` and the federation."""
    connections: ConnectionWatch = field(default_factory=ConnectionWatch)
    """Watches the connections of the server."""
    staff: ActingStaff | None = None
    """Finds out who acts through operator systems; a server without it asks nobody."""

    def require_in_force(self, peer: Peer) -> None:
        """Raises Refused with CERTIFICATE_EXPIRED or CERTIFICATE_REVOKED."""
        peer.require_not_expired(self.clock.now())
        if self.revocations is not None:
            self.revocations.require_in_force(peer)

    def peer_for(self, caller: Caller) -> Peer:
        """The peer that a caller is. Raises Refused for a caller without an identity of the federation."""
        return caller if isinstance(caller, Peer) else self.peer(caller, self.federation)

    async def require_peer(self, caller: Caller, subject: str, permit: Callable[[Identity], None]) -> Peer:
        """The peer that a caller is.

        Raises Refused for one whose certificates are not in force, and as `permit`; a row says who it was.
        """
        peer = self.peer_for(caller)
        try:
            self.require_in_force(peer)
            permit(peer.identity)
        except Refused as refused:
            if is_noted(refused):
                await self.denied(peer.identity, subject, refused)
            raise
        return peer


@dataclass(eq=False)
class _OpenCall:
    """A call that is being served. `refused` says why it was ended."""

    peer: Peer
    method: str
    task: "asyncio.Task[object] | None"
    share: str
    """Whose places it has a place among, and in whose turn it begins."""
    refused: Refused | None = None
    acting: Acting | None = None


class _Method:
    """One RPC of a server, made at its first call.

    `serve` reads the requests of an admitted call, into the bytes of its caller, and gives the answer; that of a stream
    writes its answers, and gives none.
    """

    def __init__(self, path: str, serve: _Serve, *, streams: bool, is_counted: bool = True) -> None:
        """One that is not counted is in the figures only where it fails: another follows it."""
        self.path = path
        self.name = path.removeprefix("/")
        self.attributes = {"rpc.system.name": "grpc", "rpc.method": self.name}
        self.serve = serve
        self.streams = streams
        self.is_counted = is_counted


class BorderInterceptor(grpc.aio.ServerInterceptor):
    """Wraps every method of a server."""

    def __init__(self, ports: BorderPorts) -> None:
        self._ports = ports
        self._wrapped: dict[str, _Handler] = {}
        self._requests = RequestStreams()
        self._shares = Shares()
        self.admission = Admission()
        """The door of this server."""
        self.refused: Counter[tuple[Reason.ValueType, Role.ValueType]] = Counter()
        """The calls that had no room, by reason and by the role of the caller: unspecified before that is known."""
        self._open: set[_OpenCall] = set()
        self.connections = ports.connections
        if ports.revocations is not None:
            ports.revocations.on_change(self._end_revoked)

    def drain(self) -> None:
        """Stops reading requests from streams; the ones already read are answered."""
        self._requests.close()

    def reading(self, path: str) -> _Handler:
        """A handler that reads a request which says itself for which method it is, and serves nothing.

        The border admits the callers of the method at `path`, as to that method.
        """
        largest = self._ports.access.largest_request(path)

        async def read(_: _Requests, context: _Context, held: HeldBytes | None) -> None:
            await arrived(context.read(), largest)

        method = _Method(path, read, streams=False, is_counted=False)
        return grpc.stream_unary_rpc_method_handler(self._guarded(method))

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable["grpc.RpcMethodHandler[_Request, _Response] | None"]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[_Request, _Response] | None":
        """See grpc.aio: gives the handler of a method, wrapped."""
        method = handler_call_details.method
        wrapped = self._wrapped.get(method)
        if wrapped is None:
            handler = cast("_Handler | None", await continuation(handler_call_details))
            if handler is None:
                wrapped = grpc.stream_unary_rpc_method_handler(_unknown(method))
            else:
                wrapped = self._wrapped[method] = self._wrap(method, handler)
        return cast("grpc.RpcMethodHandler[_Request, _Response]", wrapped)

    def _wrap(self, path: str, handler: _Handler) -> _Handler:
        deserialize = cast("Callable[[bytes], Message]", handler.request_deserializer)
        access = self._ports.access
        reader = RequestReader(access.largest_request(path), access.request_of(path), deserialize)
        if handler.unary_unary is not None:
            method = _Method(path, self._unary(cast("_Unary", handler.unary_unary), reader), streams=False)
            return grpc.stream_unary_rpc_method_handler(self._guarded(method), None, handler.response_serializer)
        serve = handler.unary_stream or handler.stream_stream
        if serve is None:
            raise TypeError(f"{path} has a form that the border does not know")
        requests = self._requests if handler.request_streaming else None
        method = _Method(path, self._stream(cast("_Streams", serve), reader, requests), streams=True)
        return grpc.stream_stream_rpc_method_handler(self._guarded(method), None, handler.response_serializer)

    def _guarded(self, method: _Method) -> _Behave:
        tracing, metrics = self._ports.tracing, self._ports.metrics

        async def behave(requests: _Requests, context: _Context) -> Message | None:
            started, status = metrics.start(), "CANCELLED"
            self.connections.heard(context)
            with tracing.span(method.name, SpanKind.SERVER, parent=_traceparent(context), attributes=method.attributes):
                try:
                    answer = await self._admitted(method, requests, context)
                    status = "OK"
                    return answer
                except Refused as refused:
                    status = status_code(refused.reason).name
                    if refused.reason in NO_ROOM:
                        self._count(refused.reason, context)
                    _detach(refused)
                    await _abort(context, refused)
                    raise
                except grpc.aio.AbortError:
                    status = context.code().name
                    raise
                except grpc.aio.UsageError:
                    raise
                except Exception as error:
                    status = "INTERNAL"
                    logged = incident(method.path, error)
                    _detach(error)
                    await _abort(context, logged)
                    raise
                finally:
                    if method.is_counted or status != "OK":
                        metrics.served(method.name, status, started)

        return behave

    def _unary(self, serve: _Unary, reader: RequestReader) -> _Serve:
        async def answer(_: _Requests, context: _Context, held: HeldBytes | None) -> Message:
            return await serve(self._taken(await reader.read_only(context.read(), held), context), context)

        return answer

    def _stream(self, serve: _Streams, reader: RequestReader, streams: RequestStreams | None) -> _Serve:
        """`streams` reads the requests of a call; without it, a call has one request."""
        generates = inspect.isasyncgenfunction(serve)

        # The function writes by itself: a generator would stay open where a caller goes away during a write.
        async def answer(requests: _Requests, context: _Context, held: HeldBytes | None) -> None:
            request: object
            if streams is None:
                request = self._taken(await reader.read_only(context.read(), held), context)
            else:
                request = streams.read(requests, reader, lambda each: self._taken(each, context), held)
            answers = _Answers(context)
            if not generates:
                # Health.Watch alone, which uses nothing of its context but `write`.
                await cast("Awaitable[None]", serve(request, cast("_Context", answers)))
                return
            async with aclosing(cast("AsyncGenerator[Message, None]", serve(request, context))) as responses:
                async for response in responses:
                    await answers.write(response)

        return answer

    def _taken(self, request: Message, context: _Context) -> Message:
        """A request of the current call, in the name of whoever acts. Raises Refused as `Acting.take`."""
        self.connections.heard(context)
        acting = current_call().acting
        if acting is not None:
            acting.take(request)
        return request

    async def _admitted(self, method: _Method, requests: _Requests, context: _Context) -> Message | None:
        """Admits a call, which holds its place until it is served, and serves it.

        Raises Refused before any of the call is read. Writes an audit row where this border, or the service itself,
        turns an authenticated peer away.
        """
        self._shares.require_place()
        # A call of the own process may have a peer there, which its listener has proven.
        peer = self._ports.peer_for(cast("Caller", context.auth_context()))
        identity, access = peer.identity, self._ports.access
        connection = context.peer()
        share = self._shares.enter(identity, connection, is_stranger=access.is_stranger(identity))
        call = _OpenCall(peer, method.path, asyncio.current_task(), share)
        self._open.add(call)
        try:
            self._ports.require_in_force(peer)
            access.require_begun(identity, method.path)
            remaining = cast("float | None", context.time_remaining())
            if remaining is None and not method.streams:
                raise Refused(Reason.REASON_DEADLINE_MISSING)
            deadline = None if remaining is None else asyncio.get_running_loop().time() + remaining
            if access.takes_turns(identity):
                owner.set(share)
                return await self._in_turn(method, requests, context, call, deadline)
            self._enter(method, context, call, deadline)
            return await method.serve(requests, context, None)
        except Refused as refused:
            if is_noted(refused):
                await self._ports.denied(identity, method.path, refused)
            raise
        except KeyDestroyed:
            raise Refused(Reason.REASON_CUSTOMER_ERASED) from None
        except asyncio.CancelledError:
            if call.refused is None or call.task is None:
                raise
            call.task.uncancel()
            await self._ports.denied(identity, method.path, call.refused)
            raise call.refused from None
        finally:
            self._open.discard(call)
            self._shares.leave(share, connection)

    def _enter(self, method: _Method, context: _Context, call: _OpenCall, deadline: float | None) -> None:
        """Makes a call the current one, with the member of staff who is proven to act through an operator system.

        Only once a call may begin, because a token that is new costs signatures.
        """
        identity = call.peer.identity
        if self._ports.staff is not None and identity.role == Role.ROLE_OPERATOR:
            call.acting = self._ports.staff.acting(identity, method.path, context.invocation_metadata() or ())
        enter(Call(identity, method.path, deadline, call.acting, call.peer.certificates))

    async def _in_turn(
        self, method: _Method, requests: _Requests, context: _Context, call: _OpenCall, deadline: float | None
    ) -> Message | None:
        """Serves a call once it may begin. A stream occupies the process at its beginning alone: it may last for days.

        Raises Refused where it would wait too long.
        """
        place = await self.admission.begin(call.share, self._shares.of(call.share))
        served: AbstractContextManager[None] = place.at_its_beginning() if method.streams else place
        with served, self._shares.holding(call.share) as held:
            self._enter(method, context, call, deadline)
            return await method.serve(requests, context, held)

    def _count(self, reason: Reason.ValueType, context: _Context) -> None:
        """Counts a call that had no room. Where all places are taken, nobody looks who calls."""
        role = Role.ROLE_UNSPECIFIED
        if reason != Reason.REASON_SERVER_CALLS_TOO_MANY:
            role = self._ports.peer_for(cast("Caller", context.auth_context())).identity.role
        self.refused[reason, role] += 1

    def end_unallowed(self) -> None:
        """Ends the open calls whose callers may no longer make them."""
        self._end(lambda call: self._ports.access.require_allowed(call.peer.identity, call.method))

    def _end_revoked(self) -> None:
        """Ends the open calls whose certificates, or those behind a proof, were revoked."""
        revocations = self._ports.revocations
        assert revocations is not None

        def require(call: _OpenCall) -> None:
            revocations.require_in_force(call.peer)
            if call.acting is not None:
                call.acting.require_not_revoked()

        self._end(require)

    def _end(self, require: Callable[[_OpenCall], None]) -> None:
        """Ends the open calls that a check refuses."""
        for call in self._open:
            try:
                require(call)
            except Refused as refused:
                if call.task is not None and call.refused is None:
                    call.refused = refused
                    call.task.cancel()


def is_noted(refused: Refused) -> bool:
    """Whether an authenticated peer was turned away for who it is."""
    is_denied = status_code(refused.reason) == grpc.StatusCode.PERMISSION_DENIED
    return is_denied or refused.reason in _NOTED


class _Answers:
    """Writes the answers of a stream.

    A cancellation waits for the first answer: where a write is interrupted before the initial metadata are known to be
    sent, gRPC sends them again with the status, its core refuses that, and the caller never learns that its call ended.
    """

    def __init__(self, context: _Context) -> None:
        self._context = context
        self._has_begun = False

    async def write(self, answer: Message) -> None:
        if self._has_begun:
            await self._context.write(answer)
            return
        self._has_begun = True
        writing = asyncio.ensure_future(self._context.write(answer))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            # A write fails where the caller has gone, too.
            await asyncio.gather(writing, return_exceptions=True)
            raise


def _unknown(method: str) -> _Behave:
    async def behave(_: _Requests, context: _Context) -> Message:
        refused = Refused(Reason.REASON_METHOD_UNKNOWN, method=method)
        await _abort(context, refused)
        raise refused

    return behave


def _traceparent(context: _Context) -> str:
    """The caller's trace, as the metadata of a call have it; empty without one."""
    for key, value in context.invocation_metadata() or ():
        if key == "traceparent":
            return value if isinstance(value, str) else ""
    return ""


def _detach(error: BaseException) -> None:
    """Frees the frames that an error, and those behind it, came through.

    gRPC keeps the end of a call in a circle until the next collection of garbage; frames keep requests.
    """
    left, seen = [error], set[int]()
    while left:
        each = left.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        each.__traceback__ = None
        left += [behind for behind in (each.__cause__, each.__context__) if behind is not None]
        if isinstance(each, BaseExceptionGroup):
            left += each.exceptions


async def _abort(context: _Context, refused: Refused) -> None:
    if refused.reason in _CROWDED and _is_short(refused):
        status = _crowded(refused.reason, **refused.parameters)
    else:
        status = rpc_status.to_status(to_status(refused))
    await context.abort_with_status(status)


def _is_short(refused: Refused) -> bool:
    return sum(len(name) + len(value) for name, value in refused.parameters.items()) <= _CROWDED_LENGTH


@lru_cache(_CROWDED_KEPT)
def _crowded(reason: Reason.ValueType, /, **parameters: str) -> grpc.Status:
    """The status of a refusal for want of room: where calls come in a flood, it is told many times a second."""
    return rpc_status.to_status(to_status(Refused(reason, **parameters)))
