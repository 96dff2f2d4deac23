"""Real coordinators for tests, members that call them, and a region that receives what they forward."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from coordinator.app import start as start_coordinator
from coordinator.registry.etcd.settings import EtcdSettings
from coordinator.settings import CoordinatorSettings, EnrolmentSettings
from gateway.api.coordinator.v1.administration_pb2 import (
    ApplyConfigurationRequest,
    GetConfigurationRequest,
    ListRegionsRequest,
)
from gateway.api.coordinator.v1.administration_pb2_grpc import ConfigurationServiceStub, MembershipServiceStub
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import (
    AuditHead,
    JoinRequest,
    JoinResponse,
    Member,
    MemberState,
    WatchRequest,
    WatchResponse,
)
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.auditing import audit
from gateway.auditing.audit import AuditRow, Head
from gateway.errors import Refused, reason_name
from gateway.process.running import Running
from gateway.rpc import calls
from gateway.rpc.channels import Dialer, invoke
from gateway.security.authority import CertificateSet
from gateway.security.identity import server_name
from gateway.security.sealing_keys import published
from gateway.security.signing import AUDIT_HEAD, Signer
from gateway.store.sqlite import open_read_only
from gateway.time.clock import SteadyClock, to_timestamp
from tests.contract.small_federation import CLOCK, CONFIGURATION, FEDERATION, Certificates
from tests.keys import region_keys

# Long enough for handshakes on a busy machine; reached only where a test fails.
PATIENCE_S = 60.0
HEARTBEAT_S = 2.0  # at most, between two heartbeats of a process
SHORT_LEASE = 1.0  # seconds
# Of a call that is not answered for this time less the margin of a hop, which `unhurried` makes wide.
ANSWER_S = 3.0
ADMIN = "admin/root"
T = TypeVar("T")
Watching = grpc.aio.UnaryStreamCall[WatchRequest, WatchResponse]


def run(scenario: Awaitable[None]) -> None:
    """Runs a scenario, but not for ever."""

    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await scenario

    asyncio.run(bounded())


@contextmanager
def unhurried() -> Iterator[None]:
    """Meanwhile an answer has seconds to travel before its caller gives up: a busy machine takes them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calls, "HOP_MARGIN", ANSWER_S - 1.0)
        yield


async def refused(call: Awaitable[T]) -> str:
    """The reason for which a call is refused, as it travels."""
    with pytest.raises(Refused) as refusal:
        await call
    return reason_name(refusal.value.reason)


def settings(certificates: Certificates, data: Path, *, listen: str = "127.0.0.1:0") -> CoordinatorSettings:
    return CoordinatorSettings(
        FEDERATION, listen, data, certificates.credentials("coordinator/0"), allow_unsigned_configuration=True
    )


@dataclass(frozen=True)
class RegionKeys:
    """The signing keys of a region."""

    region: str
    issued: CertificateSet

    @property
    def signer(self) -> Signer:
        assert self.issued.signing is not None
        assert isinstance(self.issued.signing.key, Ed25519PrivateKey)
        return Signer(self.issued.signing.key)

    @property
    def certificate(self) -> bytes:
        assert self.issued.signing is not None
        return self.issued.signing.certificate_pem

    def audit_head(self, sequence: int, filler: bytes = b"a") -> AuditHead:
        head = Head(sequence, filler * 32)
        signature = self.signer.sign(AUDIT_HEAD, head.signed_bytes())
        return AuditHead(sequence=sequence, hash=head.hash, signature=signature)


def keys_of(certificates: Certificates, region: str) -> RegionKeys:
    return RegionKeys(region, certificates.issue(f"region/{region}"))


def join_request(keys: RegionKeys, endpoint: str = "127.0.0.1:7443") -> JoinRequest:
    return JoinRequest(
        endpoint=endpoint,
        signing_certificate=keys.certificate,
        federation_revision=1,
        node_time=to_timestamp(CLOCK.now()),
        sealing_key=published(region_keys(keys.region).set, keys.signer, CLOCK.now()),
    )


