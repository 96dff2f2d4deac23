"""The actors of the network in the story: its monitoring systems, its engineers, and an administrator."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import grpc

from deploy.demo.cast import CLERK
from deploy.demo.client import Client
from deploy.demo.complaint_cast import STAFF, Elsewhen
from deploy.demo.world import REGIONS
from deploy.local.federation import OPERATOR
from gateway.api.coordinator.v1 import path_service_pb2 as paths
from gateway.api.coordinator.v1 import problem_service_pb2 as problems
from gateway.api.coordinator.v1.path_service_pb2_grpc import PathServiceStub
from gateway.api.coordinator.v1.problem_service_pb2_grpc import ProblemServiceStub
from gateway.api.federation.v1.problem_pb2 import PerceivedSeverity
from gateway.api.region.v1 import agreement_service_pb2 as agreements
from gateway.api.region.v1 import alarm_service_pb2 as alarms
from gateway.api.region.v1 import fault_service_pb2 as faults
from gateway.api.region.v1 import followed_problem_service_pb2 as followed
from gateway.api.region.v1.agreement_pb2 import Agreement, AgreementStatement
from gateway.api.region.v1.agreement_service_pb2_grpc import AgreementServiceStub
from gateway.api.region.v1.alarm_pb2 import AlarmState, AlarmType, NetworkObject
from gateway.api.region.v1.alarm_service_pb2_grpc import AlarmServiceStub
from gateway.api.region.v1.fault_pb2 import Fault, FaultReport
from gateway.api.region.v1.fault_service_pb2_grpc import FaultServiceStub
from gateway.api.region.v1.followed_problem_service_pb2_grpc import FollowedProblemServiceStub as FollowedServiceStub
from gateway.api.region.v1.notice_service_pb2 import ListNoticesRequest, Notice
from gateway.api.region.v1.notice_service_pb2_grpc import NoticeServiceStub
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Channel, Requester
from gateway.errors import Refused, Unreachable
from gateway.time.clock import to_timestamp

T = TypeVar("T")

_PATIENCE = 40.0  # seconds until something that must happen is missed
_LOOK_AGAIN = 0.05  # seconds
_CALL = 15.0  # seconds
_NOT_YET = (Reason.REASON_FAULT_NOT_FOUND, Reason.REASON_STATEMENT_NOT_FOUND)


async def until(call: Callable[[], Awaitable[T]], holds: Callable[[T], bool], what: str) -> T:
    """The result of a call as soon as a condition holds for it, since events in transit take time.

    Raises TimeoutError.
    """
    try:
        async with asyncio.timeout(_PATIENCE):
            while True:
                try:
                    found = await call()
                    if holds(found):
                        return found
                except Refused as refused:
                    if refused.reason not in _NOT_YET:
                        raise
                await asyncio.sleep(_LOOK_AGAIN)
    except TimeoutError:
        raise TimeoutError(f"{what}: it did not come about within {_PATIENCE:.0f} s") from None


class Systems:
    """The operator systems of one region: they watch its network, and its counters speak through them."""

    def __init__(self, region: str, client: Client) -> None:
        self.region = region
        self._client = client
        self._sent = 0

    async def send(self, report: alarms.AlarmReport) -> int:
        """Sends an alarm on the region's stream; returns how many of its reports the region has taken.

        Raises Unreachable.
        """
        self._sent += 1
        requests = [
            alarms.SendAlarmsRequest(source="watch"),
            alarms.SendAlarmsRequest(first_sequence=self._sent, reports=[report]),
        ]
        call = AlarmServiceStub(self._client.channel()).SendAlarms(iter(requests), timeout=_CALL)
        try:
            answers = [answer async for answer in call]
        except grpc.aio.AioRpcError as error:
            raise Unreachable(f"{self.region}: {error.details()}", error.code().name) from error
        return answers[-1].last_sequence - sum(len(each.rejected) for each in answers)

    async def bind(self, number: str, service: str) -> int:
        """Binds a line to a network service; returns the number of new bindings. Raises Refused, as all calls."""
        binding = followed.LineBinding(number=number, service=service)
        request = followed.BindLinesRequest(bindings=[binding], requester=_requester())
        return (await self._client.ask(lambda channel: FollowedServiceStub(channel).BindLines, request)).bound

    async def followed(self) -> Sequence[followed.FollowedProblem]:
        """The region's followed problems, also ended ones."""
        request = followed.ListFollowedProblemsRequest(include_ended=True, requester=_requester())
        rpc = FollowedServiceStub
        return (await self._client.ask(lambda channel: rpc(channel).ListFollowedProblems, request)).problems

    async def notices(self, number: str) -> Sequence[Notice]:
        """The region's notices to a customer about the network and its credits, oldest first."""
        request = ListNoticesRequest(number=number, requester=_requester())
        told = await self._client.ask(lambda channel: NoticeServiceStub(channel).ListNotices, request)
        return [each for each in told.notices if each.kind.startswith(("network-problem-", "service-credit"))]

    async def report(self, request_id: str, report: FaultReport) -> Fault:
        """Reports a customer's fault."""
        report.requester.CopyFrom(_requester())
        request = faults.ReportFaultRequest(request_id=request_id, report=report)
        return (await self._client.ask(lambda channel: FaultServiceStub(channel).ReportFault, request)).fault

    async def fault(self, fault_id: str) -> Fault:
        """A fault's current version in this region."""
        request = faults.GetFaultRequest(fault_id=fault_id, requester=_requester())
        return (await self._client.ask(lambda channel: FaultServiceStub(channel).GetFault, request)).fault


