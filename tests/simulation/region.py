"""A region's machine: its disk and clock outlive the process that runs the shipped core."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Protocol, TypeVar

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from gateway.api.coordinator.v1.planned_outage_registry_service_pb2 import PlannedOutageHeader
from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent, ReportAffectedRequest
from gateway.api.federation.v1.federation_pb2 import Member
from gateway.api.region.v1 import followed_problem_service_pb2, order_service_pb2
from gateway.api.region.v1.followed_problem_service_pb2 import FollowProblemRequest
from gateway.api.relay.v1.relay_pb2 import Batch, BatchAnswer, DeliverRequest, DeliverResponse, DeliverResult
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.federation.current import CurrentFederation
from gateway.process.span_export import tracing_by
from gateway.process.starting import persistently
from gateway.process.tracing import Tracing
from gateway.process.turns import owner
from gateway.relay.border import Border, Command, Kinds
from gateway.relay.envelopes import read_content
from gateway.relay.queries import Asker
from gateway.relay.sealed_batches import Act, SealedBatchTransport
from gateway.relay.transport import Carrier
from gateway.rpc.access import AccessRules
from gateway.rpc.admission import Admission
from gateway.security.identity import Identity
from gateway.security.region_keys import RegionKeys
from gateway.store.fenced import FencedStore
from gateway.store.losses import incarnation
from gateway.store.port import Store
from gateway.store.quarantine import RUN, QuarantineChanged, work_after
from gateway.time.agreed_clock import AgreedClock
from region_node.app.core import CorePorts, RegionCore
from region_node.app.registered import PROBLEMS, reconciliation
from region_node.business.orders.business import load_rules
from region_node.business.orders.context import OrderContext
from region_node.business.orders.rows import orders_under_way
from region_node.business.providers.fulfilment import FulfilmentProvider
from region_node.business.reconciliation.service import ReconciliationService
from region_node.care.complaints.of_problems import count_complaints
from region_node.customers.notices.port import Notifier
from region_node.lifecycle.moving.planning import MovePlanning
from region_node.lifecycle.moving.recovering import LostCustomers
from region_node.lifecycle.moving.restored import RestoredCustomers
from region_node.lifecycle.recovery.catching_up import CatchingUp, CatchUpPorts
from region_node.network.agreements.service import AgreementService
from region_node.network.planned_outages.service import PlannedOutageService
from region_node.network.problems.notifier import Coordinators as Notified
from region_node.network.problems.notifier import ProblemNotifier
from region_node.network.problems.service import FollowedProblemService
from region_node.node.context import RegionContext
from region_node.requests.auditing import AuditedCall
from tests.simulation.businesses import PROVISIONED
from tests.simulation.calls import served
from tests.simulation.disk import Disk, SimulatedStore
from tests.simulation.fencing import FencedParts, KeptHeads, keep_fence
from tests.simulation.history import History
from tests.simulation.virtual_time import NodeClock, Process
from tests.simulation.world import PASSWORD_COST, configuration, keys

A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")


_RUNS = 10  # more than there are
_ORDERS = order_service_pb2.DESCRIPTOR.services_by_name["OrderService"]
_FOLLOWED = followed_problem_service_pb2.DESCRIPTOR.services_by_name["FollowedProblemService"]
_FOLLOW = f"/{_FOLLOWED.full_name}/FollowProblem"
_ACT = f"/{_ORDERS.full_name}/SubmitOrder"
"""The RPC as which each call begins: an act, also where it is a reading, since every caller asks again."""


class NoAnswer(Exception):
    """The caller learns nothing: whether anything was done is not known."""


@cache
def _silent_tracing() -> Tracing:
    return tracing_by(TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False), "simulation")


_rules = cache(load_rules)


@dataclass(frozen=True)
class Knowledge:
    """A region's last state of the federation, on its disk."""

    number: int
    federation: Federation
    members: tuple[Member, ...]


