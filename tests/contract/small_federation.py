"""A federation for tests at its border: certificates, and a coordinator with the knowledge that a test gives it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
from opentelemetry.trace import NoOpTracer

from gateway.api.federation.v1 import federation_pb2
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import (
    ChainHead,
    GetAuditHeadRequest,
    GetAuditHeadResponse,
    GetChainHeadsRequest,
    GetChainHeadsResponse,
    JoinRequest,
    JoinResponse,
    Member,
    NumberAssignmentMark,
    WatchRequest,
    WatchResponse,
)
from gateway.api.federation.v1.federation_pb2_grpc import (
    FederationServiceServicer,
    add_FederationServiceServicer_to_server,
)
from gateway.errors import Refused
from gateway.process.metrics import CallMetrics, UnrecordedCalls
from gateway.process.tracing import Tracing
from gateway.rpc.access import AccessRules
from gateway.rpc.interceptor import BorderInterceptor, BorderPorts
from gateway.rpc.server import Service
from gateway.security.authority import Authority, CertificateSet
from gateway.security.identity import Identity, parse
from gateway.security.tls import Credentials, server_credentials, server_options
from gateway.time.clock import SystemClock, to_timestamp
from tests.shipped import shipped_configuration

CONFIGURATION = shipped_configuration()
FEDERATION = CONFIGURATION.federation
NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
LIFE = timedelta(days=2)
"""Of certificates from `NOW` on: a run of all tests ends before they do."""
CLOCK = SystemClock()
SERVICE = federation_pb2.DESCRIPTOR.services_by_name["FederationService"]
NOTHING_LISTENS = "127.0.0.1:1"


class Certificates:
    """The authority of the federation, and where each member's files lie."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.authority = new_authority()

    def issue(self, path: str, by: Authority | None = None) -> CertificateSet:
        identity = parse(f"spiffe://{FEDERATION}/{path}", FEDERATION)
        return (by or self.authority).issue(identity, NOW - HOUR, NOW + LIFE)

    def credentials(self, path: str) -> Credentials:
        directory = self._root / path.replace("/", "_")
        self.issue(path).write(directory)
        return Credentials(directory / "authority.crt", directory / "tls.crt", directory / "tls.key")


def new_authority() -> Authority:
    return Authority.create(FEDERATION, NOW - HOUR, NOW + 3 * LIFE)


class Coordinator(FederationServiceServicer):
    """Keeps no registry: gives each caller the state that the test sets, and remembers who called."""

    def __init__(self) -> None:
        self.endpoint = ""
        self.state = WatchResponse()
        self.joins: list[JoinRequest] = []
        self.watchers = 0
        self.watched = 0
        self.marks: list[NumberAssignmentMark] = []
        self.heads: list[ChainHead] = []
        self.refusal: Refused | None = None
        self.clock_ahead = timedelta(0)
        self._changed = asyncio.Event()

    async def Join(  # noqa: N802 - named by gRPC
        self, request: JoinRequest, context: grpc.aio.ServicerContext[JoinRequest, JoinResponse]
    ) -> JoinResponse:
        self.joins.append(request)
        if self.refusal is not None:
            raise self.refusal
        response = JoinResponse(coordinator_time=to_timestamp(CLOCK.now() + self.clock_ahead))
        response.interval.FromMilliseconds(100)
        return response

    async def GetChainHeads(  # noqa: N802 - named by gRPC
        self,
        request: GetChainHeadsRequest,
        context: grpc.aio.ServicerContext[GetChainHeadsRequest, GetChainHeadsResponse],
    ) -> GetChainHeadsResponse:
        return GetChainHeadsResponse()

    async def Watch(  # noqa: N802 - named by gRPC
        self, request: WatchRequest, context: grpc.aio.ServicerContext[WatchRequest, WatchResponse]
    ) -> AsyncIterator[WatchResponse]:
        self.watchers += 1
        self.watched += 1
        self.marks.append(request.number_assignments)
        self.heads.append(request.registry_head)
        held = request.federation_revision
        try:
            while True:
                changed, response = self._changed, WatchResponse()
                response.CopyFrom(self.state)
                if held >= response.federation_revision:
                    response.ClearField("configuration")
                yield response
                held = max(held, response.federation_revision)
                await changed.wait()
        finally:
            self.watchers -= 1

    async def GetAuditHead(  # noqa: N802 - named by gRPC
        self,
        request: GetAuditHeadRequest,
        context: grpc.aio.ServicerContext[GetAuditHeadRequest, GetAuditHeadResponse],
    ) -> GetAuditHeadResponse:
        return GetAuditHeadResponse(audit_head=self.joins[-1].audit_head if self.joins else None)

    def change(self, revision: int, *members: Member, configuration: Configuration = CONFIGURATION) -> None:
        self.put(WatchResponse(federation_revision=revision, configuration=configuration, members=members))

    def put(self, state: WatchResponse) -> None:
        self.state = state
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def border(services: Sequence[Service], region: str = "", calls: CallMetrics | None = None) -> BorderInterceptor:
    """The border before these services at a node of this region, or at a coordinator. Records no spans."""

    async def denied(identity: Identity, method: str, refused: Refused) -> None:
        return None

    return BorderInterceptor(
        BorderPorts(
            FEDERATION,
            AccessRules([service.descriptor for service in services], region),
            Tracing(NoOpTracer(), records=False),
            calls or UnrecordedCalls(),
            denied,
        )
    )


@asynccontextmanager
async def serving(
    certificates: Certificates,
    path: str,
    services: Sequence[Service],
    region: str = "",
    calls: CallMetrics | None = None,
) -> AsyncIterator[str]:
    """The endpoint of a server of this member, with the border in front; at the end it stops immediately."""
    server = grpc.aio.server(interceptors=[border(services, region, calls)], options=server_options())
    for service in services:
        service.add(server)
    port = server.add_secure_port("127.0.0.1:0", server_credentials(certificates.credentials(path), CLOCK))
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


@asynccontextmanager
async def coordinator(
    certificates: Certificates, revision: int = 1, *members: Member, replica: int = 0
) -> AsyncIterator[Coordinator]:
    """A coordinator whose first state is this."""
    servicer = Coordinator()
    servicer.change(revision, *members)
    service = Service(SERVICE, lambda server: add_FederationServiceServicer_to_server(servicer, server))
    async with serving(certificates, f"coordinator/{replica}", [service]) as servicer.endpoint:
        yield servicer