class Engineer:
    """A member of the staff of the region that keeps the network and the customers' agreements."""

    def __init__(self, name: str, client: Client) -> None:
        self.name = name
        self._client = client

    async def promise(self, request: agreements.CreateAgreementRequest) -> Agreement:
        """Makes an agreement with a customer."""
        rpc = AgreementServiceStub
        return (await self._client.ask(lambda channel: rpc(channel).CreateAgreement, request)).agreement

    async def statement(self, agreement: str, month: str) -> AgreementStatement:
        """The latest statement of an agreement in a month."""
        request = agreements.GetStatementRequest(agreement_id=agreement, month=month)
        return (await self._client.ask(lambda channel: AgreementServiceStub(channel).GetStatement, request)).statement

    async def work(self, step: faults.WorkOnFaultRequest) -> Fault:
        """Does a step of the repair."""
        return (await self._client.ask(lambda channel: FaultServiceStub(channel).WorkOnFault, step)).fault


@dataclass(frozen=True)
class Watch:
    """The network's staff."""

    there: Elsewhen
    systems: Mapping[str, Systems]
    engineer: Engineer

    async def problems(self) -> Sequence[problems.Problem]:
        """All problems of the coordinators, also ended ones, with their parts."""
        rpc, ask = ProblemServiceStub, self.there.administrator.ask
        listed = await ask(lambda channel: rpc(channel).ListProblems, problems.ListProblemsRequest(include_ended=True))
        requests = [problems.GetProblemRequest(problem_id=each.header.id) for each in listed.problems]
        return [(await ask(lambda channel: rpc(channel).GetProblem, each)).problem for each in requests]

    async def way(self, start: str, end: str) -> Sequence[str]:
        """The sites of the best way between two regions, over links that are up."""
        request = paths.FindPathsRequest(start=start, end=end)
        ask = self.there.administrator.ask
        best = (await ask(lambda channel: PathServiceStub(channel).FindPaths, request)).paths.best
        return [*(each.start for each in best.hops), *(each.end for each in best.hops[-1:])]


@asynccontextmanager
async def watch(there: Elsewhen) -> AsyncIterator[Watch]:
    """The network's staff; at the end all channels are closed."""
    async with AsyncExitStack() as stack:

        def client(region: str, name: str) -> Client:
            made = Client(there.federation.region_replicas(region, f"{region}-{name}"))
            stack.push_async_callback(made.close)
            return made

        systems = {region: Systems(region, client(region, OPERATOR)) for region in REGIONS}
        yield Watch(there, systems, Engineer(STAFF["sichuan"], client("sichuan", STAFF["sichuan"])))


def alarm(link: str, time: datetime, state: AlarmState.ValueType) -> alarms.AlarmReport:
    """The loss of light on a link, or its return."""
    if state == AlarmState.ALARM_STATE_CLEARED:
        return alarms.AlarmReport(external_id=f"los-{link}", state=state, event_time=to_timestamp(time))
    return alarms.AlarmReport(
        external_id=f"los-{link}",
        state=state,
        event_time=to_timestamp(time),
        alarmed_object=NetworkObject(link=link),
        alarm_type=AlarmType.ALARM_TYPE_COMMUNICATIONS,
        perceived_severity=PerceivedSeverity.PERCEIVED_SEVERITY_CRITICAL,
        probable_cause="lossOfSignal",
        service_affecting=True,
    )


def _requester() -> Requester:
    return Requester(staff_id=CLERK, channel=Channel.CHANNEL_COUNTER)
