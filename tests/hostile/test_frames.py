"""Clients that misuse HTTP/2, at every port of gRPC: an honest caller beside them is served, and memory stays."""

import asyncio
import itertools
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import grpc
import pytest

from deploy.local.process import wait_until
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.order_service_pb2 import ListOrdersRequest
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.rpc.access import LARGEST_REQUEST
from gateway.rpc.admission import AMONG_OTHERS
from gateway.rpc.connections import MOST as MOST_WITHOUT_CALL
from gateway.security.tls import CONNECTION_IDLE_MS, MAX_CONCURRENT_STREAMS
from tests.bench.orders import requester
from tests.hostile.caller import CALL_SECONDS
from tests.hostile.conftest import OF_STREAM, SECONDS, Target
from tests.hostile.frames import (
    CANCEL,
    CONTINUATION,
    DATA,
    END_HEADERS,
    HEADERS,
    PING,
    RST_STREAM,
    SETTINGS,
    Connection,
    call_headers,
    frame,
)
from tests.hostile.served import KEPT, KIB, Served, require_served

STREAMS = 10_000
CONNECTIONS = 10
IDLE = 400  # connections
OTHER_FILES = 16  # that a server may open meanwhile: logs, the database, connections of others
ASKING = 100  # callers
BOMBS = 10  # at a time
# Statuses of a bomb: too large, compressed, or on a stream beyond those of its connection.
REFUSED = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNAVAILABLE)
INSISTING = 200  # callers beyond the places
RESETTING = 2  # connections
SWELLING = 4  # connections
HELD = 500  # rounds of all of them, after which a server without a bound has grown by much more
REPLACED = 2  # times that each of them was opened, after which the server has a bound
LONGEST = 15.0  # seconds of such a round, and of all of them before the honest calls
OF_RESET = 3  # calls that are open need as much as one that was reset and that Python has not taken
ROUND = 1_000  # of resets, and of the frames of other floods: one follows the other
# In quiet calls, for half of the honest ones: the calls that have begun at the door, and as many on their way to it.
MOST = 2.0 * AMONG_OTHERS
BOMB = 10.0  # quiet calls: counting its elements
# Quiet calls: all streams of the connections that reset them may have come before, and each takes less than half a
# call.
BEHIND = RESETTING * MAX_CONCURRENT_STREAMS / 2
OF_CONNECTION = 256 * KIB  # of an open one: TLS, and the windows of HTTP/2 in both directions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(SECONDS)]


@dataclass(frozen=True)
class Bound:
    """The most that an attack may cost, by the limits of the server."""

    connections: int = 1
    streams: int = 0
    requests: int = 0
    """Of the largest size, at a time."""
    swelling: int = 0
    """Connections without a call, whose bytes the server may keep until it closes them."""
    most: float = MOST

    @property
    def growth(self) -> int:
        """Bytes."""
        requests, swollen = self.requests * LARGEST_REQUEST, self.swelling * MOST_WITHOUT_CALL
        return KEPT + self.connections * OF_CONNECTION + self.streams * OF_STREAM + requests + swollen


def require_within(bound: Bound, served: Served, name: str) -> None:
    """Checks the honest caller and prints what the attack cost."""
    print(f"{name}: {served} of {bound.growth / 2**20:.0f}")
    require_served(served, bound.growth)
    assert served.occupied(0.5) < bound.most


def attack(
    target: Target,
    name: str,
    harm: Callable[[Connection], Awaitable[object]],
    bound: Bound,
    *,
    repeats: bool = True,
    act: Callable[[], Awaitable[object]] | None = None,
) -> None:
    """Lets the connections of a bound do harm at once, beside the honest caller: again and again, or once and hold it.

    A connection that the server has ended is replaced.
    """

    async def scenario() -> Served:
        async with target.honest() as served:
            opened = [await target.connect() for _ in range(bound.connections)]
            await asyncio.gather(*(harm(each) for each in opened))

            async def again(place: int) -> None:
                if opened[place].ended.done():
                    opened[place] = await target.connect()
                await harm(opened[place])

            await served.hold(*(partial(again, place) for place in range(len(opened)) if repeats), act=act)
            await asyncio.gather(*(each.close() for each in opened))
        return served

    require_within(bound, asyncio.run(scenario()), name)


def opened(stream: int, path: str) -> bytes:
    """The beginning of a call without a message."""
    return frame(HEADERS, stream, call_headers(path), END_HEADERS)


def odd(count: int) -> range:
    """The ids of so many streams of a client."""
    return range(1, 2 * count, 2)


@pytest.fixture(name="target", params=["node", "coordinator", "enrolment"])
def each_port(request: pytest.FixtureRequest) -> Target:
    """The ports, one after the other."""
    found: Target = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("connections", [1, CONNECTIONS])
def test_ten_thousand_streams_of_one_caller_leave_others_their_places(target: Target, connections: int) -> None:
    each = STREAMS // connections
    attack(
        target,
        f"10,000 streams of {connections} connections",
        lambda connection: connection.send_all([opened(stream, target.port.stream) for stream in odd(each)]),
        Bound(connections, connections * target.port.streams),
        repeats=False,
    )


def test_streams_that_are_reset_as_they_begin_cost_little(target: Target) -> None:
    attack(
        target,
        "rapid reset",
        lambda connection: connection.send_all(
            [
                opened(stream, target.port.stream) + frame(RST_STREAM, stream, CANCEL)
                for stream in itertools.islice(connection.streams, ROUND)
            ]
        ),
        Bound(RESETTING, OF_RESET * RESETTING * MAX_CONCURRENT_STREAMS, most=BEHIND),
    )


