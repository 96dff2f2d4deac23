"""The border reads nothing of callers whom it turns away, and of others no more than a request may hold."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2

from gateway.api.coordinator.v1 import case_service_pb2 as case_api
from gateway.api.region.v1 import order_service_pb2 as order_api
from gateway.api.relay.v1 import relay_pb2
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import from_rpc_error, reason_name
from gateway.rpc.access import LARGEST_REQUEST, AccessRules
from gateway.rpc.element_counts import most_elements, require_few
from gateway.rpc.server import Server, Service
from gateway.rpc.shares import CALLS_OF_STRANGERS
from gateway.security.identity import parse, server_name
from gateway.security.tls import MAX_MESSAGE_BYTES, client_credentials, client_options, server_credentials
from tests.contract.small_federation import CLOCK, FEDERATION, NOW, Certificates, border, serving
from tests.federation.refusals import read

PATIENCE_S = 60.0
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
    """The reason of a refused request, or its status without a reason; empty for an answered one."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    try:
        if not method.server_streaming:
            unary: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
            await unary(data, timeout=PATIENCE_S, compression=compression)
        else:
            # Also a stream of requests, of which one looks the same on the wire: gRPC's client of such a stream takes a
            # write that failed since it was refused for the reason.
            stream: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(path)
            async for _ in stream(data, timeout=PATIENCE_S, compression=compression):
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
    return opened(timeout=PATIENCE_S)


