"""A connection that fills the memory of a server without a call is closed; those of callers are not."""

import asyncio
import itertools
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from gateway.api.region.v1.order_service_pb2 import SubmitOrderRequest, SubmitOrdersRequest
from gateway.api.types.v1.access_pb2 import Role
from gateway.rpc.access import LARGEST_REQUEST
from gateway.rpc.connections import SETTLED, ConnectionWatch
from gateway.rpc.interceptor import BorderInterceptor
from gateway.rpc.server import Server
from gateway.security.identity import server_name
from gateway.security.tls import server_credentials
from gateway.values.sizes import MIB
from tests.contract.border_scene import COUNTER, NODE, ORDERS, PATIENCE_S, Parser, dial
from tests.contract.small_federation import CLOCK, FEDERATION, Certificates, border
from tests.hostile.frames import CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, Connection, call_headers, frame

SUBMIT, SUBMIT_MANY = f"/{ORDERS.full_name}/SubmitOrder", f"/{ORDERS.full_name}/SubmitOrders"
MORE = frame(CONTINUATION, 1, b"\x00\x01a\x7f\xe1\x5c" + b"b" * 12_000)  # a header of so many bytes
LONG = "a" * 30_000  # in a request


@dataclass
class Serving:
    """A node whose connections are watched."""

    certificates: Certificates
    border: BorderInterceptor
    port: int
    host: str
    now: float

    @property
    def endpoint(self) -> str:
        return f"{self.host}:{self.port}"

    def dial(self) -> grpc.aio.Channel:
        return dial(self.certificates, NODE, COUNTER, self.endpoint)

    def look(self, later: float = 0.0) -> None:
        """The watch looks, or so many seconds later."""
        self.border.connections.look(self.port, self.border.callers, self.now + later)

    async def connect(self, caller: str = COUNTER) -> Connection:
        """A connection of a caller, without a call."""
        name = server_name(Role.ROLE_REGION, "sichuan", FEDERATION)
        return await Connection.open(self.endpoint, name, self.certificates.credentials(caller))

    async def flooded(self) -> Connection:
        """A connection of a caller, seen by the watch, that has sent much of metadata that do not end."""
        flood = await self.connect()
        await flood.begin_headers(1, call_headers(SUBMIT))
        self.look()
        await flood.send_all([MORE] * 10)
        return flood


@asynccontextmanager
async def serving(
    directory: Path, watch: ConnectionWatch, listen: str = "127.0.0.1", host: str = "127.0.0.1"
) -> AsyncIterator[Serving]:
    certificates, service = Certificates(directory), Parser().service(ORDERS)
    interceptor = border([service], "sichuan")
    interceptor.connections = watch
    server = Server([service], interceptor, reflects=False)
    port = await server.start(f"{listen}:0", server_credentials(certificates.credentials(NODE), CLOCK))
    yield Serving(certificates, interceptor, port, host, asyncio.get_running_loop().time())
    await server.drain()


@pytest.fixture(autouse=True)
def looks_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.rpc.connections.LOOK", 10 * PATIENCE_S)


def test_a_connection_whose_metadata_never_end_is_closed_and_named_and_another_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_back: list[None] = []
    monkeypatch.setattr("gateway.rpc.connections.give_back", lambda: given_back.append(None))

    async def scenario() -> None:
        async with serving(tmp_path, ConnectionWatch(growth=0, most=MIB)) as node, node.dial() as channel:
            streams: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(SUBMIT_MANY)
            stream = streams(timeout=PATIENCE_S)
            await stream.write(SubmitOrdersRequest().SerializeToString())
            await stream.read()
            flood = await node.flooded()
            async with asyncio.timeout(PATIENCE_S):
                while await flood.send(MORE):
                    node.look()
                    await asyncio.sleep(0)  # a send that need not wait lets nothing else happen
            await stream.write(SubmitOrdersRequest().SerializeToString())
            assert await stream.read() == b""
            await stream.done_writing()
            assert given_back == []
            for _ in range(2):
                node.look(SETTLED)
            assert len(given_back) == 1

    asyncio.run(scenario())
    (told,) = [each.getMessage() for each in caplog.records if each.name == "gateway.rpc.connections"]
    assert told.startswith("closes the connection of ipv4:127.0.0.1:")


async def open_streams(connection: Connection, count: int) -> dict[int, memoryview]:
    """Opens streams of requests; for each one a message of the largest size without its last byte."""
    part = memoryview(struct.pack(">BI", 0, LARGEST_REQUEST) + bytes(LARGEST_REQUEST - 1))
    streams = dict.fromkeys(itertools.islice(connection.streams, count), part)
    for stream in streams:
        await connection.send(frame(HEADERS, stream, call_headers(SUBMIT_MANY), END_HEADERS))
    return streams