def test_requests_that_come_byte_by_byte_hold_nobody_up(target: Target) -> None:
    async def drip(connection: Connection) -> None:
        stream = next(connection.streams)
        await connection.send(opened(stream, target.port.unary))
        for byte in b"\0\0\0\1\0" + bytes(35):
            await connection.send(frame(DATA, stream, bytes([byte])))
            await asyncio.sleep(0.05)  # the slowness of this client

    attack(target, "slow frames", drip, Bound(connections=100, streams=100))


def test_metadata_without_end_leave_others_their_calls_and_the_server_its_memory(target: Target) -> None:
    begun, rounds, is_held = call_headers(target.port.stream), itertools.count(1), asyncio.Event()
    connections = itertools.count(1)
    more = frame(CONTINUATION, 1, b"\x00" + b"\x01a\x7f\x81\x5d" + b"b" * 12_000)

    async def swell(connection: Connection) -> None:
        if next(connection.streams) == 1:
            await connection.begin_headers(1, begun)
            if next(connections) == REPLACED * SWELLING:
                is_held.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST):  # a server that closes a connection may read no more of it
                await connection.send_all([more] * ROUND)
        if next(rounds) == HELD:
            is_held.set()

    async def hold() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST):
                await is_held.wait()

    attack(target, "metadata without end", swell, Bound(SWELLING, swelling=SWELLING), act=hold)


def test_floods_of_pings_and_settings_cost_little(target: Target) -> None:
    async def flood(connection: Connection) -> None:
        await connection.send_all([(frame(PING, 0, bytes(8)) + frame(SETTINGS, 0)) * 50] * (ROUND // 50))

    attack(target, "pings and settings", flood, Bound(connections=2))


def test_connections_that_do_nothing_leave_room_for_others(target: Target) -> None:
    async def scenario() -> Served:
        host, _, port = target.endpoint.rpartition(":")
        async with target.honest() as served:
            silent = [socket.create_connection((host, int(port))) for _ in range(IDLE // 2)]  # without a handshake
            idle = [await target.connect() for _ in range(IDLE // 2)]
            await served.hold()
            for each in silent:
                each.close()
            await asyncio.gather(*(each.close() for each in idle))
        return served

    require_within(Bound(connections=IDLE), asyncio.run(scenario()), "idle connections")


def test_connections_without_a_call_end_by_themselves_and_give_back_their_files_and_memory(target: Target) -> None:
    def files() -> int:
        return len(os.listdir(f"/proc/{target.pid}/fd"))

    async def scenario() -> Served:
        host, _, port = target.endpoint.rpartition(":")
        before = files()
        async with target.honest() as served:
            silent = [await asyncio.open_connection(host, int(port)) for _ in range(IDLE // 2)]
            idle = [await target.connect() for _ in range(IDLE)]
            # The server ends them: each of the attacker answers its pings, and none is closed here before.
            ends = [*(each.ended for each in idle), *(asyncio.ensure_future(reader.read()) for reader, _ in silent)]
            async with asyncio.timeout(2 * CONNECTION_IDLE_MS / 1_000 + CALL_SECONDS):
                await served.hold(act=lambda: asyncio.wait(ends))
            are_closed = partial(wait_until, lambda: files() <= before + OTHER_FILES)
            await asyncio.to_thread(are_closed, CALL_SECONDS, "the server has closed their files")
            for _, writer in silent:
                writer.close()
        return served

    require_within(Bound(connections=IDLE + IDLE // 2), asyncio.run(scenario()), "connections that end idle")


@pytest.mark.parametrize("compression", [None, grpc.Compression.Gzip], ids=["elements", "compressed"])
def test_requests_that_would_become_large_are_refused_and_leave_no_memory_behind(
    target: Target, compression: grpc.Compression | None
) -> None:
    async def scenario() -> Served:
        async with target.honest() as served, target.dial() as channel:
            rpc: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(target.port.unary)

            async def throw() -> None:
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await rpc(target.port.bomb, timeout=CALL_SECONDS, compression=compression, wait_for_ready=True)
                assert refused.value.code() in REFUSED

            await served.hold(*[throw] * BOMBS)
        return served

    bound = Bound(requests=BOMBS, most=MOST * BOMB)
    require_within(bound, asyncio.run(scenario()), f"bombs, {compression}")


def test_filters_that_find_nothing_hold_nobody_up(node: Target) -> None:
    async def scenario() -> Served:
        async with node.honest() as served, node.dial() as channel:
            service = OrderServiceStub(channel)
            states = [each for each in OrderState.values() if each]

            async def ask() -> None:
                for state in states:
                    asked = ListOrdersRequest(states=[state], page_size=500, requester=requester())
                    try:
                        await service.ListOrders(asked, timeout=CALL_SECONDS, wait_for_ready=True)
                    except grpc.aio.AioRpcError as error:
                        if error.code() != grpc.StatusCode.RESOURCE_EXHAUSTED:  # as a node says that has too much to do
                            raise

            await served.hold(*[ask] * ASKING)
        return served

    require_within(Bound(streams=ASKING), asyncio.run(scenario()), "filters")


def test_a_flood_of_calls_beyond_the_places_of_a_caller_costs_little(target: Target) -> None:
    port = target.port

    async def scenario() -> Served:
        async with target.honest() as served:
            holders = [await target.connect() for _ in range(2)]
            for each in holders:
                await each.send_all([opened(stream, port.stream) for stream in odd(port.calls // 2)])
            async with target.dial() as channel:
                rpc: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(port.unary)

                async def insist() -> None:
                    with suppress(grpc.aio.AioRpcError):
                        await rpc(b"", timeout=CALL_SECONDS)

                await served.hold(*[insist] * INSISTING)
            await asyncio.gather(*(each.close() for each in holders))
        return served

    bound = Bound(connections=3, streams=port.calls + INSISTING)
    require_within(bound, asyncio.run(scenario()), "calls beyond the places")