class SlowWorkers:
    """The port of those who check signatures: like a thread beside the loop, they come back a little later."""

    def __init__(self, source: random.Random) -> None:
        self._source = source

    async def each(self, work: Callable[[A], B], items: Sequence[A], signatures: int) -> list[B]:
        """See the port."""
        await asyncio.sleep(self._source.uniform(0.0, 0.002))
        return [work(item) for item in items]

    async def alone(self, work: Callable[[], B]) -> B:
        """See the port."""
        await asyncio.sleep(self._source.uniform(0.0, 0.05))
        return work()

    def close(self) -> None:
        """See the port."""


@dataclass(frozen=True)
class Node:
    """The parts of a region's process."""

    core: RegionCore
    store: SimulatedStore
    problems: FollowedProblemService
    agreements: AgreementService
    planned_outages: PlannedOutageService
    reconciliation: ReconciliationService
    access: AccessRules


class Coordinators(KeptHeads, Protocol):
    """Whom a region tells of its chain, network and moves. Each raises Refused, and Unreachable without an answer."""

    async def tell_event(self, event: NetworkEvent) -> None:
        """See the service."""
        ...

    async def tell_affected(self, request: ReportAffectedRequest) -> None:
        """See the service."""
        ...

    async def hold_planned_outage(self, window: PlannedOutageHeader) -> None:
        """See the service."""
        ...

    async def assign_number(self, number: str, region: str) -> None:
        """See the service."""
        ...


@dataclass
class RegionPorts:
    """The ports of a machine."""

    history: History
    clock: NodeClock
    disk: Disk
    keys: RegionKeys
    """The keys on the disk, to which other regions seal."""
    source: random.Random
    carrier: Carrier
    notifier: Notifier
    see: Callable[[str, str, DeliverResult], None]
    """Receives each answer of the region to a command, by the id of its envelope."""
    coordinators: Coordinators
    provider: FulfilmentProvider | None = None
    """The region's own system, where it has one: it carries out what is `PROVISIONED`."""
    has_moves: bool = True
    """Whether customers may move in this run."""
    has_door: bool = False
    """Whether calls wait at the door of the process, and are refused there."""
    is_fenced: bool = False
    """Whether the region looks for losses of its database in this run."""


