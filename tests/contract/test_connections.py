"""A connection that fills the memory of a server without a call is closed; those of callers are not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from gateway.api.region.v1.order_service_pb2 import SubmitOrderRequest, SubmitOrdersRequest
from gateway.api.types.v1.access_pb2 import Role
from gateway.rpc.connections import SETTLED, ConnectionWatch
from gateway.rpc.server import Server
from gateway.security.identity import server_name
from gateway.security.tls import server_credentials
from gateway.values.sizes import MIB
from tests.contract.border_scene import COUNTER, NODE, ORDERS, PATIENCE_S, Parser, dial
from tests.contract.small_federation import CLOCK, FEDERATION, Certificates, border
from tests.hostile.frames import CONTINUATION, Connection, call_headers, frame

SUBMIT, SUBMIT_MANY = f"/{ORDERS.full_name}/SubmitOrder", f"/{ORDERS.full_name}/SubmitOrders"
MORE = frame(CONTINUATION, 1, b"\x00\x01a\x7f\xe1\x5c" + b"b" * 12_000)  # a header of so many bytes
LONG = "a" * 30_000  # in a request


@dataclass
class Serving:
    """A node whose connections are watched."""

    certificates: Certificates
    watch: ConnectionWatch
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
        self.watch.look(self.port, self.now + later)

    async def flooded(self) -> Connection:
        """A connection of a caller, seen by the watch, that has sent much of metadata that do not end."""
        name = server_name(Role.ROLE_REGION, "sichuan", FEDERATION)
        flood = await Connection.open(self.endpoint, name, self.certificates.credentials(COUNTER))
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
    yield Serving(certificates, watch, port, host, asyncio.get_running_loop().time())
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
