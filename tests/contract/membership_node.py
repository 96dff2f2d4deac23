"""A node as coordinators see it: the shipped client, and what it works on."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.api.federation.v1.revision_pb2 import Anchor
from gateway.federation.current import CurrentFederation
from gateway.federation.versions import OwnVersion
from gateway.process.running import stop_tasks
from gateway.relay.border import Border
from gateway.relay.lanes import Stop
from gateway.rpc.channels import Dialer
from gateway.security.authority import CertificateSet
from gateway.security.signing import AUDIT_HEAD, Signer, TrustedKeys
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteStore
from gateway.time.clock import Clock
from region_node.node.membership.client import FederationClient
from region_node.node.membership.node import MembershipPorts, Node
from tests.contract.small_federation import CLOCK, FEDERATION, Certificates
from tests.keys import region_keys

REGION = "sichuan"
ENDPOINT = "127.0.0.1:7443"
# Long enough for handshakes on a busy machine; reached only where a test fails.
PATIENCE_S = 60.0


class NodeUnderTest:
    """A client of the shipped kind, and what it works on."""

    def __init__(self, client: FederationClient, border: Border, store: SqliteStore) -> None:
        self.client = client
        self.border = border
        self.store = store

    @property
    def current(self) -> CurrentFederation:
        return self.border.current

    def trusts(self, region: str, signer: Signer) -> bool:
        return self.border.keys.verify(region, AUDIT_HEAD, b"word", signer.sign(AUDIT_HEAD, b"word"))


ORDERS_PER_MINUTE = 12
VERSION = OwnVersion(migrations_of("gateway"), "sqlite")


@asynccontextmanager
async def node(
    certificates: Certificates,
    data: Path,
    *coordinators: str,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    issued: CertificateSet | None = None,
    breakers: Mapping[str, Stop] = MappingProxyType({}),
    in_flight: Mapping[str, int] = MappingProxyType({}),
    anchor: Anchor | None = None,
    clock: Clock = CLOCK,
) -> AsyncIterator[NodeUnderTest]:
    """A node that has loaded its last good state and whose loops do not run yet.

    `breakers` are the destinations that it finds silent, `in_flight` the envelopes that nobody has answered.
    `issued` are its certificates where its region has joined before: of two of one time, the higher serial counts.
    """
    issued = issued or certificates.issue(f"region/{REGION}")
    assert issued.signing is not None
    signer = signer_of(issued)
    keys = TrustedKeys(certificates.authority.certificate_pem, FEDERATION)
    border = Border(REGION, signer, keys, CurrentFederation())
    store = SqliteStore(data / "node.sqlite", migrations_of("gateway"))
    dialer = Dialer(certificates.credentials(f"region/{REGION}"), CLOCK)
    ports = MembershipPorts(
        dialer,
        store,
        clock,
        random.Random(1),
        lambda: breakers,
        lambda: in_flight,
        lambda: ORDERS_PER_MINUTE,
        sleep,
        version=VERSION.found,
    )
    description = Node(FEDERATION, border, region_keys(REGION), issued.signing.certificate_pem, coordinators, anchor)
    client = FederationClient(description, data, ports)
    client.load()
    try:
        yield NodeUnderTest(client, border, store)
    finally:
        await client.close()
        await store.close()


@asynccontextmanager
async def running(*loops: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Runs loops until the block ends."""
    tasks = [asyncio.create_task(loop) for loop in loops]
    try:
        yield
    finally:
        await stop_tasks(tasks)


def signer_of(issued: CertificateSet) -> Signer:
    assert issued.signing is not None
    assert isinstance(issued.signing.key, Ed25519PrivateKey)
    return Signer(issued.signing.key)


async def eventually(holds: Callable[[], bool]) -> None:
    """Waits until it holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - what it waits for is in another task, or in a log
            await asyncio.sleep(0.005)


async def at_once(seconds: float) -> None:
    """A sleep that takes no time."""
    await asyncio.sleep(0)
