"""A node and a coordinator that are real processes, an honest caller of each, and another one who means harm."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from deploy.local.federation import COORDINATOR, FEDERATION, OPERATOR, LocalFederation
from gateway.api.types.v1.access_pb2 import Role
from gateway.security.authority import Authority
from gateway.security.identity import Identity, server_name
from tests.bench.chain import credentials_in
from tests.bench.neighbours import resident
from tests.bench.openloop import NEIGHBOUR
from tests.bench.orders import HOME
from tests.bench.report import percentile
from tests.bench.running import running
from tests.hostile.caller import PAUSE, Fate, HonestCaller, dial
from tests.hostile.frames import Connection

QUIET_CALLS = 100  # of the honest caller alone: what its calls beside an attack are compared with
KIB = 1024
# Bytes of a node: caches that fill, and pages that its allocator keeps, under any load.
KEPT = 48 * 1024 * KIB
OF_STREAM = 20 * KIB  # of an open one, or a call: gRPC, a task, and metadata, which have their limit
FLOODING, QUIET = "henan", "guangdong"
"""Regions of the configuration without a node: the one that attacks the coordinator, and the honest one."""


@dataclass
class Served:
    """The fate of an honest caller's calls, and of the server's memory, while another one attacks."""

    quiet: Fate
    """Of calls directly before the attack."""
    beside: Fate
    grown: int = 0
    """Bytes."""

    def __str__(self) -> str:
        return (
            f"{len(self.beside.waits)} honest calls, median {self.ratio(0.5):.1f} quiet ones,"
            f" p99 {self.ratio(0.99):.1f}, memory {self.grown / 2**20:+.1f} MiB"
        )

    def ratio(self, share: float) -> float:
        """A percentile beside the attack, as a multiple of the quiet one."""
        return percentile(self.beside.waits, share) / percentile(self.quiet.waits, share)


class Target:
    """A server under attack."""

    def __init__(
        self, federation: LocalFederation, kind: str, server: tuple[str, str, int], attacker: str, honest: str
    ) -> None:
        """`kind` is that of the honest calls, `server` its endpoint, name and process id."""
        self.endpoint, self.name, self.pid = server
        certificates = federation.directory / "certificates"
        self._attacker = credentials_in(certificates / attacker)
        log = federation.directory / "logs" / f"{honest}-calling.log"
        self._honest = HonestCaller(kind, *server[:2], certificates / honest, self.pid, log)
        self._honest.call(1)
        self.memory = resident(self.pid)
        """Bytes of the server that has served, before any attack."""

    def close(self) -> None:
        """Ends the honest caller."""
        self._honest.close()

    async def connect(self) -> Connection:
        """A connection of the attacker."""
        return await Connection.open(self.endpoint, self.name, self._attacker)

    def dial(self) -> grpc.aio.Channel:
        """A channel of the attacker."""
        return dial(self.endpoint, self.name, self._attacker)

    @asynccontextmanager
    async def honest(self, pause: float = PAUSE) -> AsyncIterator[Served]:
        """An honest caller calls for as long as the context lasts."""
        served = Served(await asyncio.to_thread(self._honest.call, QUIET_CALLS), Fate())
        assert served.quiet.failures == []
        before = resident(self.pid)
        self._honest.begin(pause)
        try:
            yield served
        finally:
            served.beside = await asyncio.to_thread(self._honest.end)
        served.grown = resident(self.pid) - before


@pytest.fixture(scope="session", name="federation")
def running_federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalFederation]:
    """The federation of all tests of this folder."""
    directory: Path = tmp_path_factory.mktemp("hostile")
    with running(directory, customers=1, regions=(HOME,), operators=(OPERATOR, NEIGHBOUR)) as federation:
        yield federation


@pytest.fixture(scope="session")
def target(federation: LocalFederation) -> Iterator[Target]:
    """The node."""
    name = server_name(Role.ROLE_REGION, HOME, FEDERATION)
    server = federation.endpoint(HOME), name, federation.nodes[HOME][0].process.pid
    found = Target(federation, "node", server, f"{HOME}-{OPERATOR}", f"{HOME}-{NEIGHBOUR}")
    yield found
    found.close()


@pytest.fixture(scope="session")
def coordinator(federation: LocalFederation) -> Iterator[Target]:
    """The coordinator."""
    authority = Authority.load(federation.directory / "authority")
    for region in (FLOODING, QUIET):
        federation.issue(authority, Identity(FEDERATION, Role.ROLE_REGION, region, ""), region)
    name = server_name(Role.ROLE_COORDINATOR, "", FEDERATION)
    server = federation.coordinator_endpoint, name, federation.processes[COORDINATOR].pid
    found = Target(federation, "coordinator", server, FLOODING, QUIET)
    yield found
    found.close()
