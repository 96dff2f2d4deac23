"""The coordinator: the shipped router between the links, the federation state, and problems of the network."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping

from coordinator.configuration.assigning import is_next, require_proven
from coordinator.routing.router import Router, RouterPorts
from gateway.api.coordinator.v1.administration_pb2 import AssignNumberRequest
from gateway.api.coordinator.v1.planned_outage_registry_service_pb2 import HoldPlannedOutageRequest, PlannedOutageHeader
from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent, ReportAffectedRequest, ReportEventRequest
from gateway.api.federation.v1.configuration_pb2 import Configuration, NumberException
from gateway.api.federation.v1.federation_pb2 import (
    AuditHead,
    GetAuditHeadRequest,
    GetAuditHeadResponse,
    JoinRequest,
    Member,
    MemberState,
)
from gateway.api.relay.v1.relay_pb2 import DeliverRequest, DeliverResponse
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import Refused, Unreachable
from gateway.federation.assignments import signed_assignment
from gateway.federation.capabilities import FEATURES
from gateway.federation.catalogue import Federation
from gateway.federation.numberplan import NumberPlan
from gateway.relay.transport import BeforeAttempt, Carrier
from gateway.security.identity import Identity
from gateway.security.sealing_keys import published
from gateway.time.agreed_clock import AgreedClock
from tests.simulation.history import History
from tests.simulation.network import Network
from tests.simulation.network_support import Exchange, NetworkSupport
from tests.simulation.region import Knowledge, NoAnswer, Region
from tests.simulation.registry import SimulatedRegistry
from tests.simulation.virtual_time import NodeClock, Process
from tests.simulation.world import START, configuration, keys

_TELL_INTERVAL = 0.4  # seconds between looks at who has to be told
_CALL_SECONDS = 10.0  # that a region waits for an answer about its network

OfNetwork = ReportEventRequest | ReportAffectedRequest | HoldPlannedOutageRequest
Told = OfNetwork | AssignNumberRequest | JoinRequest | GetAuditHeadRequest


class ToRegion:
    """The coordinator's way to a region."""

    def __init__(self, network: Network, region: Region) -> None:
        self._network = network
        self._region = region

    async def deliver(
        self, request: DeliverRequest, timeout: float, before_attempt: BeforeAttempt | None = None
    ) -> DeliverResponse:
        """See the port."""
        region = self._region.drawn(self._network.source)
        if before_attempt is not None:
            before_attempt()

        def joined() -> Process | None:
            return region.process if region.has_joined else None

        return await self._network.carry(region.name, request, timeout, joined, lambda batch, _: region.serve(batch))


class ToCoordinator:
    """A region's way out."""

    def __init__(self, network: Network, region: str, coordinator: "Coordinator") -> None:
        self._network = network
        self._region = region
        self._coordinator = coordinator

    async def deliver(
        self, request: DeliverRequest, timeout: float, before_attempt: BeforeAttempt | None = None
    ) -> DeliverResponse:
        """See the port."""
        coordinator = self._coordinator
        if before_attempt is not None:
            before_attempt()
        return await self._network.carry(
            self._region,
            request,
            timeout,
            lambda: coordinator.process,
            lambda batch, left: coordinator.router.deliver(self._region, batch, left),
        )

    async def tell_event(self, event: NetworkEvent) -> None:
        """See `Coordinators`."""
        await self._call(ReportEventRequest(event=event))

    async def tell_affected(self, request: ReportAffectedRequest) -> None:
        """See `Coordinators`."""
        await self._call(request)

    async def hold_planned_outage(self, window: PlannedOutageHeader) -> None:
        """See `Hold`."""
        await self._call(HoldPlannedOutageRequest(planned_outage=window))

    async def assign_number(self, number: str, region: str) -> None:
        """See `Assign`."""
        before = self._coordinator.plan_of(self._region).standing(number)
        signer, certificate = keys().signers[self._region], keys().certificates[self._region]
        now = self._coordinator.clock.now()
        assignment = signed_assignment(number, region, self._region, before, signer, certificate, now)
        await self._call(AssignNumberRequest(assignment=assignment, signing_certificate=certificate))

    async def tell_head(self, head: AuditHead) -> None:
        """See `KeptHeads`."""
        await self._call(JoinRequest(audit_head=head))

    async def audit_heads(self) -> AsyncIterator[AuditHead | None]:
        """See `KeptHeads`."""
        try:
            answer = GetAuditHeadResponse.FromString(await self._call(GetAuditHeadRequest()))
        except (Refused, Unreachable):
            return
        yield answer.audit_head if answer.HasField("audit_head") else None

    async def _call(self, request: Told) -> bytes:
        """The answer. Raises Unreachable where none comes, and Refused as the coordinator does."""
        coordinator, kind = self._coordinator, type(request)
        return await self._network.exchange(
            self._region,
            request.SerializeToString(),
            _CALL_SECONDS,
            lambda: coordinator.process,
            lambda content, _: coordinator.serve(self._region, kind.FromString(content)),
        )


