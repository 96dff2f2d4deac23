"""Clients that misuse HTTP at the HTTPS port of a real node and a real coordinator: honest requests are answered."""

import asyncio
import gzip
import itertools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, suppress

import pytest

from deploy.local.federation import COORDINATOR, FEDERATION, OPERATOR, LocalFederation
from gateway.api.types.v1.access_pb2 import Role
from gateway.rpc.request_streams import PATIENCE
from gateway.security.authority import Authority
from gateway.security.identity import Identity
from gateway.web.console.live import MOST_OF_A_PERSON
from gateway.web.json_bodies import LARGEST_BODY
from gateway.web.server import IDLE_SECONDS, MOST_OF_CALLER
from tests.bench.openloop import NEIGHBOUR
from tests.bench.orders import HOME
from tests.hostile.conftest import SECONDS
from tests.hostile.doors import ANSWER_SECONDS, Door
from tests.hostile.lines import Line, statuses
from tests.hostile.served import KEPT, Served, require_served

OFFERINGS = "/tmf-api/productCatalogManagement/v4/productOffering?limit=20"
ORDERS = "/tmf-api/productOrderingManagement/v4/productOrder"
SILENT, DRIPPING, UNREAD = 100, 50, 50  # connections
OTHER_FILES = 16  # that a server may open meanwhile
CONNECTIONS = 1_500
STREAMS = 1_000
PIPELINED = 50_000  # requests
RESETS = 300
ROUND = 64  # connections at a time
MIB = 1024 * 1024
ENDLESS = 64 * MIB  # sent by a client that is not stopped
HEADS = 64  # without an end, one after the other
LOOK = 0.05  # seconds
LINGERS = 10.0  # seconds in which a server still takes the rest of a body that it has refused

pytestmark = [pytest.mark.slow, pytest.mark.timeout(SECONDS)]


@pytest.fixture(scope="session", name="node_door")
def door_of_the_node(federation: LocalFederation) -> Iterator[Door]:
    """The Open APIs of the node."""
    replica, certificates = federation.nodes[HOME][0], federation.directory / "certificates"
    attacker, honest = certificates / f"{HOME}-{OPERATOR}", certificates / f"{HOME}-{NEIGHBOUR}"
    log = federation.directory / "logs" / "reading-node.log"
    with closing(Door(federation.web_port(replica), replica.process.pid, attacker, honest, OFFERINGS, log)) as door:
        yield door


@pytest.fixture(name="board")
def door_of_the_coordinator(federation: LocalFederation) -> Iterator[Door]:
    """The console of the coordinator, with the session of an administrator who attacks, and an honest monitor."""
    authority, port = (
        Authority.load(federation.directory / "authority"),
        federation.web_port(federation.coordinators[0]),
    )
    attacker = federation.issue(authority, Identity(FEDERATION, Role.ROLE_ADMIN, "", "busy"), "admin-busy")
    honest = federation.issue(authority, Identity(FEDERATION, Role.ROLE_MONITOR, "", "prometheus"), "monitor")
    log = federation.directory / "logs" / "reading-coordinator.log"
    with closing(Door(port, federation.processes[COORDINATOR].pid, attacker, honest, "/metrics", log)) as door:
        yield door


async def at_once(harm: Callable[[], Awaitable[None]], count: int) -> None:
    """Does harm so often, by a few at a time."""
    left = itertools.repeat(None, count)

    async def repeat() -> None:
        for _ in left:
            await harm()

    await asyncio.gather(*(repeat() for _ in range(ROUND)))


def posted(*headers: str) -> bytes:
    """The head of an order."""
    lines = [f"POST {ORDERS} HTTP/1.1", "Host: node", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


async def flooded(line: Line, part: bytes) -> int:
    """Sends a part over and over until the connection ends; the bytes that were taken."""
    sent = 0
    while sent < ENDLESS and await line.send(part):
        sent += len(part)
    return sent


async def until(door: Door, files: int) -> None:
    """Waits until the server has no more open files than these, and a few."""
    async with asyncio.timeout(ANSWER_SECONDS):
        while door.files > files + OTHER_FILES:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(LOOK)


def test_connections_without_a_whole_request_and_answers_that_nobody_reads_end_and_give_everything_back(
    node_door: Door,
) -> None:
    async def drip(line: Line) -> None:
        await line.send(b"GET /metrics HTTP/1.1\r\nHost: node\r\n")
        while await line.send(b"A: b\r\n"):
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):  # the slowness of this client
                    await line.rest()

    async def scenario() -> Served:
        files = node_door.files

        async def harm() -> None:
            silent = [await node_door.connect() for _ in range(SILENT)]
            dripping = [await node_door.connect() for _ in range(DRIPPING)]
            unread = [await node_door.connect() for _ in range(UNREAD)]
            for each in unread:
                each.pause()
                each.writer.write(node_door.get() * 1_000)
            async with asyncio.timeout(2 * IDLE_SECONDS + ANSWER_SECONDS):
                await asyncio.gather(*(each.rest() for each in silent), *map(drip, dripping))
                await until(node_door, files)
            for each in (*silent, *dripping, *unread):
                each.cut()

        return await node_door.beside(harm())

    require_served(asyncio.run(scenario()), 2 * KEPT)