async def refused_silent(channel: grpc.aio.Channel, path: str) -> str:
    """Why such a call is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await silent(channel, path).read()
    return why(error.value)


async def asked(channel: grpc.aio.Channel) -> str:
    """The reason of a refused health check; empty for an answered one."""
    ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(CHECK)
    try:
        await ask(b"", timeout=PATIENCE_S)
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
async def health_of_a_node(certificates: Certificates, *callers: str) -> AsyncIterator[list[grpc.aio.Channel]]:
    """Channels of these callers to a node that has but the services of gRPC."""
    service = Parser().service(ORDERS)
    server = Server([service], border([service], "sichuan"), reflects=False)
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


def test_a_request_of_whom_the_contract_does_not_name_is_never_parsed(certificates: Certificates) -> None:
    async def scenario() -> None:
        parser = Parser()
        for server in (NODE, COORDINATOR):
            served = [parser.service(each) for each in services()]
            async with dialled(certificates, server, STRANGER, *served) as channel:
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
                assert await refused(channel, method, elements(method, 7_000_000), compression) == "UNIMPLEMENTED"
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


def test_a_request_of_more_elements_than_its_bytes_are_for_is_refused_before_it_is_parsed(
    certificates: Certificates,
) -> None:
    async def scenario() -> None:
        for server, caller, method in CALLS:
            parser, most = Parser(), most_elements(largest_request(method))
            async with dialled(certificates, server, caller, parser.service(method.containing_service)) as channel:
                assert await refused(channel, method, elements(method, most + 1)) == "TOO_MANY_ELEMENTS"
                assert parser.parsed == []
                assert await refused(channel, method, elements(method, most)) == ""

    asyncio.run(scenario())


def fail(*_: object) -> None:
    raise RuntimeError("a defect")


def fail_together(data: bytes, *_: object) -> None:
    try:
        fail(data)
    except RuntimeError as error:
        raise ExceptionGroup("defects", [error]) from None


def bytes_in(frame: FrameType) -> list[bytes]:
    return [value for value in frame.f_locals.values() if isinstance(value, bytes)]


@pytest.mark.parametrize(
    ("check", "reason"), [(require_few, "TOO_MANY_ELEMENTS"), (fail, "INTERNAL"), (fail_together, "INTERNAL")]
)
def test_nothing_keeps_a_request_whose_call_has_ended_with_an_error(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, check: Callable[..., None], reason: str
) -> None:
    monkeypatch.setattr("gateway.rpc.request_streams.require_few", check)
    monkeypatch.setattr("gateway.rpc.incidents._log.disabled", True)  # pytest keeps what is logged

    def keepers(request: bytes) -> list[FrameType]:
        frames = [each for each in gc.get_objects() if isinstance(each, FrameType)]
        return [each for each in frames if any(value is not request and value == request for value in bytes_in(each))]

    async def scenario() -> None:
        for server, caller, method in CALLS:
            request = elements(method, most_elements(largest_request(method)) + 1)
            async with dialled(certificates, server, caller, Parser().service(method.containing_service)) as channel:
                assert await refused(channel, method, request) == reason
                assert keepers(request) == []

    gc.collect()
    gc.disable()  # it would end the circle of gRPC's end of a call
    try:
        asyncio.run(scenario())
    finally:
        gc.enable()


def test_a_caller_who_is_turned_away_is_told_so_before_anything_is_sent(certificates: Certificates) -> None:
    async def scenario() -> None:
        for server in (NODE, COORDINATOR):
            served = [Parser().service(each) for each in services()]
            async with dialled(certificates, server, STRANGER, *served) as channel:
                told = {
                    method.full_name: await refused_silent(channel, f"/{service.full_name}/{method.name}")
                    for service in services()
                    for method in service.methods
                }
            assert {name: reason for name, reason in told.items() if reason != "PERMISSION_DENIED"} == {}

    asyncio.run(scenario())


@pytest.mark.parametrize("size", [100, MAX_MESSAGE_BYTES])
def test_a_client_whose_request_is_not_read_is_told_why(certificates: Certificates, size: int) -> None:
    def why_synchronously(endpoint: str) -> str:
        options = client_options(server_name(Role.ROLE_REGION, "sichuan", FEDERATION))
        credentials = client_credentials(certificates.credentials(STRANGER), NOW)
        with grpc.secure_channel(endpoint, credentials, options) as channel:
            watch: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(WATCH_ORDERS)
            with pytest.raises(grpc.RpcError) as error:
                next(watch(bytes(size), timeout=PATIENCE_S))
        return str(error.value)

    async def scenario() -> None:
        async with serving(certificates, NODE, [Parser().service(ORDERS)], "sichuan") as endpoint:
            async with dial(certificates, NODE, STRANGER, endpoint) as channel:
                told = await refused(channel, ORDERS.methods_by_name["WatchOrders"], bytes(size))
            assert told == "PERMISSION_DENIED"
            assert "PERMISSION_DENIED" in await asyncio.to_thread(why_synchronously, endpoint)

    asyncio.run(scenario())


def test_a_call_whose_request_does_not_come_is_ended(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.rpc.request_streams.PATIENCE", 0)
    monkeypatch.setattr("gateway.rpc.request_streams.BYTES_PER_SECOND", 2**30)

    async def scenario() -> None:
        async with health_of_a_node(certificates, COUNTER) as (channel,):
            for path in (CHECK, WATCH, WATCH_ORDERS, f"/{ORDERS.full_name}/{SUBMIT.name}"):
                assert await refused_silent(channel, path) == "REQUEST_NOT_SENT", path

    asyncio.run(scenario())


def test_strangers_of_one_region_have_few_calls_and_take_nobody_else_s(certificates: Certificates) -> None:
    async def scenario() -> None:
        others = ("region/guangdong/staff/second", "region/hubei/operator/counter", COUNTER)
        async with health_of_a_node(certificates, STRANGER, *others) as (stranger, neighbour, *rest):
            watches: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = stranger.unary_stream(WATCH)
            opened = [watches(b"", timeout=PATIENCE_S) for _ in range(CALLS_OF_STRANGERS)]
            for watch in opened:
                await watch.read()
            assert await asked(stranger) == await asked(neighbour) == "CALLS_TOO_MANY"
            assert await refused_silent(stranger, WATCH) == "CALLS_TOO_MANY"
            assert [await asked(each) for each in rest] == ["", ""]
            for watch in opened:
                watch.cancel()
            await until_answered(stranger)

    asyncio.run(scenario())


@pytest.mark.parametrize("path", [WATCH, WATCH_ORDERS, f"/{ORDERS.full_name}/SubmitOrders"])
def test_silent_streams_of_one_caller_leave_the_places_of_others(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr("gateway.rpc.shares.CALLS", 2)

    async def scenario() -> None:
        async with health_of_a_node(certificates, COUNTER, "region/sichuan/operator/second") as (channel, other):
            streams = [silent(channel, path) for _ in range(3)]
            ends = [asyncio.ensure_future(stream.code()) for stream in streams]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            assert [end.result() for end in ends if end.done()] == [grpc.StatusCode.RESOURCE_EXHAUSTED]
            assert await asked(other) == ""
            for stream in streams:
                stream.cancel()
            await until_answered(channel)

    asyncio.run(scenario())


def test_calls_beyond_the_most_at_a_time_are_refused_and_told_when_to_come_again(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.rpc.shares.ALL_CALLS", 1)

    async def scenario() -> None:
        async with health_of_a_node(certificates, COUNTER) as (channel,):
            watches: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(WATCH)
            watch = watches(b"", timeout=PATIENCE_S)
            await watch.read()
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await watches(b"", timeout=PATIENCE_S).read()
            assert why(error.value) == await asked(channel) == "SERVER_CALLS_TOO_MANY"
            assert read(error.value).retry_seconds
            watch.cancel()
            await until_answered(channel)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("server", "method", "callers"),
    [
        (COORDINATOR, DELIVER, (NODE, "region/henan")),
        (NODE, SUBMIT, (COUNTER, "region/sichuan/operator/second")),
    ],
    ids=["regions at a coordinator", "operators at a node"],
)
def test_requests_under_way_take_a_share_of_the_bytes_and_those_beyond_it_are_never_parsed(
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
    server: str,
    method: MethodDescriptor,
    callers: tuple[str, str],
) -> None:
    data = elements(method, PIECE)
    monkeypatch.setattr("gateway.rpc.shares.BYTES", 3 * len(data))
    parser, region = Parser(), parse(f"spiffe://{FEDERATION}/{server}", FEDERATION).region
    parser.may_answer.clear()

    async def scenario() -> None:
        service = parser.service(method.containing_service)
        async with (
            serving(certificates, server, [service], region) as endpoint,
            dial(certificates, server, callers[0], endpoint) as greedy,
            dial(certificates, server, callers[1], endpoint) as other,
        ):
            calls = [asyncio.ensure_future(refused(greedy, method, data)) for _ in range(5)]
            await until(lambda: sum(each.done() for each in calls) == 2 and len(parser.parsed) == 3)
            assert {each.result() for each in calls if each.done()} == {"REQUEST_BYTES_TOO_MANY"}
            calls.append(asyncio.ensure_future(refused(other, method, data)))
            await until(lambda: len(parser.parsed) == 4)
            parser.may_answer.set()
            assert sorted(await asyncio.gather(*calls)) == 4 * [""] + 2 * ["REQUEST_BYTES_TOO_MANY"]
            assert len(parser.parsed) == 4
            assert await refused(greedy, method, data) == "", "what was answered takes no room"

    asyncio.run(scenario())


def test_calls_on_more_connections_than_a_caller_may_have_are_refused_until_others_end(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.rpc.shares.CONNECTIONS", 1)

    async def scenario() -> None:
        async with health_of_a_node(certificates, COUNTER, COUNTER, "region/sichuan/operator/second") as channels:
            first, second, other = channels
            watches: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = first.unary_stream(WATCH)
            watch = watches(b"", timeout=PATIENCE_S)
            await watch.read()
            assert await asked(second) == "CONNECTIONS_TOO_MANY"
            assert await asked(first) == await asked(other) == ""
            watch.cancel()
            await until_answered(second)

    asyncio.run(scenario())


def test_requests_beyond_the_rate_of_their_caller_wait_unparsed_while_others_are_served(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = elements(SUBMIT, PIECE)
    monkeypatch.setattr("gateway.rpc.shares.BYTES_AT_ONCE", len(data))
    monkeypatch.setattr("gateway.rpc.shares.BYTES_PER_SECOND", len(data) / (2 * PATIENCE_S))
    parser, stream_of = Parser(), f"/{ORDERS.full_name}/SubmitOrders"

    async def scenario() -> None:
        async with (
            serving(certificates, NODE, [parser.service(ORDERS)], "sichuan") as endpoint,
            dial(certificates, NODE, COUNTER, endpoint) as greedy,
            dial(certificates, NODE, "region/sichuan/operator/second", endpoint) as other,
        ):
            assert await refused(greedy, SUBMIT, data) == ""
            calls = [asyncio.ensure_future(refused(greedy, SUBMIT, data)) for _ in range(3)]
            stream = silent(greedy, stream_of)
            await stream.write(data)
            assert await refused(other, SUBMIT, data) == ""
            assert len(parser.parsed) == 2
            for each in calls:
                each.cancel()
            stream.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

    asyncio.run(scenario())


def test_a_stream_holds_the_bytes_of_the_message_that_is_being_served(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = elements(SUBMIT_MANY, PIECE)
    monkeypatch.setattr("gateway.rpc.shares.BYTES", len(data))

    async def scenario() -> None:
        async with dialled(certificates, NODE, COUNTER, Parser().service(ORDERS)) as channel:
            stream = silent(channel, f"/{ORDERS.full_name}/SubmitOrders")
            for _ in range(3):
                await stream.write(data)
                assert await stream.read() == b""
            await stream.done_writing()
            assert await stream.code() == grpc.StatusCode.OK

    asyncio.run(scenario())
