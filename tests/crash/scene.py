"""The scene of all crashes: a fault proxy stands on every way between the processes of two regions."""

import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

from deploy.local.federation import COORDINATOR, FEDERATION, PROVIDER, LocalFederation
from deploy.local.postgresql import LocalPostgresql
from deploy.local.process import wait_until
from deploy.local.profiles import Engine, Placement, Profile
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.order_service_pb2 import SubmitOrderRequest
from gateway.api.relay.v1.relay_pb2 import DeliverResult, Envelope
from gateway.api.relay.v1.relay_pb2_grpc import RelayServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.process import failpoints
from gateway.security.identity import server_name
from gateway.security.sealing import Route
from tests import preloaded
from tests.crash.records import Records
from tests.crash.regions import CALL_SECONDS, HANDLING, HOME, TwoRegions
from tests.faults.proxy import FaultProxy
from tests.sealed_batches import SealedBatch, sealing_key

SYSTEM = f"{HOME}-{PROVIDER}"
PROVISIONED = "RESUME"  # what the home region's own system carries out
JOINT_PROVISIONED = "LEASED_CHANGE"  # of which it does the items


class Scene(TwoRegions):
    """A federation that a test breaks: each region one process, all databases on one engine."""

    def __init__(self, directory: Path, engine: Engine, postgresql: LocalPostgresql | None) -> None:
        """PostgreSQL's server is shared with other scenes."""
        profile = Profile(engine.value, coordinators=Placement(engine), rest=Placement(engine))
        provided = {HOME: (PROVISIONED, JOINT_PROVISIONED)}
        regions = (HANDLING, HOME)
        super().__init__(LocalFederation(directory, regions, profile, postgresql, provided, launcher=preloaded.launch))
        self.engine = engine
        self.counter_to_handling = self._proxy(lambda: self.federation.endpoint(HANDLING))
        self.handling_to_coordinator = self._proxy(lambda: self.federation.coordinator_endpoint)
        self.home_to_coordinator = self._proxy(lambda: self.federation.coordinator_endpoint)
        self.coordinator_to_handling = self._proxy(lambda: self.federation.endpoint(HANDLING))
        self.coordinator_to_home = self._proxy(lambda: self.federation.endpoint(HOME))
        self._armed: set[str] = set()

    @property
    def proxies(self) -> Sequence[FaultProxy]:
        """All fault proxies."""
        return (
            self.counter_to_handling,
            self.handling_to_coordinator,
            self.home_to_coordinator,
            self.coordinator_to_handling,
            self.coordinator_to_home,
        )

    def link(self, name: str) -> FaultProxy:
        """A proxy by the name of its way."""
        return {
            "coordinator_to_home": self.coordinator_to_home,
            "handling_to_coordinator": self.handling_to_coordinator,
        }[name]

    def records(self, region: str) -> Records:
        """The database of a region."""
        return {HANDLING: self.handling, HOME: self.home}[region]

    def build(self) -> None:
        """Starts everything and takes over the home region's customers."""
        federation = self.federation
        federation.reached_through = {
            HANDLING: (self.handling_to_coordinator.endpoint,),
            HOME: (self.home_to_coordinator.endpoint,),
        }
        federation.advertised = {
            HANDLING: self.coordinator_to_handling.endpoint,
            HOME: self.coordinator_to_home.endpoint,
        }
        federation.prepare()
        self.start()
        self.open_counters(self.counter_to_handling.endpoint)
        home = server_name(Role.ROLE_REGION, HOME, FEDERATION)
        coordinator = server_name(Role.ROLE_COORDINATOR, "", FEDERATION)
        self._as_handling = RelayServiceStub(self._dial(HANDLING, federation.coordinator_endpoint, coordinator))
        self._as_coordinator = RelayServiceStub(self._dial(COORDINATOR, federation.endpoint(HOME), home))

    def close(self) -> None:
        """Ends everything."""
        for proxy in self.proxies:
            proxy.close()
        super().close()

    def resume(self) -> SubmitOrderRequest:
        """The resumption of one of the home region's lines, which is suspended before; its own system does it."""
        suspension = self.suspend()
        order = self.submit(suspension, wait=CALL_SECONDS / 2)
        assert order.state == OrderState.ORDER_STATE_COMPLETED, order
        request = SubmitOrderRequest()
        request.CopyFrom(suspension)
        request.request_id = self._next_id(PROVISIONED)
        request.order.business = PROVISIONED
        return request

    def start_deliver_as_handling(self, *envelopes: Envelope) -> "Future[list[DeliverResult]]":
        """Brings envelopes to the coordinator for the home region, as the origin region's node does."""
        return self.background.start(self._deliver(self._as_handling, envelopes))

    def start_deliver_as_coordinator(self, *envelopes: Envelope) -> "Future[list[DeliverResult]]":
        """Brings envelopes to the home region, as the coordinator does."""
        return self.background.start(self._deliver(self._as_coordinator, envelopes))

    # Processes

    def arm(self, name: str, *points: str, **environment: str) -> None:
        """Starts a process anew, or one that is dead, so that it dies by SIGKILL when it reaches one of the points."""
        if self.federation.processes[name].runs():
            self.kill(name)
        self._armed.add(name)
        self.federation.processes[name].start({failpoints.VARIABLE: ",".join(points), **environment})

    def kill(self, name: str) -> None:
        """Kills a process and proves that it is gone."""
        process = self.federation.processes[name]
        assert process.runs(), f"{name} was not running: there was nothing to kill"
        process.kill()
        assert process.wait_for_end() == -signal.SIGKILL

    def require_killed(self, name: str) -> None:
        """Waits until a fail point has killed an armed process; the test is invalid where none does."""
        process = self.federation.processes[name]
        wait_until(lambda: not process.runs(), CALL_SECONDS, f"a fail point kills {name}")
        assert process.wait_for_end() == -signal.SIGKILL, f"{name} ended, but not at a fail point"

    def restart(self, name: str) -> None:
        """Starts a process that is dead, without fail points."""
        assert not self.federation.processes[name].runs()
        self._armed.discard(name)
        self.federation.processes[name].start()

    def is_whole(self) -> bool:
        """Whether all processes run."""
        return all(process.runs() for process in self.federation.processes.values())

    def mend(self) -> None:
        """Brings the scene in order after a test, whatever the test left."""
        for proxy in self.proxies:
            proxy.heal()
        for name in sorted(self._armed):
            self.federation.processes[name].kill()
        for name, process in self.federation.processes.items():
            if not process.runs():
                self.restart(name)
        self.run(self.federation.wait_joined((HANDLING, HOME)))

    def require_well(self) -> None:
        """Proves with an order that the whole way works, so that its connections stand before a fault."""
        order = self.submit(self.pay(), wait=CALL_SECONDS / 2)
        assert order.state == OrderState.ORDER_STATE_COMPLETED, order

    def log_of(self, name: str) -> str:
        """The whole log of a process."""
        return self.federation.processes[name].program.log.read_text("utf-8", "replace")

    def _proxy(self, target: Callable[[], str]) -> FaultProxy:
        return FaultProxy(self.background, target)

    async def _deliver(self, relay: RelayServiceStub, envelopes: Sequence[Envelope]) -> list[DeliverResult]:
        sealed_batch = SealedBatch(Route(HANDLING, HOME), sealing_key(self.federation.keys_file(HOME)), *envelopes)
        return sealed_batch.opened(await relay.Deliver(sealed_batch.request, timeout=CALL_SECONDS, wait_for_ready=True))
