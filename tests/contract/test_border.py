"""The border reads nothing of callers whom it turns away, and of others no more than a request may hold."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2

from gateway.access import LARGEST_REQUEST, AccessRules
from gateway.api.coordinator.v1 import case_service_pb2 as case_api
from gateway.api.region.v1 import order_service_pb2 as order_api
from gateway.api.relay.v1 import relay_pb2
from gateway.errors import from_rpc_error, reason_name
from gateway.identity import parse, server_name
from gateway.request_streams import BYTES_PER_ELEMENT
from gateway.server import Server, Service
from gateway.tls import client_credentials, client_options, server_credentials
from tests.contract.small_federation import CLOCK, FEDERATION, NOW, Certificates, border, serving

PATIENCE_S = 10.0
HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
NODE, COORDINATOR = "region/sichuan", "coordinator/1"
COUNTER = "region/sichuan/operator/counter"
ORDERS = order_api.DESCRIPTOR.services_by_name["OrderService"]
CASES = case_api.DESCRIPTOR.services_by_name["CaseService"]
RELAY = relay_pb2.DESCRIPTOR.services_by_name["RelayService"]
SUBMIT, SUBMIT_MANY = ORDERS.methods_by_name["SubmitOrder"], ORDERS.methods_by_name["SubmitOrders"]
TELL, DELIVER = CASES.methods_by_name["TellCase"], RELAY.methods_by_name["Deliver"]
# Where a request has elements.
HOLDERS = (("order", "documents"), ("header", "items"), ("journey", "stamps"))
PIECE = 1024
# Who may call which method of whose server.
CALLS = [(NODE, COUNTER, SUBMIT), (NODE, COUNTER, SUBMIT_MANY), (COORDINATOR, NODE, TELL), (COORDINATOR, NODE, DELIVER)]


class Parser:
    """Services of the contract that answer everything with nothing, and note what they parse."""

    def __init__(self) -> None:
        self.parsed: list[Message] = []

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


@pytest.fixture(name="certificates")
def certificates_of_a_federation(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


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
    """Why a request is refused: the reason, or the status where none is told; empty where it is answered."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    try:
        if not method.server_streaming:
            unary: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
            await unary(data, timeout=PATIENCE_S, compression=compression)
        elif method.client_streaming:
            both: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(path)
            async for _ in both(iter([data]), timeout=PATIENCE_S, compression=compression):
                pass
        else:
            stream: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(path)
            async for _ in stream(data, timeout=PATIENCE_S, compression=compression):
                pass
    except grpc.aio.AioRpcError as error:
        refusal = from_rpc_error(error)
        return error.code().name if refusal is None else reason_name(refusal.reason)
    return ""


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
    """Those of a node and of a coordinator."""
    for method in (SUBMIT, TELL, DELIVER):
        yield from method.containing_service.file.services_by_name.values()


def test_a_request_of_whom_the_contract_does_not_name_is_never_parsed(certificates: Certificates) -> None:
    async def scenario() -> None:
        parser = Parser()
        for server in (NODE, COORDINATOR):
            served = [parser.service(each) for each in services()]
            async with dialled(certificates, server, "region/guangdong/operator/counter", *served) as channel:
                told = {
                    f"{method.full_name} {len(data)}": await refused(channel, method, data)
                    for service in services()
                    for method in service.methods
                    for data in (b"", b"\0" * 1_000)
                }
            assert {name: reason for name, reason in told.items() if reason != "PERMISSION_DENIED"} == {}
        assert parser.parsed == []

    asyncio.run(scenario())


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_a_compressed_request_is_refused_whoever_sends_it(
    certificates: Certificates, compression: grpc.Compression
) -> None:
    async def scenario() -> None:
        parser = Parser()
        for server, caller, method in CALLS:
            async with dialled(certificates, server, caller, parser.service(method.containing_service)) as channel:
                told = await refused(channel, method, elements(method, 7_000_000), compression)
                # To a client that still sends on a stream gRPC says that its sending failed.
                assert told in ({"UNIMPLEMENTED"} if method is not SUBMIT_MANY else {"UNIMPLEMENTED", "INTERNAL"})
        assert parser.parsed == []

    asyncio.run(scenario())


def test_a_request_of_more_bytes_than_its_method_allows_is_refused_before_it_is_parsed(
    certificates: Certificates,
) -> None:
    async def scenario() -> None:
        for server, caller, method in CALLS:
            parser, service = Parser(), method.containing_service
            largest = largest_request(method)
            assert largest == (LARGEST_REQUEST if method is not DELIVER else 4 * 1024 * 1024)
            async with dialled(certificates, server, caller, parser.service(service)) as channel:
                assert await refused(channel, method, elements(method, largest)) == "MESSAGE_TOO_LARGE"
                assert parser.parsed == []

    asyncio.run(scenario())


def test_a_request_of_more_elements_than_its_bytes_are_for_is_refused(certificates: Certificates) -> None:
    async def scenario() -> None:
        for server, caller, method in CALLS:
            service = method.containing_service
            most = (
                AccessRules([service], "").largest_request(f"/{service.full_name}/{method.name}") // BYTES_PER_ELEMENT
            )
            async with dialled(certificates, server, caller, Parser().service(service)) as channel:
                assert await refused(channel, method, elements(method, most)) == ""
                assert await refused(channel, method, elements(method, most + 1)) == "TOO_MANY_ELEMENTS"

    asyncio.run(scenario())


def test_calls_beyond_the_most_at_a_time_are_refused(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.server.MOST_CALLS", 1)

    async def scenario() -> None:
        server = Server([], border([], "sichuan"), reflects=False)
        port = await server.start("127.0.0.1:0", server_credentials(certificates.credentials(NODE), CLOCK))
        async with dial(certificates, NODE, COUNTER, f"127.0.0.1:{port}") as channel:
            watches: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(f"/{HEALTH}/Watch")
            asks: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/{HEALTH}/Check")
            watch = watches(b"", timeout=PATIENCE_S)
            await watch.read()
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await asks(b"", timeout=PATIENCE_S)
            assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            watch.cancel()
        await server.drain()

    asyncio.run(scenario())