class Coordinator:
    """A replica: it routes without state; the registry outlives its process."""

    def __init__(self, history: History, network: Network, machine: NodeClock, source: random.Random) -> None:
        self._history = history
        self._network = network
        self._source = source
        self.machine = machine
        self.clock = AgreedClock(machine)
        """That of the process, or of the last one."""
        self.hears_clocks = False
        """Whether regions tell their time in this run: until they do, a process does not rely on its own."""
        self._ways: dict[str, Carrier] = {}
        self._regions: list[Region] = []
        self._members: dict[str, Member] = {}
        self._number = 0
        self.federation = Federation(1, configuration())
        self.process: Process | None = None
        self.router = self._new_router()
        self.registry = SimulatedRegistry(random.Random(source.getrandbits(64)), lambda: self.federation)
        self._support: NetworkSupport | None = None

    def admit(self, region: Region, state: MemberState.ValueType) -> None:
        """A region of the configuration, with how it stands at the start."""
        self._regions.append(region)
        self._ways[region.name] = ToRegion(self._network, region)
        self._members[region.name] = Member(
            region=region.name,
            state=state,
            endpoints=[f"{region.name}:1"],
            signing_certificate=keys().certificates[region.name],
            sealing_key=published(region.ports.keys.set, keys().signers[region.name], START),
            features=FEATURES,
        )
        self._number += 1

    def start(self) -> None:
        """Starts a process. It remembers no batch of an earlier one."""
        self.process = Process("coordinator")
        self.clock = AgreedClock(self.machine)
        if self.hears_clocks:
            self.clock.start_from(self.machine.of_people() - self.machine.error)  # the registry has kept it
        self.router = self._new_router()
        self._support = NetworkSupport(self.registry, self.clock, self._current_members, self._channels)
        for loop in self._support.loops():
            self.process.spawn(loop)
        self._history.note("coordinator", "starts")

    def kill(self) -> None:
        """Ends the process with every batch that it holds."""
        if self.process is not None:
            self.process.kill()
            self.process = None
            self._history.note("coordinator", "is killed")

    def set_state(self, region: str, state: MemberState.ValueType) -> None:
        """A region joins, is suspended, or reinstated."""
        member = Member()
        member.CopyFrom(self._members[region])
        member.state = state
        self._members[region] = member
        self._number += 1
        self._history.note("coordinator", f"{region} is {MemberState.Name(state)}")

    def state_of(self, region: str) -> MemberState.ValueType:
        """How a region stands."""
        return self._members[region].state

    def plan_of(self, region: str) -> NumberPlan:
        """The number plan that a region knows."""
        knowledge = next(each.knowledge for each in self._regions if each.name == region)
        assert knowledge is not None, "who gives a number away knows the plan"
        return knowledge.federation.number_plan

    def move_number(self, number: str, region: str) -> None:
        """A new revision of the configuration gives a number to a region."""
        changed = Configuration()
        changed.CopyFrom(self.federation.configuration)
        kept = [each for each in changed.number_plan.exceptions if each.number != number]
        del changed.number_plan.exceptions[:]
        known = self.federation.number_plan.book.of(number)
        outranked = max((each.sequence for each in known), default=0)
        moved = NumberException(number=number, region=region, outranked_sequence=outranked)
        changed.number_plan.exceptions.extend([*kept, moved])
        self._put_in_force(changed, f"{number} is of {region}")

    def knowledge(self) -> Knowledge:
        """How the federation stands."""
        return Knowledge(self._number, self.federation, tuple(self._members.values()))

    async def serve(self, region: str, request: Told) -> bytes:
        """Answers a region's report or query. Raises Refused, and NoAnswer without a live process."""
        if self._support is None:
            raise NoAnswer
        if isinstance(request, AssignNumberRequest):
            self._assign(request, region)
            return b""
        if isinstance(request, JoinRequest):
            self.registry.keep_head(region, request.audit_head, self.clock.now())
            return b""
        if isinstance(request, GetAuditHeadRequest):
            return GetAuditHeadResponse(audit_head=self.registry.head_of(region)).SerializeToString()
        await self._support.serve(Identity(configuration().federation, Role.ROLE_REGION, region, ""), request)
        return b""

    async def tell(self) -> None:
        """Tells every region that can be reached how the federation stands, for ever."""
        while True:
            await asyncio.sleep(_TELL_INTERVAL)
            for region in self._regions:
                known = region.knowledge.number if region.knowledge is not None else 0
                if known < self._number and self.reaches(region) and self._source.random() < 0.5:
                    region.learn(self.knowledge())

    def all_know(self) -> bool:
        """Whether every region knows how the federation stands."""
        return all(each.knowledge is not None and each.knowledge.number == self._number for each in self._regions)

    def _assign(self, request: AssignNumberRequest, region: str) -> None:
        wanted, plan = request.assignment, self.federation.number_plan
        require_proven(wanted, request.signing_certificate, region, keys().trusted)
        if is_next(plan, plan.book.of(wanted.number), wanted):
            certificates = {wanted.certificate_hash: request.signing_certificate}
            self.federation = self.federation.with_book(plan.book.with_added([wanted], certificates), [wanted.number])
            self._number += 1
            self._history.note("coordinator", f"{wanted.number} is of {wanted.region}")

    def _put_in_force(self, changed: Configuration, what: str) -> None:
        book = self.federation.number_plan.book
        self.federation = Federation(self.federation.revision + 1, changed, book=book)
        self._number += 1
        self._history.note("coordinator", f"revision {self.federation.revision}: {what}")

    def reaches(self, region: Region) -> bool:
        """Whether both are up, and the link between them is whole."""
        up = self.process is not None and region.node is not None
        return up and region.name not in self._network.cut

    def _new_router(self) -> Router:
        return Router(
            RouterPorts(
                name="coordinator/0",
                members=self._current_members,
                carrier_to=self._ways.__getitem__,
                clock=self.clock,
            )
        )

    def _current_members(self) -> Mapping[str, Member]:
        return self._members

    def _channels(self, region: str) -> Exchange:
        """How a region's service of problems is called."""
        known = next(each for each in self._regions if each.name == region)

        async def exchange(content: bytes, timeout: float) -> bytes:
            found = known.drawn(self._source)
            return await self._network.exchange(
                region, content, timeout, lambda: found.process, lambda told, _: found.follow(told)
            )

        return exchange
