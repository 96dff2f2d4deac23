"""A node that is a real process, an honest operator who calls it, and another one who means harm."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest

from deploy.local.federation import FEDERATION, OPERATOR, LocalFederation
from gateway.api.region.v1.catalogue_service_pb2 import SearchBusinessesRequest
from gateway.api.region.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.security.identity import server_name
from gateway.security.tls import Credentials, client_credentials, client_options
from tests.bench.chain import credentials_in
from tests.bench.neighbours import NEIGHBOUR, issue_neighbour, resident
from tests.bench.orders import HOME
from tests.bench.processor_time import processor_seconds
from tests.bench.report import percentile
from tests.bench.running import running
from tests.hostile.frames import Connection

CALL_SECONDS = 200.0  # reached only where a call is not served
PAUSE = 0.02  # seconds between two calls of the honest operator
QUIET_CALLS = 50  # of the honest operator alone: what its calls beside an attack are compared with


@dataclass
class Served:
    """The fate of an honest operator's calls, and of the node's memory, while another one attacks."""

    waits: list[float] = field(default_factory=list)
    """For each call, the processor time that the node took until its answer: seconds.

    Unlike the time that passed, it does not depend on what else the machine does.
    """
    failures: list[str] = field(default_factory=list)
    grown: int = 0
    """Bytes."""
    quiet: float = 0.0
    """The median of such calls directly before the attack."""

    def median(self) -> float:
        """Of the calls, in calls that nobody disturbs."""
        return percentile(self.waits, 0.5) / self.quiet

    def worst(self) -> float:
        """As `median`."""
        return max(self.waits) / self.quiet


class Target:
    """The node under attack."""

    def __init__(self, federation: LocalFederation) -> None:
        self.endpoint = federation.endpoint(HOME)
        self.name = server_name(Role.ROLE_REGION, HOME, FEDERATION)
        self.pid = federation.nodes[HOME][0].process.pid
        certificates = federation.directory / "certificates"
        self._attacker = credentials_in(certificates / f"{HOME}-{OPERATOR}")
        self._honest = credentials_in(certificates / f"{HOME}-{NEIGHBOUR}")
        self.memory = resident(self.pid)
        """Bytes of the node that has served, before any attack."""

    async def connect(self) -> Connection:
        """A connection of the attacker."""
        return await Connection.open(self.endpoint, self.name, self._attacker)

    def dial(self) -> grpc.aio.Channel:
        """A channel of the attacker."""
        return self._dial(self._attacker)

    def _dial(self, credentials: Credentials) -> grpc.aio.Channel:
        """As operator systems do; a member would give up a busy node sooner."""
        own = client_credentials(credentials, datetime.now(UTC))
        return grpc.aio.secure_channel(self.endpoint, own, client_options(self.name))

    async def _measure_quiet(self) -> float:
        """The median of calls of the honest operator that nobody disturbs."""
        served = Served()
        async with self._dial(self._honest) as channel:
            for _ in range(QUIET_CALLS):
                await self._call(CatalogueServiceStub(channel), served)
        assert served.failures == []
        return percentile(served.waits, 0.5)

    @asynccontextmanager
    async def honest(self) -> AsyncIterator[Served]:
        """An honest operator calls for as long as the context lasts."""
        served, before = Served(quiet=await self._measure_quiet()), resident(self.pid)
        async with self._dial(self._honest) as channel:
            service = CatalogueServiceStub(channel)
            # Until then the node may have the rest of an earlier attack to do.
            first = SearchBusinessesRequest(query="SUSPEND")
            await service.SearchBusinesses(first, timeout=CALL_SECONDS, wait_for_ready=True)
            is_over = asyncio.Event()
            calling = asyncio.create_task(self._call_on(service, served, is_over))
            try:
                yield served
            finally:
                is_over.set()
                await calling
        served.grown = resident(self.pid) - before

    async def _call_on(self, service: "CatalogueServiceStub", served: Served, is_over: asyncio.Event) -> None:
        while not is_over.is_set() or not served.waits:
            await self._call(service, served)
            await asyncio.sleep(PAUSE)

    async def _call(self, service: "CatalogueServiceStub", served: Served) -> None:
        """Makes one call and notes its fate."""
        before = processor_seconds([self.pid])
        try:
            await service.SearchBusinesses(SearchBusinessesRequest(query="SUSPEND"), timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            served.failures.append(f"{error.code().name}: {error.details()}")
        served.waits.append(processor_seconds([self.pid]) - before)


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The node, for all tests of this folder."""
    directory: Path = tmp_path_factory.mktemp("hostile")
    with running(directory, customers=1, regions=(HOME,)) as federation:
        issue_neighbour(federation)
        yield Target(federation)
