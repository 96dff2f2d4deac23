"""A coordinator's process for the network: the shipped correlation, following and holding of windows."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import TypeVar, cast

from google.protobuf.message import Message

from coordinator.membership.members import CurrentMembers
from coordinator.planned_outages.service import PlannedOutageRegistryService
from coordinator.problems.correlator import Correlator, CorrelatorPorts
from coordinator.problems.current import CurrentNetwork
from coordinator.problems.following import Following, FollowingPorts
from coordinator.problems.making_room import RoomMaker
from coordinator.problems.reports import ReportNotifier
from coordinator.problems.service import ProblemPorts, ProblemService
from coordinator.registry.port import Registry
from coordinator.routing.channels import RegionChannels
from gateway.api.coordinator.v1.planned_outage_registry_service_pb2 import HoldPlannedOutageRequest
from gateway.api.coordinator.v1.problem_service_pb2 import AccidentReport, ReportAffectedRequest, ReportEventRequest
from gateway.api.federation.v1.federation_pb2 import Member
from gateway.rpc.channels import Attempt, Replica
from gateway.security.identity import Identity
from gateway.time.agreed_clock import AgreedClock
from tests.simulation.calls import served
from tests.simulation.registry import SimulatedRegistry

T = TypeVar("T")
Exchange = Callable[[bytes, float], Awaitable[bytes]]
"""Carries a call to a region and its answer back, in so many seconds."""


class NetworkSupport:
    """A process of a coordinator. It remembers nothing of an earlier one; the registry does."""

    def __init__(
        self,
        kept: SimulatedRegistry,
        clock: AgreedClock,
        members: Callable[[], Mapping[str, Member]],
        ways: Callable[[str], Exchange],
    ) -> None:
        registry = cast("Registry", kept)
        current = CurrentNetwork(registry)
        reports = ReportNotifier(_NobodyReports())
        current_members, channels = cast("CurrentMembers", _Members(members)), cast("RegionChannels", _Channels(ways))
        room = RoomMaker(registry, current_members)
        self._correlator = Correlator(CorrelatorPorts(registry, current, clock, reports, room))
        self._following = Following(FollowingPorts(registry, current_members, channels))
        self._correlator.on_change(self._following.note_change)
        self._problems = ProblemService(ProblemPorts(registry, current, self._correlator, room, clock))
        self._planned = PlannedOutageRegistryService(registry, clock)

    def loops(self) -> list[Coroutine[object, object, None]]:
        """The loops of the process."""
        return [self._correlator.run(), self._following.run()]

    async def serve(
        self, caller: Identity, request: ReportEventRequest | ReportAffectedRequest | HoldPlannedOutageRequest
    ) -> None:
        """Serves a region's report or query. Raises Refused."""
        if isinstance(request, ReportEventRequest):
            await served(self._problems.ReportEvent, caller, request)
        elif isinstance(request, ReportAffectedRequest):
            await served(self._problems.ReportAffected, caller, request)
        else:
            await served(self._planned.HoldPlannedOutage, caller, request)


class _NobodyReports:
    """Sends no due reports of accidents: the simulation has no authors for them."""

    def tell(self, problem: str, report: AccidentReport, *, overdue: bool) -> None:
        """See the port."""


@dataclass(frozen=True)
class _Members:
    """See `CurrentMembers`."""

    all: Callable[[], Mapping[str, Member]]


@dataclass(frozen=True)
class _Channels:
    """See `RegionChannels`."""

    ways: Callable[[str], Exchange]

    async def call(self, region: str, attempt: Attempt[T], timeout: float) -> T:
        """See the shipped one."""
        return await attempt(cast("Replica", _OneProcess(_Channel(self.ways(region)))), timeout)


@dataclass(frozen=True)
class _OneProcess:
    """See `Replica`."""

    channel: "_Channel"


@dataclass(frozen=True)
class _Channel:
    """As much of a channel of gRPC as a stub asks for."""

    exchange: Exchange

    def unary_unary(
        self,
        method: str,
        request_serializer: Callable[[Message], bytes],
        response_deserializer: Callable[[bytes], Message],
        _registered_method: bool,
    ) -> Callable[..., Awaitable[Message]]:
        """See gRPC."""

        async def call(request: Message, timeout: float, metadata: object) -> Message:
            return response_deserializer(await self.exchange(request_serializer(request), timeout))

        return call