@pytest.mark.parametrize("count", [1, 4], ids=["one connection", "several connections"])
def test_messages_that_never_end_close_the_connections_of_their_caller_whatever_else_is_served_on_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, count: int
) -> None:
    async def scenario() -> None:
        watch = ConnectionWatch(growth=0, most=MIB)
        async with serving(tmp_path, watch) as node, node.dial() as channel:
            other = await node.connect("region/sichuan/operator/second")
            others = await open_streams(other, 2)
            floods = [await node.connect() for _ in range(count)]
            unary: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(SUBMIT)
            node.look()

            async def swell(connection: Connection) -> None:
                left = await open_streams(connection, 8 // count)
                while any(left.values()) and not connection.ended.done():
                    left = {stream: await connection.send_within(stream, rest) for stream, rest in left.items()}
                    whole = next(connection.streams)
                    await connection.send(frame(HEADERS, whole, call_headers(SUBMIT), END_HEADERS))
                    await connection.send(frame(DATA, whole, bytes(5), END_STREAM))
                    await asyncio.sleep(0)

            async with asyncio.timeout(PATIENCE_S):
                while any(others.values()):
                    others = {stream: await other.send_within(stream, rest) for stream, rest in others.items()}
                    await asyncio.sleep(0)
                swelling = asyncio.gather(*map(swell, floods))
                while not any(each.ended.done() for each in floods):
                    await unary(SubmitOrderRequest().SerializeToString(), timeout=PATIENCE_S)
                    node.look()
                for each in floods:
                    await each.close()
                await swelling
            assert not other.ended.done()
            await unary(SubmitOrderRequest().SerializeToString(), timeout=PATIENCE_S)
            await other.close()

    asyncio.run(scenario())
    assert [each for each in caplog.records if "unfinished" in each.getMessage()]


def test_large_messages_in_any_number_of_calls_and_streams_at_a_time_leave_their_connection_open(
    tmp_path: Path,
) -> None:
    data = SubmitOrderRequest(request_id="a" * 200_000).SerializeToString()

    async def scenario() -> None:
        async with serving(tmp_path, ConnectionWatch(growth=0, most=4 * MIB)) as node, node.dial() as channel:
            unary: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(SUBMIT)
            streams: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(SUBMIT_MANY)

            async def import_many() -> None:
                stream = streams(timeout=PATIENCE_S)
                for _ in range(20):
                    await stream.write(data)
                    assert await stream.read() == b""
                await stream.done_writing()

            async def submit_many() -> None:
                for _ in range(20):
                    await unary(data, timeout=PATIENCE_S)

            node.look()
            calls = asyncio.gather(import_many(), import_many(), submit_many(), submit_many())
            while not calls.done():
                node.look()
                await asyncio.sleep(0)
            await calls

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("listen", "host"), [("127.0.0.1", "127.0.0.1"), ("[::1]", "[::1]"), ("[::]", "127.0.0.1"), ("[::]", "[::1]")]
)
def test_callers_send_as_much_as_they_like_in_calls_and_streams(tmp_path: Path, listen: str, host: str) -> None:
    async def scenario() -> None:
        watch = ConnectionWatch(growth=0, most=len(LONG) // 2)
        async with serving(tmp_path, watch, listen, host) as node, node.dial() as channel:
            unary: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(SUBMIT)
            streams: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(SUBMIT_MANY)
            stream = streams(timeout=PATIENCE_S)
            for _ in range(3):
                node.look()
                await unary(SubmitOrderRequest(request_id=LONG).SerializeToString(), timeout=PATIENCE_S)
                node.look()
                await stream.write(SubmitOrdersRequest(request_id=LONG).SerializeToString())
                assert await stream.read() == b""
            await stream.done_writing()

    asyncio.run(scenario())


def test_a_connection_is_left_alone_while_the_memory_does_not_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.rpc.connections.LARGE", 2**60)

    async def scenario() -> None:
        async with serving(tmp_path, ConnectionWatch(growth=2**60, most=0)) as node, node.dial() as channel:
            flood = await node.flooded()
            unary: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(SUBMIT)
            for _ in range(3):
                await unary(SubmitOrderRequest().SerializeToString(), timeout=PATIENCE_S)
                node.look()
            assert not flood.ended.done()
            await flood.close()

    asyncio.run(scenario())
