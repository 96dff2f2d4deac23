"""A server with the border in front, and what callers of it meet."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2

from gateway.api.coordinator.v1 import case_service_pb2 as case_api
from gateway.api.region.v1 import order_service_pb2 as order_api
from gateway.api.relay.v1 import relay_pb2
from gateway.errors import from_rpc_error, reason_name
from gateway.rpc.access import AccessRules
from gateway.rpc.interceptor import BorderInterceptor
from gateway.rpc.server import Server, Service
from gateway.security.identity import parse, server_name
from gateway.security.tls import client_credentials, client_options, server_credentials
from tests.contract.small_federation import CLOCK, FEDERATION, NOW, Certificates, border, serving

PATIENCE_S = 60.0
LONG = 600.0  # seconds: longer than any test
HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
CHECK, WATCH = f"/{HEALTH}/Check", f"/{HEALTH}/Watch"
NODE, COORDINATOR = "region/sichuan", "coordinator/1"
COUNTER, STRANGER = "region/sichuan/operator/counter", "region/guangdong/operator/counter"
ORDERS = order_api.DESCRIPTOR.services_by_name["OrderService"]
CASES = case_api.DESCRIPTOR.services_by_name["CaseService"]
RELAY = relay_pb2.DESCRIPTOR.services_by_name["RelayService"]
SUBMIT, SUBMIT_MANY = ORDERS.methods_by_name["SubmitOrder"], ORDERS.methods_by_name["SubmitOrders"]
WATCH_ORDERS = f"/{ORDERS.full_name}/WatchOrders"
TELL, DELIVER = CASES.methods_by_name["ReportCase"], RELAY.methods_by_name["Deliver"]
# Where a request has elements.
HOLDERS = (("order", "documents"), ("header", "items"), ("journey", "stamps"))
PIECE = 1024
# Who may call which method of whose server.
CALLS = [(NODE, COUNTER, SUBMIT), (NODE, COUNTER, SUBMIT_MANY), (COORDINATOR, NODE, TELL), (COORDINATOR, NODE, DELIVER)]


class Parser:
    """Services of the contract that answer everything with nothing, and note what they parse."""

    def __init__(self) -> None:
        self.parsed: list[Message] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    def service(self, descriptor: ServiceDescriptor) -> Service:
        handlers = {method.name: self._handler(method) for method in descriptor.methods}
        generic = grpc.method_handlers_generic_handler(descriptor.full_name, handlers)
        return Service(descriptor, lambda server: server.add_generic_rpc_handlers((generic,)))

    def _handler(self, method: MethodDescriptor) -> "grpc.RpcMethodHandler[Message, Message]":
        response = GetMessageClass(method.output_type)

        def parse_request(data: bytes) -> Message:
            message = GetMessageClass(method.input_type).FromString(data)
            self.parsed.append(message)
            return message

        async def answer(request: Message, context: object) -> Message:
            await self.may_answer.wait()
            return response()

        async def stream(requests: AsyncIterator[Message], context: object) -> AsyncIterator[Message]:
            if isinstance(requests, AsyncIterator):
                async for _ in requests:
                    yield response()

        if not method.server_streaming:
            return grpc.unary_unary_rpc_method_handler(answer, parse_request, response.SerializeToString)
        if method.client_streaming:
            return grpc.stream_stream_rpc_method_handler(stream, parse_request, response.SerializeToString)
        return grpc.unary_stream_rpc_method_handler(stream, parse_request, response.SerializeToString)


@asynccontextmanager
async def dialled(
    certificates: Certificates, server: str, caller: str, *services: Service
) -> AsyncIterator[grpc.aio.Channel]:
    """A channel of this caller to a server of this member."""
    region = parse(f"spiffe://{FEDERATION}/{server}", FEDERATION).region
    async with (
        serving(certificates, server, services, region) as endpoint,
        dial(certificates, server, caller, endpoint) as channel,
    ):
        yield channel


def dial(certificates: Certificates, server: str, caller: str, endpoint: str) -> grpc.aio.Channel:
    member = parse(f"spiffe://{FEDERATION}/{server}", FEDERATION)
    options = client_options(server_name(member.role, member.region, FEDERATION))
    credentials = client_credentials(certificates.credentials(caller), NOW)
    return grpc.aio.secure_channel(endpoint, credentials, options)


async def refused(
    channel: grpc.aio.Channel, method: MethodDescriptor, data: bytes, compression: grpc.Compression | None = None
) -> str:
    """The reason of a refused request, or its status without a reason; empty for an answered one.

    A handshake that takes too long on a busy machine is begun again.
    """
    path = f"/{method.containing_service.full_name}/{method.name}"
    try:
        if not method.server_streaming:
            unary: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
            await unary(data, timeout=PATIENCE_S, compression=compression, wait_for_ready=True)
        else:
            # Also a stream of requests, of which one looks the same on the wire: gRPC's client of such a stream takes a
            # write that failed since it was refused for the reason.
            stream: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(path)
            async for _ in stream(data, timeout=PATIENCE_S, compression=compression, wait_for_ready=True):
                pass
    except grpc.aio.AioRpcError as error:
        return why(error)
    return ""


def why(error: grpc.aio.AioRpcError) -> str:
    refusal = from_rpc_error(error)
    return error.code().name if refusal is None else reason_name(refusal.reason)


def silent(channel: grpc.aio.Channel, path: str) -> "grpc.aio.StreamStreamCall[bytes, bytes]":
    """A call that is opened, of which no request is ever sent."""
    opened: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(path)
    return opened(timeout=PATIENCE_S, wait_for_ready=True)


async def refused_silent(channel: grpc.aio.Channel, path: str) -> str:
    """Why such a call is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await silent(channel, path).read()
    return why(error.value)