class Region:
    """A region, running or not. It is also its first process; `second` is another one on the same database."""

    def __init__(self, name: str, ports: RegionPorts, number: int = 0) -> None:
        self.name = name
        self.ports = ports
        self.number = number
        self.second: Region | None = None
        self.knowledge: Knowledge | None = None
        self.process: Process | None = None
        self.node: Node | None = None
        self.store: SimulatedStore | None = None
        """Behind the fence of the last process, from its first moment on."""
        self.has_joined = True
        """Whether coordinators bring envelopes to the process."""
        self._door = Admission()
        self._starts = 0

    @property
    def processes(self) -> Sequence["Region"]:
        """Each process of the region."""
        return (self,) if self.second is None else (self, self.second)

    def share(self, clock: NodeClock, source: random.Random) -> "Region":
        """A second process, on a machine of its own, shares the database."""
        self.ports.disk.is_shared = True
        self.second = Region(self.name, replace(self.ports, clock=clock, source=source), 1)
        return self.second

    def drawn(self, source: random.Random) -> "Region":
        """The process that somebody calls who knows of all of them, and not which of them are up."""
        return self if self.second is None else source.choice(self.processes)

    async def start(self) -> None:
        """Starts a process on what the disk holds."""
        self._starts += 1
        process = Process(f"{self._label}/{self._starts}")
        self.process = process
        self._door = Admission()
        self.ports.history.note(self._label, "starts")
        await asyncio.wait({process.spawn(self._run(process))})

    async def _run(self, process: Process) -> None:
        store = SimulatedStore(self.ports.disk, process, self.number, random.Random(self.ports.source.getrandbits(64)))
        fence = FencedStore(store) if self.ports.is_fenced else None
        business: Store = store if fence is None else fence
        self.store = store
        self.has_joined = fence is None
        border = self._border(fence)
        transport = SealedBatchTransport(border, self.ports.carrier)
        source = random.Random(self.ports.source.getrandbits(64))
        asker = Asker(border, transport, border.clock, source)
        core = self._core(border, business, transport, asker, source)
        restored = RestoredCustomers(core.context, store)
        if self.ports.has_moves:
            await persistently(restored.check)
        if fence is not None:
            told = self.ports.keys, self.ports.coordinators, self._join
            await keep_fence(process, FencedParts(core, asker, store, fence, restored, *told))
            self._put_in_force(border)  # people have taken their time
        await core.start()
        self.node = self._node(process, core, store, business)
        process.spawn(_let_runs_go_on(core, business))
        if border.incarnation() or fence is not None:
            process.spawn(CatchingUp(CatchUpPorts(core.context, store, asker, border.clock, core.kinds)).run())
        if self.ports.has_moves:
            lost = LostCustomers(core.context, business, asker, border.clock)
            assign = self.ports.coordinators.assign_number
            process.spawn(MovePlanning(core.context, business, assign, restored, lost).run())

    def _join(self) -> None:
        self.has_joined = True

    def _border(self, fence: FencedStore | None) -> Border:
        shared = keys()
        clock = AgreedClock(self.ports.clock)
        clock.start_from(self.ports.clock.of_people() - self.ports.clock.error)  # the database has kept it
        began = self.ports.disk.read(incarnation)
        border = Border(
            self.name,
            shared.signers[self.name],
            shared.trusted,
            CurrentFederation(),
            self.number,
            draw=self.ports.keys.draw,
            clock=clock,
            incarnation=lambda: began if fence is None else fence.incarnation,
        )
        self._put_in_force(border)
        return border

    def _core(
        self, border: Border, store: Store, transport: SealedBatchTransport, asker: Asker, source: random.Random
    ) -> RegionCore:
        provider = self.ports.provider
        provisioned = PROVISIONED if provider is not None else frozenset()
        core = RegionCore(
            CorePorts(
                orders=OrderContext(RegionContext(border, orders_under_way, provisioned=provisioned), _rules()),
                keys=self.ports.keys,
                store=store,
                clock=border.clock,
                transport=transport,
                asker=asker,
                source=source,
                tracing=_silent_tracing(),
                workers=SlowWorkers(random.Random(self.ports.source.getrandbits(64))),
                provider=provider,
                notifier=self.ports.notifier,
                secret_source=random.Random(self.ports.source.getrandbits(64)),
                password_cost=PASSWORD_COST,
            )
        )
        core.receiver = replace(core.receiver, act=self._shown(core.receiver.act, core.kinds))
        return core

    def _node(self, process: Process, core: RegionCore, behind: SimulatedStore, store: Store) -> Node:
        """The services of the process. `behind` is the store behind its fence."""
        clock, coordinators = core.context.border.clock, self.ports.coordinators
        notifier = ProblemNotifier(
            core.context, store, Notified(coordinators.tell_event, coordinators.tell_affected), count_complaints
        )
        process.spawn(notifier.run())
        return Node(
            core,
            behind,
            FollowedProblemService(core.context, store, clock, PROBLEMS),
            AgreementService(core.context, store, clock),
            PlannedOutageService(core.context, store, clock, coordinators.hold_planned_outage),
            ReconciliationService(reconciliation(core.context), store, clock),
            AccessRules([_ORDERS, _FOLLOWED], self.name, require_clock=clock.require_trusted),
        )

    def _shown(self, act: Act, kinds: Kinds) -> Act:
        """Shows the answers to commands: a query is answered anew each time."""

        async def act_and_show(batch: Batch, origin: str) -> BatchAnswer:
            answer = await act(batch, origin)
            for envelope, result in zip(batch.envelopes, answer.results, strict=True):
                content = read_content(envelope)
                if isinstance(kinds.get(content.kind), Command):
                    self.ports.see(self.name, content.id, result)
            return answer

        return act_and_show

    def kill(self) -> None:
        """Ends the process as kill -9 does: what was not committed is lost."""
        if self.process is None:
            return
        self.process.kill()
        self.process = self.node = None
        self.ports.disk.lose_uncommitted()
        self.ports.history.note(self._label, "is killed")

    def learn(self, knowledge: Knowledge) -> None:
        """The coordinator tells how the federation stands."""
        if self.knowledge is not None and knowledge.number <= self.knowledge.number:
            return
        self.knowledge = knowledge
        if self.node is not None:
            self._put_in_force(self.node.core.context.border)
        if self.second is not None:
            self.second.learn(knowledge)

    def _put_in_force(self, border: Border) -> None:
        border.clock.hear("coordinator", self.ports.clock.of_people() - self.ports.clock.error)
        if self.knowledge is not None:
            for member in self.knowledge.members:
                border.sealing_keys.accept(member.region, member.sealing_key, border.keys.signer_of)
            border.current.update(self.knowledge.federation, self.knowledge.members)

    async def serve(self, request: DeliverRequest) -> DeliverResponse:
        """Answers a batch that a coordinator brings. Raises NoAnswer where the process has only just started."""
        if self.node is None:
            raise NoAnswer
        return await self.node.core.receiver.deliver(request)

    async def follow(self, content: bytes) -> bytes:
        """Answers a coordinator that tells how a problem stands. Raises as `serve`, and as the rules of the border."""
        if self.node is None:
            raise NoAnswer
        caller = Identity(configuration().federation, Role.ROLE_COORDINATOR, "", "0")
        self.node.access.require_begun(caller, _FOLLOW)
        request = FollowProblemRequest.FromString(content)
        return (await served(self.node.problems.FollowProblem, caller, request)).SerializeToString()

    async def call(self, work: Callable[[Node], Awaitable[T]], patience: float, share: str = "") -> T:
        """Runs a call in the process. Raises what the call raises, and NoAnswer where it does not end in time.

        `share` is the operator whose work takes turns with that of others in the store, and at the door where the run
        has one. The call begins by the rules of the border: by a clock that is wrong it is refused.
        A server of gRPC cancels the handler of a caller who has gone.
        """
        if self.node is None or self.process is None:
            raise NoAnswer
        node = self.node

        async def handle() -> T:
            owner.set(share)
            node.access.require_begun(Identity(configuration().federation, Role.ROLE_OPERATOR, self.name, share), _ACT)
            if not self.ports.has_door:
                return await work(node)
            with await self._door.begin(share, 1):
                return await work(node)

        task = self.process.spawn(handle())
        try:
            await asyncio.wait({task}, timeout=patience)
        finally:
            if not task.done():
                task.cancel()
        if not task.done() or task.cancelled():
            raise NoAnswer
        return task.result()

    def is_idle(self) -> bool:
        """Whether the first process is up, and nothing is under way in any."""
        nodes = [each.node for each in self.processes if each.node is not None]
        return self.node is not None and all(each.store.is_idle() for each in nodes)

    @property
    def _label(self) -> str:
        return f"{self.name}-{self.number}" if self.number else self.name


def open_envelopes(region: Region) -> list[str]:
    """The envelopes that wait for a receipt."""
    sql = "SELECT envelope_id FROM outbox WHERE closed IS NULL ORDER BY envelope_id"
    return [row[0] for row in region.ports.disk.connection.execute(sql)]


async def _let_runs_go_on(core: RegionCore, store: Store) -> None:
    """Staff who let every run go on that asks them: many days pass at once in a simulation."""
    asked = asyncio.Event()
    store.subscribe(QuarantineChanged, lambda _: asked.set())
    asked.set()
    while True:
        await asked.wait()
        asked.clear()
        try:
            for work in await store.read(lambda tx: work_after(tx, (-1, ""), _RUNS, is_all=False)):
                if work.source == RUN:
                    call = AuditedCall("staff", "wang", core.context.border.clock.now())
                    await store.write(partial(core.quarantine.replay, work_id=work.work_id, reference="1", call=call))
        except Refused:
            await asyncio.sleep(1.0)
            asked.set()
