"""Calls of a server's RPCs within its own process, for callers who come by another protocol.

Such a call passes the same border as one of gRPC, by the same object: places, identity, permission, deadline, turns,
the person who acts, the form of the request, audit rows, spans and figures. Only the bytes come from elsewhere.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeAlias, cast

import grpc
from google.protobuf.message import Message

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, from_metadata
from gateway.rpc.incidents import incident
from gateway.rpc.interceptor import BorderInterceptor

_Handler: TypeAlias = "grpc.RpcMethodHandler[Message, Message]"
_Serve = Callable[[AsyncIterator[bytes], "_Context"], Awaitable[Message]]


@dataclass(frozen=True)
class Arrival:
    """A call as another protocol has brought it."""

    certificates: Mapping[str, Collection[bytes]]
    """The certificates of the caller, in the form of gRPC's `auth_context()`."""
    metadata: Sequence[tuple[str, str]]
    """Metadata of gRPC that came as headers: names in lower case."""
    seconds: float
    """The time until its deadline."""
    read: Callable[[], Awaitable[Message]]
    """Reads the request, once the border has admitted the caller. May raise Refused."""


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

        Raises Refused with the same reasons as for a caller by gRPC, and with ANSWER_LATE at the deadline.
        """
        # A task of its own: what a call sets for its context ends with it, on a connection that stays open.
        serving = asyncio.create_task(self._serve(path, arrival))
        try:
            async with asyncio.timeout(arrival.seconds):
                return await serving
        except TimeoutError:
            raise Refused(Reason.REASON_ANSWER_LATE, seconds=f"{arrival.seconds:.0f}") from None

    async def read(self, path: str, arrival: Arrival) -> Message:
        """The request of a call before it begins, from a caller who may call the RPC at `path`.

        It serves those who find in the request which RPC it is for. Raises Refused as `call`.
        """
        try:
            async with asyncio.timeout(arrival.seconds), self._border.reading(path, arrival.certificates):
                return await arrival.read()
        except TimeoutError:
            raise Refused(Reason.REASON_ANSWER_LATE, seconds=f"{arrival.seconds:.0f}") from None
        except Refused:
            raise
        except Exception as error:
            raise incident(path, error) from error

    async def _serve(self, path: str, arrival: Arrival) -> Message:
        context = _Context(arrival)
        wrapped = await self._border.intercept_service(self._handler, _Details(path, arrival.metadata))
        assert wrapped is not None
        try:
            return await cast("_Serve", wrapped.stream_unary)(_NoStream(), context)
        except grpc.aio.AbortError:
            if context.refused is None:
                raise
            raise context.refused from None

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

    def __init__(self, arrival: Arrival) -> None:
        self._arrival = arrival
        self._end = asyncio.get_running_loop().time() + arrival.seconds
        self.refused: Refused | None = None

    def auth_context(self) -> Mapping[str, Collection[bytes]]:
        """See grpc."""
        return self._arrival.certificates

    def invocation_metadata(self) -> Sequence[tuple[str, str]]:
        """See grpc."""
        return self._arrival.metadata

    def time_remaining(self) -> float:
        """See grpc."""
        return self._end - asyncio.get_running_loop().time()

    async def read(self) -> bytes:
        """See grpc: the request, within the limits that the border has for bytes."""
        return (await self._arrival.read()).SerializeToString()

    async def abort_with_status(self, status: grpc.Status) -> NoReturn:
        """See grpc."""
        self.refused = from_metadata(status.trailing_metadata or ())
        raise grpc.aio.AbortError


class _NoStream(AsyncIterator[bytes]):
    """No requests: that of a unary call comes by `read`."""

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration
