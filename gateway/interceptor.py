"""The border of a server: every call passes here, and nowhere else, on its way in.

In this order: readable and of a fair size, a deadline, an identity, allowed. Refusals become a status with details;
what was sealed under a key that was destroyed is told as erased; whatever else a service raises becomes INTERNAL with a
number under which the log has the whole story.
"""

import asyncio
import inspect
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass
from typing import TypeAlias, TypeVar, cast

import grpc
from google.protobuf.message import DecodeError, Message
from grpc_status import rpc_status
from opentelemetry.trace import SpanKind

from gateway.access import AccessRules
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.calls import Call, enter
from gateway.errors import Refused, status_code, to_status
from gateway.identity import Identity, from_auth_context
from gateway.metrics import CallMetrics
from gateway.request_streams import REQUEST_LIMIT, RequestStreams, Unreadable, require_fair
from gateway.times import ZONES_HEADER
from gateway.tls import MAX_MESSAGE_BYTES
from gateway.tracing import Tracing
from gateway.vault import KeyDestroyed

_log = logging.getLogger(__name__)

Denied = Callable[[Identity, str, Refused], Awaitable[None]]
_Context = grpc.aio.ServicerContext[Message, Message]
_Handler: TypeAlias = "grpc.RpcMethodHandler[Message, Message]"
_Serve = Callable[[Message, _Context], Awaitable[Message]]
_Streams = Callable[[object, _Context], object]
_Request = TypeVar("_Request")
_ASKING = frozenset({Role.ROLE_OPERATOR, Role.ROLE_STAFF, Role.ROLE_ADMIN})
_Response = TypeVar("_Response")


@dataclass(frozen=True)
class BorderPorts:
    """What the border needs. `denied` keeps an audit row of an authenticated peer that was turned away.

    `zones` is what callers that are no members are told of time zones (`times.zones_header`); empty tells nothing.
    """

    federation: str
    access: AccessRules
    tracing: Tracing
    metrics: CallMetrics
    denied: Denied
    zones: Callable[[], str] = str


class BorderInterceptor(grpc.aio.ServerInterceptor):
    """Wraps every method of a server."""

    def __init__(self, ports: BorderPorts) -> None:
        self._ports = ports
        self._wrapped: dict[str, _Handler] = {}
        self._requests = RequestStreams()

    def drain(self) -> None:
        """Reads no more requests from streams; those that were read are answered."""
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
                wrapped = grpc.unary_unary_rpc_method_handler(self._unknown(method))
            else:
                wrapped = self._wrapped[method] = self._wrap(method, handler)
        return cast("grpc.RpcMethodHandler[_Request, _Response]", wrapped)

    def _wrap(self, method: str, handler: _Handler) -> _Handler:
        deserialize = _reading(handler.request_deserializer)
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                self._unary(method, cast("_Serve", handler.unary_unary)),
                deserialize,
                handler.response_serializer,
            )
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(
                self._stream(method, cast("_Streams", handler.unary_stream)),
                deserialize,
                handler.response_serializer,
            )
        if handler.stream_stream is not None:
            return grpc.stream_stream_rpc_method_handler(
                self._stream(method, cast("_Streams", handler.stream_stream)),
                deserialize,
                handler.response_serializer,
            )
        raise TypeError(f"{method} has a form that the border does not know")

    def _unary(self, method: str, serve: _Serve) -> _Serve:
        async def behave(request: Message, context: _Context) -> Message:
            loop = asyncio.get_running_loop()
            started, status = loop.time(), "OK"
            with self._span(method, context):
                try:
                    try:
                        await self._admit(method, request, context, streams=False)
                        return await serve(request, context)
                    except Refused as refused:
                        await self._note_denial(method, refused, context)
                        raise
                    except KeyDestroyed:
                        raise Refused(Reason.REASON_CUSTOMER_ERASED) from None
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

    def _stream(self, method: str, serve: _Streams) -> Callable[[object, _Context], Awaitable[None]]:
        # It writes by itself: a generator would be left behind, open, where a caller goes away during a write.
        async def behave(request: object, context: _Context) -> None:
            with self._span(method, context):
                try:
                    try:
                        await self._admit(method, request, context, streams=True)
                        if isinstance(request, AsyncIterator):
                            request = self._requests.checked(request)
                        if inspect.isasyncgenfunction(serve):
                            async with aclosing(
                                cast("AsyncGenerator[Message, None]", serve(request, context))
                            ) as responses:
                                async for response in responses:
                                    await context.write(response)
                        else:
                            await cast("Awaitable[None]", serve(request, context))
                    except Refused as refused:
                        await self._note_denial(method, refused, context)
                        raise
                    except KeyDestroyed:
                        raise Refused(Reason.REASON_CUSTOMER_ERASED) from None
                except Refused as refused:
                    await _abort(context, refused)
                except (grpc.aio.AbortError, grpc.aio.UsageError):
                    raise
                except Exception as error:  # noqa: BLE001 - as for unary calls
                    await _abort(context, _incident(method, error))

        return behave

    async def _admit(self, method: str, request: object, context: _Context, *, streams: bool) -> None:
        """Raises Refused unless the call may go on; then makes it the current one."""
        identity = from_auth_context(context.auth_context(), self._ports.federation)
        self._ports.access.require_allowed(identity, method)
        # An administrator brings the whole configuration, with half a million prefixes.
        is_whole = identity.role == Role.ROLE_ADMIN
        require_fair(request, MAX_MESSAGE_BYTES if is_whole else REQUEST_LIMIT)
        remaining = cast("float | None", context.time_remaining())
        if remaining is None and not streams:
            raise Refused(Reason.REASON_DEADLINE_MISSING)
        deadline = None if remaining is None else asyncio.get_running_loop().time() + remaining
        enter(Call(identity, method, deadline))
        if not streams and identity.role in _ASKING and (zones := self._ports.zones()):
            context.set_trailing_metadata(((ZONES_HEADER, zones),))

    async def _note_denial(self, method: str, refused: Refused, context: _Context) -> None:
        """Keeps an audit row where an authenticated peer was turned away, here or by the service itself."""
        if status_code(refused.reason) == grpc.StatusCode.PERMISSION_DENIED:
            identity = from_auth_context(context.auth_context(), self._ports.federation)
            await self._ports.denied(identity, method, refused)

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

    def _unknown(self, method: str) -> Callable[[bytes, _Context], Awaitable[Message]]:
        async def behave(request: bytes, context: _Context) -> Message:
            refused = Refused(Reason.REASON_METHOD_UNKNOWN, method=method)
            await _abort(context, refused)
            raise refused

        return behave


def _reading(deserialize: Callable[[bytes], Message] | None) -> Callable[[bytes], Message]:
    """A deserializer that hands unreadable bytes on, so that they are refused like everything else."""

    def read(data: bytes) -> Message:
        assert deserialize is not None
        try:
            return deserialize(data)
        except DecodeError:
            return cast("Message", Unreadable())

    return read


async def _abort(context: _Context, refused: Refused) -> None:
    await context.abort_with_status(rpc_status.to_status(to_status(refused)))


def _incident(method: str, error: Exception) -> Refused:
    incident = secrets.token_hex(6)
    _log.error("incident %s in %s", incident, method, exc_info=error)
    return Refused(Reason.REASON_INTERNAL, incident=incident)
