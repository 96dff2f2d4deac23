"""Connections without a call end by themselves, and no call is lost with them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckResponse

from gateway.api.types.v1.access_pb2 import Role
from gateway.rpc.server import Server
from gateway.security.identity import server_name
from gateway.security.tls import (
    CONNECTION_IDLE_MS,
    ChannelOptions,
    client_options,
    command_options,
    member_options,
    server_credentials,
    server_options,
)
from tests.contract.border_scene import COUNTER, NODE, ORDERS, PATIENCE_S, WATCH, Parser, dial
from tests.contract.small_federation import CLOCK, FEDERATION, Certificates, border
from tests.hostile.frames import Connection

NAME = server_name(Role.ROLE_REGION, "sichuan", FEDERATION)
SOON_MS = 300


@asynccontextmanager
async def serving(certificates: Certificates, limit: str) -> AsyncIterator[tuple[Server, str]]:
    """A node at which connections end soon by one limit, and its endpoint."""
    service = Parser().service(ORDERS)
    server = Server([service], border([service], "sichuan"), reflects=False, options=[(limit, SOON_MS)])
    port = await server.start("127.0.0.1:0", server_credentials(certificates.credentials(NODE), CLOCK))
    try:
        yield server, f"127.0.0.1:{port}"
    finally:
        await server.drain()


async def idle(channel: grpc.aio.Channel) -> None:
    """Waits until the connection of a channel has ended."""
    async with asyncio.timeout(PATIENCE_S):
        while (state := channel.get_state()) == grpc.ChannelConnectivity.READY:
            await channel.wait_for_state_change(state)


def test_a_connection_without_a_call_ends_and_neither_a_watch_nor_the_next_call_of_a_channel_is_lost(
    tmp_path: Path,
) -> None:
    certificates = Certificates(tmp_path)

    async def scenario() -> None:
        async with (
            serving(certificates, "grpc.max_connection_idle_ms") as (server, endpoint),
            dial(certificates, NODE, COUNTER, endpoint) as watching,
            dial(certificates, NODE, "region/sichuan/operator/second", endpoint) as calling,
        ):
            watches: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = watching.unary_stream(WATCH)
            watch = watches(b"", timeout=PATIENCE_S)
            await watch.read()
            rpc: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = calling.unary_unary(
                f"/{ORDERS.full_name}/SubmitOrder"
            )
            for _ in range(3):
                await rpc(b"", timeout=PATIENCE_S)
                await idle(calling)
                connection = await Connection.open(endpoint, NAME, certificates.credentials(COUNTER))
                async with asyncio.timeout(PATIENCE_S):
                    await asyncio.wait([connection.ended])
            await server.show(serves=False)
            told = await watch.read()
            assert isinstance(told, bytes)
            assert HealthCheckResponse.FromString(told).status == HealthCheckResponse.NOT_SERVING
            watch.cancel()

    asyncio.run(scenario())


def test_a_connection_without_a_handshake_ends(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)

    async def scenario() -> None:
        async with serving(certificates, "grpc.server_handshake_timeout_ms") as (_, endpoint):
            host, _, port = endpoint.rpartition(":")
            silent, writer = await asyncio.open_connection(host, int(port))
            async with asyncio.timeout(PATIENCE_S):
                assert await silent.read() == b""
            writer.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("options", [client_options, member_options, command_options])
def test_a_channel_ends_an_idle_connection_before_its_server_does(options: Callable[[str], ChannelOptions]) -> None:
    client_idle = int(dict(options(NAME))["grpc.client_idle_timeout_ms"])
    assert dict(server_options())["grpc.max_connection_idle_ms"] == CONNECTION_IDLE_MS
    assert 2 * client_idle < CONNECTION_IDLE_MS, "each ends it between the time and twice the time"