async def asked(channel: grpc.aio.Channel) -> str:
    """The reason of a refused health check; empty for an answered one."""
    ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(CHECK)
    try:
        await ask(b"", timeout=PATIENCE_S, wait_for_ready=True)
    except grpc.aio.AioRpcError as error:
        return why(error)
    return ""


async def until(holds: Callable[[], bool]) -> None:
    """Returns once it holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - it waits for what the server does
            await asyncio.sleep(0.01)


async def until_answered(channel: grpc.aio.Channel) -> None:
    """Returns once the caller is served."""
    async with asyncio.timeout(PATIENCE_S):
        while await asked(channel):
            pass


@asynccontextmanager
async def health_of_a_node(
    certificates: Certificates, *callers: str, door: BorderInterceptor | None = None
) -> AsyncIterator[list[grpc.aio.Channel]]:
    """Channels of these callers to a node that has but the services of gRPC, and perhaps this door."""
    service = Parser().service(ORDERS)
    server = Server([service], door or border([service], "sichuan"), reflects=False)
    port = await server.start("127.0.0.1:0", server_credentials(certificates.credentials(NODE), CLOCK))
    channels = [dial(certificates, NODE, caller, f"127.0.0.1:{port}") for caller in callers]
    yield channels
    for channel in channels:
        await channel.close()
    await server.drain()


def elements(method: MethodDescriptor, count: int) -> bytes:
    """A request of the method with so many empty elements somewhere inside, two bytes each."""
    holder, field = next(each for each in HOLDERS if each[0] in method.input_type.fields_by_name)
    request = GetMessageClass(method.input_type)()
    getattr(getattr(request, holder), field).add()
    element = getattr(request, holder).SerializeToString()
    # What a message holds may come in pieces, which are put together: all of one length.
    getattr(request, holder).Clear()
    getattr(request, holder).MergeFromString(element * PIECE)
    whole = request.SerializeToString() * (count // PIECE)
    del getattr(request, holder).ListFields()[0][1][count % PIECE :]
    return whole + request.SerializeToString()


def largest_request(method: MethodDescriptor) -> int:
    """Bytes, as the server takes it from the contract."""
    service = method.containing_service
    return AccessRules([service], "").largest_request(f"/{service.full_name}/{method.name}")


def services() -> Iterator[ServiceDescriptor]:
    """The services of a node and of a coordinator."""
    for method in (SUBMIT, TELL, DELIVER):
        yield from method.containing_service.file.services_by_name.values()
