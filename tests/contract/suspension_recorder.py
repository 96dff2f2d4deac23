"""What becomes of a region through coordinators that fail: suspensions, and the envelopes that arrive."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from coordinator.registry.etcd.settings import EtcdSettings
from gateway.api.coordinator.v1.administration_pb2 import (
    ListRegionsRequest,
    ReinstateRegionRequest,
    SuspendRegionRequest,
)
from gateway.api.coordinator.v1.administration_pb2_grpc import MembershipServiceStub
from gateway.api.relay.v1 import relay_pb2
from gateway.api.relay.v1.relay_pb2 import DeliverRequest, DeliverResponse
from gateway.api.relay.v1.relay_pb2_grpc import (
    RelayServiceServicer,
    RelayServiceStub,
    add_RelayServiceServicer_to_server,
)
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import Refused, Unreachable, reason_name
from gateway.rpc.channels import Dialer, invoke
from gateway.rpc.server import Service
from gateway.security.identity import server_name
from tests.contract.coordinators import ADMIN, federation, join_request, keys_of
from tests.contract.small_federation import CLOCK, FEDERATION, Certificates, serving
from tests.linearizability import Kind, Operation

HENAN, SICHUAN = "henan", "sichuan"
DELIVERED = "DELIVERED"
_SERVICE = relay_pb2.DESCRIPTOR.services_by_name["RelayService"]
_SENDERS = 3  # for each coordinator, so that some wait in the socket of a frozen one
_ROUTE_SECONDS = 3.0
_SUSPEND_SECONDS = 8.0
_ASK_SECONDS = 2.0


@dataclass
class Recorder(RelayServiceServicer):
    """Sichuan, which notes what it takes in, those who send to it, and who suspends it."""

    certificates: Certificates
    closing: AsyncExitStack
    history: list[Operation] = field(default_factory=list)
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    """How calls through each coordinator ended, by its name."""
    _begun: dict[bytes, tuple[float, str]] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list)
    _channels: dict[tuple[str, str], grpc.aio.Channel] = field(default_factory=dict)

    async def Deliver(  # noqa: N802 - named by gRPC
        self, request: DeliverRequest, context: grpc.aio.ServicerContext[DeliverRequest, DeliverResponse]
    ) -> DeliverResponse:
        begin, by = self._begun[request.nonce]
        self.history.append(Operation(Kind.ROUTE, begin, _now(), by))
        return DeliverResponse(journey=request.journey)

    def send_through(self, name: str, endpoint: Callable[[], str]) -> None:
        """Sends to Sichuan through a coordinator, which may be elsewhere later, until `stop`."""
        self.outcomes[name] = Counter()
        for _ in range(_SENDERS):
            self._tasks.append(asyncio.create_task(self._send(name, endpoint)))

    async def suspend(self, endpoints: Sequence[Callable[[], str]]) -> None:
        """Suspends Sichuan through one coordinator after the other, until one says that all have confirmed it."""
        for endpoint in itertools.cycle(endpoints):
            begin = _now()
            try:
                request = SuspendRegionRequest(region=SICHUAN, note="why")
                response = await invoke(self._admin(endpoint()).SuspendRegion, request, _SUSPEND_SECONDS)
            except (Refused, Unreachable):
                self.history.append(Operation(Kind.SUSPEND, begin))
                continue
            if not response.unconfirmed:
                self.history.append(Operation(Kind.SUSPEND, begin, _now(), endpoint()))
                return
            self.history.append(Operation(Kind.SUSPEND, begin))

    async def reinstate(self, endpoints: Sequence[Callable[[], str]]) -> None:
        """Reinstates Sichuan, of which coordinators may hear later."""
        for endpoint in itertools.cycle(endpoints):
            self.history.append(Operation(Kind.REINSTATE, _now(), by=endpoint()))
            try:
                request = ReinstateRegionRequest(region=SICHUAN)
                await invoke(self._admin(endpoint()).ReinstateRegion, request, _ASK_SECONDS)
            except (Refused, Unreachable):
                continue
            return

    async def gone(self, name: str, endpoint: Callable[[], str]) -> None:
        """Returns once a coordinator does not count another one as live."""
        while True:
            try:
                listed = await invoke(self._admin(endpoint()).ListRegions, ListRegionsRequest(), _ASK_SECONDS)
            except (Refused, Unreachable):
                continue
            if name not in {each.name for each in listed.replicas}:
                return
            await asyncio.sleep(0.02)

    async def ended(self, name: str, outcomes: Sequence[str], count: int = 1) -> None:
        """Returns once so many more calls through a coordinator ended in one of these ways."""
        before = self._count(name, outcomes)
        while self._count(name, outcomes) < before + count:  # noqa: ASYNC110 - it happens in other tasks
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Sends nothing more."""
        for task in self._tasks:
            task.cancel()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            assert isinstance(result, asyncio.CancelledError), result

    def _count(self, name: str, outcomes: Sequence[str]) -> int:
        return sum(self.outcomes[name][each] for each in outcomes)

    async def _send(self, name: str, endpoint: Callable[[], str]) -> None:
        while True:
            nonce = str(next(self._numbers)).encode()
            self._begun[nonce] = _now(), name
            try:
                stub = RelayServiceStub(self._dial("region/henan", endpoint()))
                await invoke(stub.Deliver, DeliverRequest(destination=SICHUAN, nonce=nonce), _ROUTE_SECONDS)
            except Refused as refused:
                outcome = reason_name(refused.reason)
            except Unreachable:
                outcome = "UNREACHABLE"
            else:
                outcome = DELIVERED
            self.outcomes[name][outcome] += 1
            await asyncio.sleep(0.02)

    def _admin(self, endpoint: str) -> MembershipServiceStub:
        return MembershipServiceStub(self._dial(ADMIN, endpoint))

    def _dial(self, path: str, endpoint: str) -> grpc.aio.Channel:
        if (path, endpoint) not in self._channels:
            dialer = Dialer(self.certificates.credentials(path), CLOCK)
            channel = dialer.dial(endpoint, server_name(Role.ROLE_COORDINATOR, "", FEDERATION))
            self.closing.push_async_callback(channel.close)
            self._channels[path, endpoint] = channel
        return self._channels[path, endpoint]


@asynccontextmanager
async def recording(certificates: Certificates, data: Path, etcd: EtcdSettings) -> AsyncIterator[Recorder]:
    """A recorder of a federation in which Henan and Sichuan have joined; the coordinators are the test's."""
    async with AsyncExitStack() as closing:
        recorder = Recorder(certificates, closing)
        service = Service.of(_SERVICE, add_RelayServiceServicer_to_server, recorder)
        endpoint = await closing.enter_async_context(serving(certificates, "region/sichuan", [service], SICHUAN))
        async with federation(certificates, data, number=9, etcd=etcd) as first:
            await first.apply()
            await first.join(keys_of(certificates, HENAN))
            keys = keys_of(certificates, SICHUAN)
            await first.join(keys, join_request(keys, endpoint))
        yield recorder
        await recorder.stop()


def _now() -> float:
    return asyncio.get_running_loop().time()
