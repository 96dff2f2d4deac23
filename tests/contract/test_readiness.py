"""What a server says of its health: not before its process can serve business, and for good once it is to stop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckResponse
from opentelemetry.metrics import NoOpMeter

from deploy.local.postgresql import LocalPostgresql
from gateway.process.running import stop_tasks
from gateway.rpc.channels import health_of
from gateway.rpc.readiness import Readiness
from gateway.rpc.server import Server
from gateway.security.tls import server_credentials
from gateway.store import answering
from gateway.store.answering import StoreWatch
from gateway.store.fenced import FencedStore
from gateway.store.losses import Loss
from gateway.store.port import Operation, store_unavailable
from gateway.store.sqlite import SqliteStore
from tests.contract.border_scene import COUNTER, NODE, ORDERS, SUBMIT, Parser, dial, refused
from tests.contract.postgresql_scene import Database, opened
from tests.contract.small_federation import CLOCK, Certificates, border
from tests.contract.stores import NOTES, PATIENCE_S, SqliteAdapter, run
from tests.faults.background import Background
from tests.faults.proxy import FaultProxy

T = TypeVar("T")
OPEN = Loss(1, 5, "coordinator", 2, 3, 0, 10_003)
NOT_SERVING, SERVING = HealthCheckResponse.NOT_SERVING, HealthCheckResponse.SERVING


class Failing(SqliteStore):
    """A store that refuses writes at times, and at times leaves them without an answer."""

    refuses = is_silent = False

    def write(self, operation: Operation[T]) -> asyncio.Future[T]:
        """See the port."""
        if not self.refuses and not self.is_silent:
            return super().write(operation)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self.refuses:
            future.set_exception(store_unavailable())
        else:
            self.unanswered = future
        return future


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "LOOK_SECONDS", 0.01)


@pytest.fixture
def store_file(tmp_path: Path) -> Path:
    """A database with the schema of a note."""
    SqliteAdapter(tmp_path).migrate([NOTES])
    return tmp_path / "store.db"


@asynccontextmanager
async def serving(
    certificates: Certificates, readiness: Readiness, *, tells: bool = True
) -> AsyncIterator[tuple[Server, grpc.aio.Channel]]:
    """A node that shows this readiness, and its changes where it `tells` them, and the channel of a caller."""
    service = Parser().service(ORDERS)
    server = Server([service], border([service], "sichuan"), reflects=False)
    await readiness.show(server)
    port = await server.start("127.0.0.1:0", server_credentials(certificates.credentials(NODE), CLOCK))
    telling = [asyncio.create_task(readiness.run(server))] if tells else []
    async with dial(certificates, NODE, COUNTER, f"127.0.0.1:{port}") as channel:
        yield server, channel
    await stop_tasks(telling)
    await server.drain()


async def said(channel: grpc.aio.Channel, service: str = "") -> int:
    return (await health_of(channel, service, PATIENCE_S)).status


async def until_said(channel: grpc.aio.Channel, status: int) -> None:
    """Returns once the server and its service say so."""
    for service in ("", ORDERS.full_name):
        while await said(channel, service) != status:  # noqa: ASYNC110 - it is asked from outside
            await asyncio.sleep(0.01)


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - the watch looks by itself
        await asyncio.sleep(0.01)


def test_a_server_behind_a_closed_fence_says_so_from_its_first_answer_and_answers_calls_all_the_same(
    certificates: Certificates, store_file: Path
) -> None:
    async def scenario() -> None:
        store = SqliteStore(store_file, [NOTES])
        fence = FencedStore(store)
        fence.note(OPEN)
        readiness = Readiness(store, NoOpMeter("node"), lambda: fence.is_open)
        fence.on_change(readiness.look)
        async with serving(certificates, readiness, tells=False) as (_, channel):
            assert (await said(channel), await said(channel, ORDERS.full_name)) == (NOT_SERVING, NOT_SERVING)
        async with serving(certificates, readiness) as (_, channel):
            await until_said(channel, NOT_SERVING)
            assert await refused(channel, SUBMIT, b"") == "", "health keeps nobody away"
            fence.note(OPEN._replace(accept_time=6, actor="staff/zhao", reference="INC-2041"))
            fence.open()
            await until_said(channel, SERVING)
            fence.note(OPEN._replace(number=2))
            await until_said(channel, NOT_SERVING)
        await store.close()

    run(scenario())


def test_a_server_whose_store_refuses_does_not_serve_until_it_commits_again(
    certificates: Certificates, store_file: Path
) -> None:
    async def scenario() -> None:
        store = Failing(store_file, [NOTES])
        async with serving(certificates, Readiness(store, NoOpMeter("node"), lambda: True)) as (_, channel):
            assert await said(channel) == SERVING
            store.refuses = True
            await until_said(channel, NOT_SERVING)
            store.refuses = False
            await until_said(channel, SERVING)
        await store.close()

    run(scenario())


def test_a_server_whose_postgresql_answers_nothing_does_not_serve_until_it_does(
    certificates: Certificates,
    postgresql_server: LocalPostgresql,
    postgresql_database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answering, "PATIENCE", 0.2)
    database, background = Database(postgresql_server, postgresql_database), Background()
    database.migrate()
    proxy = FaultProxy(background, lambda: f"127.0.0.1:{postgresql_server.port}")

    async def scenario() -> None:
        async with opened(database.through(proxy)) as store:
            readiness = Readiness(store, NoOpMeter("node"), lambda: True)
            async with serving(certificates, readiness) as (_, channel):
                await until_said(channel, SERVING)  # a busy machine may miss it for a moment
                proxy.hold_answers()
                await until_said(channel, NOT_SERVING)
                proxy.heal()
                await until_said(channel, SERVING)

    try:
        run(scenario())
    finally:
        proxy.close()
        background.close()


def test_a_store_is_unanswered_since_the_first_commit_without_an_answer_began(
    store_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        store = Failing(store_file, [NOTES])
        watch, changes = StoreWatch(store), list[bool]()
        watch.on_change(lambda: changes.append(watch.answers))
        watching = asyncio.create_task(watch.run())
        assert watch.unanswered() == 0
        store.is_silent = True
        monkeypatch.setattr(answering, "PATIENCE", 0.0)
        began = asyncio.get_running_loop().time()
        await until(lambda: not watch.answers)
        store.is_silent, store.refuses = False, True
        monkeypatch.setattr(answering, "PATIENCE", PATIENCE_S)
        store.unanswered.set_exception(store_unavailable())
        looks = watch.unanswered()
        await until(lambda: watch.unanswered() > looks)
        assert watch.unanswered() <= asyncio.get_running_loop().time() - began
        store.refuses = False
        await until(lambda: watch.answers)
        assert changes == [False, True]
        assert watch.unanswered() == 0
        watching.cancel()
        await store.close()

    run(scenario())


def test_a_server_that_is_to_stop_says_so_for_good_and_serves_until_it_drains(
    certificates: Certificates, store_file: Path
) -> None:
    async def scenario() -> None:
        store = SqliteStore(store_file, [NOTES])
        async with serving(certificates, Readiness(store, NoOpMeter("node"), lambda: True)) as (server, channel):
            await server.withdraw()
            await until_said(channel, NOT_SERVING)
            await server.show(serves=True)
            assert await said(channel) == NOT_SERVING
            assert await refused(channel, SUBMIT, b"") == ""
        await store.close()

    run(scenario())
