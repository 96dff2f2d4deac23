"""Calls of a server's RPCs within its own process, for callers who come by another protocol.

Such a call passes the same border as one of gRPC, by the same object: places, identity, permission, deadline, turns,
the person who acts, the form of the request, audit rows, spans and figures. Only the bytes come from elsewhere.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeAlias, cast

import grpc
from google.protobuf.message import Message

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, from_metadata
from gateway.rpc.interceptor import BorderInterceptor
from gateway.security.peers import Caller

_Handler: TypeAlias = "grpc.RpcMethodHandler[Message, Message]"
_Serve = Callable[[AsyncIterator[bytes], "_Context"], Awaitable[Message]]


@dataclass(frozen=True)
class Arrival:
    """A call as another protocol has brought it."""

    caller: Caller
    metadata: Sequence[tuple[str, str]]
    """Metadata of gRPC that came as headers: names in lower case."""
    seconds: float
    """The time until its deadline."""
    read: Callable[[], Awaitable[Message]]
    """Reads the request, once the border has admitted the caller. May raise Refused."""
    rpc_of: Callable[[Message], str] | None = None
    """The RPC that a request is for, where only the request says it."""


class InProcess:
    """The unary RPCs of a server, called by its own process."""

    def __init__(self, adds: Iterable[Callable[[grpc.aio.Server], None]], border: BorderInterceptor) -> None:
        """`adds` are the functions that add the services to a server."""
        self._border = border
        held = _Held()
        for add in adds:
            add(cast("grpc.aio.Server", held))
        self._handlers = held.handlers

    async def call(self, path: str, arrival: Arrival) -> Message:
        """The answer of the RPC at `path` (`/package.Service/Method`).

        With `rpc_of` the request is read first, from a caller whom the RPC at `path` admits. Then that which it is for
        is called, in the time that is left.

        Raises Refused with the same reasons as for a caller by gRPC, and with ANSWER_LATE at the deadline.
        """
        # A task of its own: what a call sets for its context ends with it, on a connection that stays open.
        serving = asyncio.create_task(self._serve(path, arrival))
        try:
            async with asyncio.timeout(arrival.seconds):
                return await serving
        except TimeoutError:
            raise Refused(Reason.REASON_ANSWER_LATE, seconds=f"{arrival.seconds:.0f}") from None
        finally:
            del serving  # its error keeps this frame, and would stay with the request until a collection of garbage

    async def _serve(self, path: str, arrival: Arrival) -> Message:
        context = _Context(path, arrival)
        if arrival.rpc_of is not None:
            await self._pass(self._border.reading(path).stream_unary, context)
        wrapped = await self._border.intercept_service(self._handler, _Details(context.path, arrival.metadata))
        assert wrapped is not None
        return await self._pass(wrapped.stream_unary, context)

    async def _pass(self, serve: object, context: "_Context") -> Message:
        try:
            return await cast("_Serve", serve)(_NoStream(), context)
        except grpc.aio.AbortError:
            if context.refused is None:
                raise
            raise context.end() from None

    async def _handler(self, details: grpc.HandlerCallDetails) -> "_Handler | None":
        return self._handlers.get(details.method)


class _Held:
    """Takes services in as gRPC's server does, and keeps their methods by path."""

    def __init__(self) -> None:
        self.handlers: dict[str, _Handler] = {}

    def add_generic_rpc_handlers(self, handlers: Sequence[object]) -> None:
        """See grpc: the same methods come by name, too."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, _Handler]) -> None:
        """See grpc."""
        self.handlers |= {f"/{service}/{name}": handler for name, handler in handlers.items()}


class _Details(grpc.HandlerCallDetails):
    """The call as gRPC tells interceptors of it."""

    def __init__(self, method: str, metadata: Sequence[tuple[str, str]]) -> None:
        self.method = method
        self.invocation_metadata: tuple[tuple[str, str | bytes], ...] = tuple(metadata)


class _Context:
    """The part of gRPC's context that the border uses. The services of the contract use none of it."""

    def __init__(self, path: str, arrival: Arrival) -> None:
        self.path = path
        """The RPC that is called, as far as it is known."""
        self._arrival = arrival
        self._request: bytes | None = None
        self._end = asyncio.get_running_loop().time() + arrival.seconds
        self.refused: Refused | None = None

    def auth_context(self) -> Caller:
        """See grpc; or the peer that the caller has proven to be."""
        return self._arrival.caller

    def peer(self) -> str:
        """See grpc: no connection of its own."""
        return ""

    def invocation_metadata(self) -> Sequence[tuple[str, str]]:
        """See grpc."""
        return self._arrival.metadata

    def time_remaining(self) -> float:
        """See grpc."""
        return self._end - asyncio.get_running_loop().time()

    async def read(self) -> bytes:
        """See grpc: the request, within the limits that the border has for bytes. It comes once."""
        if self._request is None:
            message = await self._arrival.read()
            if self._arrival.rpc_of is not None:
                self.path = self._arrival.rpc_of(message)
            self._request = message.SerializeToString()
        return self._request

    def end(self) -> Refused:
        """The refusal of the call, which the context keeps no longer: both would stay until a collection of garbage."""
        refused, self.refused = self.refused, None
        assert refused is not None
        return refused

    async def abort_with_status(self, status: grpc.Status) -> NoReturn:
        """See grpc."""
        self.refused = from_metadata(status.trailing_metadata or ())
        raise grpc.aio.AbortError


class _NoStream(AsyncIterator[bytes]):
    """No requests: that of a unary call comes by `read`."""

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration
