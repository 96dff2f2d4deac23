"""The border of a server: each incoming call passes here, and nowhere else.

The order of checks: an identity, a place among its calls, permission, a deadline. Then the request is read: in time,
within its size, parseable, plain. A refusal becomes a status with details. Data under a destroyed key is reported as
erased. Any other exception becomes INTERNAL with a number, and the log has the full traceback under that number.

gRPC treats every request here as a stream of bytes; a unary request looks the same on the wire. For a unary call gRPC
would read and parse the request before this code could check the caller.
"""

import asyncio
import inspect
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias, TypeVar, cast

import grpc
from google.protobuf.message import Message
from grpc_status import rpc_status
from opentelemetry.trace import SpanKind

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, status_code, to_status
from gateway.process.metrics import CallMetrics
from gateway.process.tracing import Tracing
from gateway.rpc.access import AccessRules
from gateway.rpc.calls import Call, enter
from gateway.rpc.request_streams import RequestReader, RequestStreams
from gateway.rpc.shares import Shares
from gateway.security.identity import Identity, from_auth_context
from gateway.store.vault import KeyDestroyed

_log = logging.getLogger(__name__)

Denied = Callable[[Identity, str, Refused], Awaitable[None]]
_Context = grpc.aio.ServicerContext[bytes, Message]
_Handler: TypeAlias = "grpc.RpcMethodHandler[bytes, Message]"
_Serve = Callable[[Message, _Context], Awaitable[Message]]
_Streams = Callable[[object, _Context], object]
_Requests = AsyncIterator[bytes]
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


class BorderInterceptor(grpc.aio.ServerInterceptor):
    """Wraps every method of a server."""

    def __init__(self, ports: BorderPorts) -> None:
        self._ports = ports
        self._wrapped: dict[str, _Handler] = {}
        self._requests = RequestStreams()
        self._shares = Shares()

    def drain(self) -> None:
        """Stops reading requests from streams; the ones already read are answered."""
        self._requests.close()

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
                wrapped = grpc.stream_unary_rpc_method_handler(self._unknown(method))
            else:
                wrapped = self._wrapped[method] = self._wrap(method, handler)
        return cast("grpc.RpcMethodHandler[_Request, _Response]", wrapped)

    def _wrap(self, method: str, handler: _Handler) -> _Handler:
        deserialize = cast("Callable[[bytes], Message]", handler.request_deserializer)
        reader = RequestReader(self._ports.access.largest_request(method), deserialize)
        if handler.unary_unary is not None:
            behave = self._unary(method, cast("_Serve", handler.unary_unary), reader)
            return grpc.stream_unary_rpc_method_handler(behave, None, handler.response_serializer)
        serve = handler.unary_stream or handler.stream_stream
        if serve is None:
            raise TypeError(f"{method} has a form that the border does not know")
        streaming = self._stream(method, cast("_Streams", serve), reader, is_alone=not handler.request_streaming)
        return grpc.stream_stream_rpc_method_handler(streaming, None, handler.response_serializer)

    def _unary(
        self, method: str, serve: _Serve, reader: RequestReader
    ) -> Callable[[_Requests, _Context], Awaitable[Message]]:
        async def behave(_: _Requests, context: _Context) -> Message:
            loop = asyncio.get_running_loop()
            started, status = loop.time(), "OK"
            with self._span(method, context):
                try:
                    async with self._admitted(method, context, streams=False):
                        return await serve(await reader.read_only(context.read()), context)
                except Refused as refused:
                    status = status_code(refused.reason).name
                    await _abort(context, refused)
                    raise
                except (grpc.aio.AbortError, grpc.aio.UsageError):
                    raise
                except Exception as error:
                    status = "INTERNAL"
                    await _abort(context, _incident(method, error))
                    raise
                finally:
                    self._ports.metrics.served(method, status, loop.time() - started)

        return behave

    def _stream(
        self, method: str, serve: _Streams, reader: RequestReader, *, is_alone: bool
    ) -> Callable[[_Requests, _Context], Awaitable[None]]:
        # The function writes by itself: a generator would stay open where a caller goes away during a write.
        async def behave(requests: _Requests, context: _Context) -> None:
            with self._span(method, context):
                try:
                    async with self._admitted(method, context, streams=True):
                        if is_alone:
                            request: object = await reader.read_only(context.read())
                        else:
                            request = self._requests.read(requests, reader)
                        if inspect.isasyncgenfunction(serve):
                            async with aclosing(
                                cast("AsyncGenerator[Message, None]", serve(request, context))
                            ) as responses:
                                async for response in responses:
                                    await context.write(response)
                        else:
                            await cast("Awaitable[None]", serve(request, context))
                except Refused as refused:
                    await _abort(context, refused)
                except (grpc.aio.AbortError, grpc.aio.UsageError):
                    raise
                except Exception as error:  # noqa: BLE001 - as for unary calls
                    await _abort(context, _incident(method, error))

        return behave

    @asynccontextmanager
    async def _admitted(self, method: str, context: _Context, *, streams: bool) -> AsyncGenerator[None]:
        """Admits a call, which holds its place until it is served.

        Raises Refused before any of the call is read. Writes an audit row where this border, or the service itself,
        turns an authenticated peer away.
        """
        identity = from_auth_context(context.auth_context(), self._ports.federation)
        access = self._ports.access
        with self._shares.held(identity, is_stranger=access.is_stranger(identity)):
            try:
                access.require_allowed(identity, method)
                remaining = cast("float | None", context.time_remaining())
                if remaining is None and not streams:
                    raise Refused(Reason.REASON_DEADLINE_MISSING)
                deadline = None if remaining is None else asyncio.get_running_loop().time() + remaining
                enter(Call(identity, method, deadline))
                yield
            except Refused as refused:
                if status_code(refused.reason) == grpc.StatusCode.PERMISSION_DENIED:
                    await self._ports.denied(identity, method, refused)
                raise
            except KeyDestroyed:
                raise Refused(Reason.REASON_CUSTOMER_ERASED) from None

    def _span(self, method: str, context: _Context) -> AbstractContextManager[object]:
        metadata = dict(context.invocation_metadata() or ())
        parent = metadata.get("traceparent", "")
        name = method.removeprefix("/")
        return self._ports.tracing.span(
            name,
            SpanKind.SERVER,
            parent=parent if isinstance(parent, str) else "",
            attributes={"rpc.system.name": "grpc", "rpc.method": name},
        )

    def _unknown(self, method: str) -> Callable[[_Requests, _Context], Awaitable[Message]]:
        async def behave(_: _Requests, context: _Context) -> Message:
            refused = Refused(Reason.REASON_METHOD_UNKNOWN, method=method)
            await _abort(context, refused)
            raise refused

        return behave


async def _abort(context: _Context, refused: Refused) -> None:
    await context.abort_with_status(rpc_status.to_status(to_status(refused)))


def _incident(method: str, error: Exception) -> Refused:
    incident = secrets.token_hex(6)
    _log.error("incident %s in %s", incident, method, exc_info=error)
    return Refused(Reason.REASON_INTERNAL, incident=incident)