def test_heads_that_stand_still_hold_little_each(node_door: Door) -> None:
    head = b"GET / HTTP/1.1\r\nHost: node\r\n" + b"A: %s\r\n" % (b"b" * 8_000) * 120

    async def harm() -> None:
        held = list[Line]()
        for _ in range(HEADS):
            held.append(await node_door.connect())
            await held[-1].send(head)
        for each in held:
            assert statuses(await each.rest()) == [400]
            each.cut()

    require_served(asyncio.run(node_door.beside(harm())), KEPT)


def test_connections_of_one_caller_beyond_its_number_are_closed(node_door: Door) -> None:
    async def scenario() -> Served:
        files, held = node_door.files, list[Line]()

        async def connect() -> None:
            with suppress(OSError):
                held.append(await node_door.connect())

        async def harm() -> None:
            await at_once(connect, CONNECTIONS)
            assert node_door.files <= files + MOST_OF_CALLER + ROUND + OTHER_FILES
            for each in held:
                each.cut()
            await until(node_door, files)

        return await node_door.beside(harm())

    require_served(asyncio.run(scenario()), 2 * KEPT)


@pytest.mark.parametrize(
    ("head", "part", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: node\r\n", b"A: b\r\n" * 10_000, 400),
        (b"GET / HTTP/1.1\r\nHost: node\r\nA: ", b"b" * MIB, 400),
        (b"GET /", b"a" * MIB, 400),
        (posted("Transfer-Encoding: chunked"), b"%X\r\n" % MIB + bytes(MIB) + b"\r\n", 413),
        (posted("Transfer-Encoding: chunked"), b"1\r\n{\r\n" * 10_000, 413),
        (posted("Transfer-Encoding: chunked") + b"1;", b"a" * MIB, 408),
        (posted("Transfer-Encoding: chunked") + b"1\r\n{\r\n0\r\n", b"A: b\r\n" * 10_000, 400),
        (posted(f"Content-Length: {2 * ENDLESS}"), b"{" * MIB, 413),
    ],
    ids=["headers", "header", "line", "chunks", "small chunks", "extension", "trailers", "body"],
)
def test_what_never_ends_is_refused_and_cut_off(node_door: Door, head: bytes, part: bytes, status: int) -> None:
    async def harm() -> None:
        line = await node_door.connect()
        told = asyncio.ensure_future(line.rest())
        await line.send(head)
        async with asyncio.timeout(PATIENCE + LINGERS + ANSWER_SECONDS):
            await flooded(line, part)
            assert statuses(await told) == [status]
        line.cut()

    require_served(asyncio.run(node_door.beside(harm())), KEPT)


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (b"GET / HTTP/1.1\r\nHost: node\r\n", b"A: b\r\n" * 10_000),
        (b"GET / HTTP/1.1\r\nHost: node\r\nA: ", b"b" * MIB),
        (b"GET /", b"a" * MIB),
        (b"GET / HTTP/1.1\r\nHost: node\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", b"\0" * MIB),
    ],
    ids=["headers", "header", "line", "upgrade"],
)
def test_what_never_ends_leaves_nothing_behind_however_often_it_comes(
    node_door: Door, head: bytes, part: bytes
) -> None:
    async def harm() -> None:
        for _ in range(HEADS):
            line = await node_door.connect()
            told = asyncio.ensure_future(line.rest())
            await line.send(head)
            async with asyncio.timeout(ANSWER_SECONDS):
                await flooded(line, part)
                assert statuses(await told)[-1:] == [400]
            line.cut()

    require_served(asyncio.run(node_door.beside(harm())), KEPT)


def test_a_body_that_comes_byte_by_byte_is_refused_and_cut_off(node_door: Door) -> None:
    async def harm() -> None:
        line = await node_door.connect()
        told = asyncio.ensure_future(line.rest())
        await line.send(posted("Content-Length: 100000"))
        async with asyncio.timeout(PATIENCE + LINGERS + ANSWER_SECONDS):
            while not told.done():
                await line.send(b"{")
                await asyncio.wait([told], timeout=0.2)  # the slowness of this client
            assert statuses(told.result()) == [408]
        line.cut()

    require_served(asyncio.run(node_door.beside(harm())), KEPT)