@dataclass
class Federation:
    """A coordinator that runs, and channels of members to it."""

    coordinator: Running
    certificates: Certificates
    data: Path
    closing: AsyncExitStack
    channels: dict[str, grpc.aio.Channel] = field(default_factory=dict)
    watches: list[Watching] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.coordinator.port}"

    def as_(self, path: str) -> grpc.aio.Channel:
        """The channel of the member with this path, for example `region/sichuan`."""
        if path not in self.channels:
            dialer = Dialer(self.certificates.credentials(path), CLOCK)
            channel = dialer.dial(self.endpoint, server_name(Role.ROLE_COORDINATOR, "", FEDERATION))
            self.channels[path] = channel
            self.closing.push_async_callback(channel.close)
        return self.channels[path]

    async def apply(self, configuration: Configuration = CONFIGURATION) -> int:
        """Puts a configuration in force and returns its revision."""
        stub = ConfigurationServiceStub(self.as_(ADMIN))
        before = await invoke(stub.GetConfiguration, GetConfigurationRequest(), PATIENCE_S)
        request = ApplyConfigurationRequest(configuration=configuration, expected_revision=before.federation_revision)
        return (await invoke(stub.ApplyConfiguration, request, PATIENCE_S)).federation_revision

    async def join(self, keys: RegionKeys, request: JoinRequest | None = None) -> JoinResponse:
        """Sends one heartbeat of the region."""
        stub = FederationServiceStub(self.as_(f"region/{keys.region}"))
        return await invoke(stub.Join, request or join_request(keys), PATIENCE_S)

    async def member(self, region: str) -> Member:
        """The state of a region in an administrator's response."""
        stub = MembershipServiceStub(self.as_(ADMIN))
        response = await invoke(stub.ListRegions, ListRegionsRequest(), PATIENCE_S)
        return next(each for each in response.members if each.region == region)

    def watch(self, region: str, revision: int = 0) -> Watching:
        """The federation state as the region is sent it."""
        stub = FederationServiceStub(self.as_(f"region/{region}"))
        return stub.Watch(WatchRequest(federation_revision=revision))

    def audit_rows(self) -> list[AuditRow]:
        """The coordinator's audit rows, after a check of the chain."""
        with open_read_only(self.data / "coordinator.db") as tx:
            rows = list(audit.rows(tx))
        audit.verify(rows)
        return rows


@asynccontextmanager
async def federation(
    certificates: Certificates,
    data: Path,
    *,
    lease: float = 600.0,
    clock: SteadyClock | None = None,
    number: int = 0,
    etcd: EtcdSettings | None = None,
    anchor: Path | None = None,
    enrolment: str = "",
) -> AsyncIterator[Federation]:
    """A coordinator with these data, stopped at the end as SIGTERM would; with `etcd` one of several.

    With an `anchor` it takes signed configurations alone. `enrolment` is the address of its port for joiners.
    """
    chosen = CoordinatorSettings(
        FEDERATION,
        "127.0.0.1:0",
        data,
        certificates.credentials(f"coordinator/{number}"),
        number=number,
        heartbeat_interval=min(HEARTBEAT_S, lease / 2),
        lease=lease,
        etcd=etcd,
        enrolment=EnrolmentSettings(enrolment) if enrolment else None,
        federation_anchor=anchor,
        allow_unsigned_configuration=anchor is None,
    )
    coordinator = await start_coordinator(chosen, clock)
    try:
        async with AsyncExitStack() as closing:
            yield Federation(coordinator, certificates, data, closing)
    finally:
        await coordinator.stop()


async def told(watching: Watching, region: str, state: MemberState.ValueType) -> WatchResponse:
    """Reads on until the region stands so."""
    while True:
        response = await next_of(watching)
        if any(member.region == region and member.state == state for member in response.members):
            return response


async def next_of(watching: Watching) -> WatchResponse:
    """The next message of a stream."""
    response = await watching.read()
    assert isinstance(response, WatchResponse), "the stream ended"
    return response


def stands(response: WatchResponse, region: str) -> Member:
    """How a region stands by a message."""
    return next(member for member in response.members if member.region == region)


async def eventually(holds: Callable[[], bool]) -> None:
    """Waits until it holds."""
    while not holds():  # noqa: ASYNC110 - what it waits for is in another task, or in another process
        await asyncio.sleep(0.005)


def denials(rows: Sequence[AuditRow]) -> list[tuple[str, str, str]]:
    """Each denied actor with the action and the reason."""
    return [(row.actor, row.subject.rpartition("/")[2], row.detail) for row in rows if row.action == "DENIED"]
