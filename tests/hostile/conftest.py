"""A node and a coordinator that are real processes, an honest caller at each port, and another one who means harm."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from coordinator.enrolments.rates import JOINERS_PER_SECOND
from deploy.local.federation import COORDINATOR, FEDERATION, OPERATOR, PROVIDED, LocalFederation
from deploy.local.ports import HeldPort
from gateway.api.federation.v1.federation_pb2 import ChainHead, GetChainHeadsRequest
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.region.v1.order_service_pb2 import SubmitOrderRequest
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.types_pb2 import Document
from gateway.process.resident import resident_bytes
from gateway.rpc.shares import CALLS, CALLS_OF_JOINERS
from gateway.security.authority import Authority
from gateway.security.identity import Identity, server_name
from gateway.security.tls import JOINER_STREAMS, MAX_CONCURRENT_STREAMS
from tests.bench.chain import credentials_in
from tests.bench.openloop import NEIGHBOUR
from tests.bench.orders import HOME
from tests.bench.running import running
from tests.hostile.caller import ENROLMENT, PAUSE, HonestCaller, dial, dial_without_certificate
from tests.hostile.frames import Connection
from tests.hostile.served import KIB, Served, beside

SECONDS = 600  # that a test may take on a busy machine
RESTS = 0.2  # seconds between two honest calls beside a flood of calls
MORE_OFTEN = 20  # how many times as many calls a flood makes as the honest caller beside it
OF_STREAM = 20 * KIB  # of an open one, or a call: gRPC, a task, and metadata, which have their limit
LINES = 128  # of customers at the node
FLOODING, QUIET = "henan", "guangdong"
"""Regions of the configuration without a node: the one that attacks the coordinator, and the honest one."""
STRANGE = "127.0.0.2"  # the address of strangers, where the honest joiner has 127.0.0.1
OF_BOMB = 120_000  # elements


@dataclass(frozen=True)
class Port:
    """A port as its callers know it."""

    kind: str
    """That of the honest calls."""
    unary: str
    """The path of an RPC with one request."""
    stream: str
    """The path of an RPC that holds its call until requests come, of many where there is one."""
    bomb: bytes
    """A request of the unary one that the server has to refuse."""
    calls: int = CALLS
    """The most of a caller at a time."""
    streams: int = MAX_CONCURRENT_STREAMS
    """The most of a connection."""
    pause: float = PAUSE
    """The least seconds between two honest calls."""


NODE = Port(
    "node",
    "/gateway.api.region.v1.OrderService/SubmitOrder",
    "/gateway.api.region.v1.OrderService/SubmitOrders",
    SubmitOrderRequest(order=OrderRequest(documents=[Document()] * OF_BOMB)).SerializeToString(),
)
AT_COORDINATOR = Port(
    "coordinator",
    "/gateway.api.federation.v1.FederationService/GetChainHeads",
    "/gateway.api.federation.v1.FederationService/Watch",
    GetChainHeadsRequest(known=[ChainHead()] * OF_BOMB).SerializeToString(),
)
FOR_JOINERS = Port(
    ENROLMENT,
    "/gateway.api.coordinator.v1.JoiningService/Enrol",
    "/gateway.api.coordinator.v1.JoiningService/Enrol",
    bytes(20_000),
    CALLS_OF_JOINERS,
    JOINER_STREAMS,
    1 / JOINERS_PER_SECOND,
)


class Target:
    """A port under attack."""

    def __init__(
        self, federation: LocalFederation, port: Port, server: tuple[str, str, int], attacker: str, honest: str
    ) -> None:
        """`server` has its endpoint, name and process id."""
        self.port = port
        self.endpoint, self.name, self.pid = server
        self._stranger = STRANGE if port.kind == ENROLMENT else ""
        certificates = federation.directory / "certificates"
        self._attacker, self._neighbour = credentials_in(certificates / attacker), credentials_in(certificates / honest)
        log = federation.directory / "logs" / f"{honest}-calling-{port.kind}.log"
        self._honest = HonestCaller(port.kind, *server[:2], certificates / honest, self.pid, log)
        self._honest.call(1)
        self.memory = resident_bytes(self.pid)
        """Bytes of the server that has served, before any attack."""

    def close(self) -> None:
        """Ends the honest caller."""
        self._honest.close()

    async def connect(self) -> Connection:
        """A connection of the attacker."""
        return await Connection.open(self.endpoint, self.name, self._attacker, self._stranger)

    @asynccontextmanager
    async def dial(self) -> AsyncIterator[grpc.aio.Channel]:
        """A channel of the attacker."""
        if not self._stranger:
            async with dial(self.endpoint, self.name, self._attacker) as channel:
                yield channel
            return
        async with (
            from_address(self._stranger, self.endpoint) as endpoint,
            dial_without_certificate(endpoint, self.name, self._attacker) as channel,
        ):
            yield channel

    def dial_honest(self) -> grpc.aio.Channel:
        """A channel of the honest caller, beside its own."""
        return dial(self.endpoint, self.name, self._neighbour)

    def honest(self, pause: float = PAUSE) -> AbstractAsyncContextManager[Served]:
        """An honest caller calls while the attack of the context begins and is held, and before and after it."""
        return beside(self._honest, self.pid, max(pause, self.port.pause), self.port.pause)


@asynccontextmanager
async def from_address(address: str, endpoint: str) -> AsyncIterator[str]:
    """An endpoint whose connections go on to another one, from an address: a channel of gRPC chooses none itself."""
    host, _, port = endpoint.rpartition(":")

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(64 * KIB):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            beyond, onward = await asyncio.open_connection(host, int(port), local_addr=(address, 0))
            with closing(onward):
                await asyncio.gather(pump(reader, onward), pump(beyond, writer))

    forwarding: list[asyncio.Task[None]] = []
    accepting = await asyncio.start_server(
        lambda *ends: forwarding.append(asyncio.create_task(forward(*ends))), host, 0
    )
    async with accepting:
        yield f"{host}:{accepting.sockets[0].getsockname()[1]}"
    for each in forwarding:
        each.cancel()
    await asyncio.gather(*forwarding, return_exceptions=True)


@pytest.fixture(scope="session")
def joining() -> HeldPort:
    """The port for joiners."""
    return HeldPort()


@pytest.fixture(scope="session", name="federation")
def running_federation(tmp_path_factory: pytest.TempPathFactory, joining: HeldPort) -> Iterator[LocalFederation]:
    """The federation of all tests of this folder."""
    directory: Path = tmp_path_factory.mktemp("hostile")
    operators, web = (OPERATOR, NEIGHBOUR), {HOME: "open_apis", COORDINATOR: "console"}
    with running(
        directory, customers=LINES, regions=(HOME,), operators=operators, provided=PROVIDED, web=web
    ) as federation:
        with federation.settings_file(COORDINATOR).open("a", encoding="utf-8") as settings:
            settings.write(f'\n[enrolment]\nlisten = "127.0.0.1:{joining.number}"\n')
        process = federation.processes[COORDINATOR]
        process.tell_to_stop()
        process.wait_for_end()
        federation.start_coordinator()
        asyncio.run(federation.wait_joined([HOME]))
        yield federation


@pytest.fixture(scope="session")
def node(federation: LocalFederation) -> Iterator[Target]:
    """The node."""
    name = server_name(Role.ROLE_REGION, HOME, FEDERATION)
    server = federation.endpoint(HOME), name, federation.nodes[HOME][0].process.pid
    found = Target(federation, NODE, server, f"{HOME}-{OPERATOR}", f"{HOME}-{NEIGHBOUR}")
    yield found
    found.close()


@pytest.fixture(scope="session")
def regions(federation: LocalFederation) -> tuple[str, str]:
    """The names of certificates: that of the region that attacks, and that of the honest one."""
    authority = Authority.load(federation.directory / "authority")
    for region in (FLOODING, QUIET):
        federation.issue(authority, Identity(FEDERATION, Role.ROLE_REGION, region, ""), region)
    return FLOODING, QUIET


@pytest.fixture(scope="session")
def coordinator(federation: LocalFederation, regions: tuple[str, str]) -> Iterator[Target]:
    """The coordinator's port for members."""
    name = server_name(Role.ROLE_COORDINATOR, "", FEDERATION)
    server = federation.coordinator_endpoint, name, federation.processes[COORDINATOR].pid
    found = Target(federation, AT_COORDINATOR, server, *regions)
    yield found
    found.close()


@pytest.fixture(scope="session")
def enrolment(federation: LocalFederation, regions: tuple[str, str], joining: HeldPort) -> Iterator[Target]:
    """The coordinator's port for joiners, who have no certificate: of the regions they have the authority alone."""
    name = server_name(Role.ROLE_COORDINATOR, "", FEDERATION)
    server = f"127.0.0.1:{joining.number}", name, federation.processes[COORDINATOR].pid
    found = Target(federation, FOR_JOINERS, server, *regions)
    yield found
    found.close()