def test_a_compressed_body_is_refused_before_it_grows(node_door: Door) -> None:
    bomb = gzip.compress(bytes(ENDLESS))
    assert len(bomb) < LARGEST_BODY

    async def throw() -> None:
        head = posted("Content-Encoding: gzip", f"Content-Length: {len(bomb)}", "Connection: close")
        assert statuses(await node_door.told(head + bomb)) == [415]

    require_served(asyncio.run(node_door.beside(at_once(throw, 200))), KEPT)


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: node\r\n\r\n"
LENGTH = b"%d" % len(SMUGGLED)
HEAD = f"POST {ORDERS} HTTP/1.1\r\nHost: node\r\nContent-Type: application/json\r\n".encode()
CHUNKED = b"Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"Content-Length: " + LENGTH + b"\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + SMUGGLED,
        HEAD + CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED,
        HEAD + b"Content-Length: 0\r\nContent-Length: " + LENGTH + b"\r\n\r\n" + SMUGGLED,
        HEAD + b"Content-Length: +0\r\n\r\n" + SMUGGLED,
        HEAD + b"Content-Length: 0, " + LENGTH + b"\r\n\r\n" + SMUGGLED,
        HEAD + b"Content-Length : 0\r\n\r\n" + SMUGGLED,
        HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
        HEAD + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n" + SMUGGLED,
        HEAD + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        HEAD + CHUNKED + b"\r\n0x0\r\n\r\n" + SMUGGLED,
        HEAD + CHUNKED + b"\r\n-0\r\n\r\n" + SMUGGLED,
        HEAD + CHUNKED + b"\r\n0\n\n" + SMUGGLED,
        HEAD + CHUNKED + b"\r\n2;a\n{}\r\n0\r\n\r\n" + SMUGGLED,
        HEAD + CHUNKED + b"\r\n2\r\n{}{}\r\n0\r\n\r\n" + SMUGGLED,
        HEAD.replace(b"HTTP/1.1", b"HTTP/1.0") + CHUNKED + b"\r\n0\r\n\r\n" + SMUGGLED,
        HEAD.replace(b"\r\n", b"\n") + b"Content-Length: 0\n\n" + SMUGGLED,
        HEAD.replace(b"\r\n", b"\r") + b"Content-Length: 0\r\r" + SMUGGLED,
        HEAD + b"A: b\n c\r\nContent-Length: 0\r\n\r\n" + SMUGGLED,
        HEAD + b" folded: b\r\nContent-Length: 0\r\n\r\n" + SMUGGLED,
        HEAD + b"A: \x00b\r\nContent-Length: 0\r\n\r\n" + SMUGGLED,
        HEAD + b"A: b\rContent-Length: 9\r\nContent-Length: 0\r\n\r\n" + SMUGGLED,
        HEAD.replace(b"Host: node\r\n", b"Host: node\r\nHost: other\r\n") + b"Content-Length: 0\r\n\r\n" + SMUGGLED,
    ],
)
def test_a_request_with_two_readings_is_refused_with_its_connection(node_door: Door, data: bytes) -> None:
    async def harm() -> None:
        async with asyncio.timeout(ANSWER_SECONDS):
            assert statuses(await node_door.told(data)) == [400]

    require_served(asyncio.run(node_door.beside(harm())), KEPT)


def test_requests_that_come_all_at_once_are_answered_one_by_one_and_fill_no_memory(node_door: Door) -> None:
    async def harm() -> None:
        line = await node_door.connect()
        last = node_door.get("", "Connection: close")
        sending = asyncio.ensure_future(line.send(node_door.get("/nothing") * PIPELINED + last))
        answers = statuses(await line.rest())
        await sending
        line.cut()
        assert answers == [404] * PIPELINED + [200]

    require_served(asyncio.run(node_door.beside(harm())), KEPT)


def test_resets_amid_answers_leave_nothing_behind(node_door: Door) -> None:
    async def reset() -> None:
        line = await node_door.connect()
        await line.send(node_door.get() * 8)
        with suppress(OSError):
            await line.reader.read(1)
        line.reset()

    async def scenario() -> Served:
        files = node_door.files

        async def harm() -> None:
            await at_once(reset, RESETS)
            await until(node_door, files)

        return await node_door.beside(harm())

    require_served(asyncio.run(scenario()), KEPT)


def test_streams_of_events_that_nobody_reads_leave_others_theirs(board: Door) -> None:
    async def signed_in() -> str:
        origin = b"Origin: https://node\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        head = b"POST /console/sign-in HTTP/1.1\r\nHost: node\r\n" + origin
        told = await board.told(head + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
        (found,) = [each for each in told.split(b"\r\n") if each.lower().startswith(b"set-cookie: __host-crossregion=")]
        return found.partition(b": ")[2].partition(b";")[0].decode()

    async def scenario() -> Served:
        board.cookie, files, held, told = await signed_in(), board.files, list[Line](), list[int]()

        async def watch() -> None:
            with suppress(OSError, EOFError):
                held.append(line := await board.connect())
                await line.send(board.get("/console/board/events", "Accept: text/event-stream"))
                told.extend(statuses(await line.reader.readuntil(b"\r\n")))
                line.pause()

        async def harm() -> None:
            await at_once(watch, STREAMS)
            assert told.count(200) == MOST_OF_A_PERSON
            for each in held:
                each.cut()
            await until(board, files)

        return await board.beside(harm())

    require_served(asyncio.run(scenario()), KEPT)
