"""CaseService: regions report the cases that they lead; administrators list them, and assign waiting ones."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from math import inf

import grpc

from coordinator.cases import rules
from coordinator.cases.room import past
from coordinator.membership.members import CurrentMembers
from coordinator.membership.rules import require_configured, require_member, require_reachable
from coordinator.registry.passes import Passes
from coordinator.registry.port import Registry
from coordinator.routing.channels import RegionChannels
from gateway.api.coordinator.v1 import case_service_pb2 as contract
from gateway.api.coordinator.v1.case_service_pb2_grpc import CaseServiceServicer
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.region.v1 import case_service_pb2 as region_contract
from gateway.api.region.v1.case_service_pb2_grpc import CaseServiceStub
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, Unreachable
from gateway.federation.body import Body
from gateway.rpc.calls import current_call
from gateway.rpc.channels import invoke
from gateway.rpc.pages import page_after, ticket_key
from gateway.time.agreed_clock import AgreedClock

_PAGE = "cases"
_BY_DUE_TIME = partial(ticket_key, by_due_time=True)
_ANSWER_SECONDS = 10.0  # for the region that leads the case, which only writes
_FORGET_EVERY = 3600.0  # seconds


@dataclass(frozen=True)
class CasePorts:
    """The ports of the service."""

    registry: Registry
    members: CurrentMembers
    channels: RegionChannels
    clock: AgreedClock


class CaseService(CaseServiceServicer):
    """See the contract. Each report of a case also removes cases that ended long ago."""

    def __init__(self, ports: CasePorts) -> None:
        self._ports = ports
        self._forgotten = -inf  # in seconds of the steady clock
        self._passes = Passes(ports.clock)

    async def ReportCase(
        self,
        request: contract.ReportCaseRequest,
        context: grpc.aio.ServicerContext[contract.ReportCaseRequest, contract.ReportCaseResponse],
    ) -> contract.ReportCaseResponse:
        """See the contract."""
        region = current_call().identity.region
        rules.require_header(request.header, region)
        own = region_contract.CaseHeader()
        own.CopyFrom(request.header)
        own.DiscardUnknownFields()  # fields of a later version were not checked
        if await self._ports.registry.keep_case(own):
            await self._forget_past()
            return contract.ReportCaseResponse()
        await self._make_room(region)
        if not await self._ports.registry.keep_case(own):
            raise Refused(Reason.REASON_TOO_BUSY)
        return contract.ReportCaseResponse()

    async def ListCases(
        self,
        request: contract.ListCasesRequest,
        context: grpc.aio.ServicerContext[contract.ListCasesRequest, contract.ListCasesResponse],
    ) -> contract.ListCasesResponse:
        """See the contract."""
        if request.region:
            require_configured(self._ports.members.all(), request.region)
        kept = await self._ports.registry.cases()
        now, body = self._ports.clock.now(), self._body()
        found = rules.listed(kept, request.region, now, include_ended=request.include_ended)
        cases, token = page_after(_PAGE, found, _BY_DUE_TIME, request.page_size, request.page_token)
        told = ((case.ticket_id, rules.on_duty(case, body, now)) for case in cases)
        duties = [contract.CaseDuty(ticket_id=ticket_id, on_duty=duty) for ticket_id, duty in told if duty is not None]
        return contract.ListCasesResponse(cases=cases, next_page_token=token, duties=duties)

    async def AssignComplaint(
        self,
        request: contract.AssignComplaintRequest,
        context: grpc.aio.ServicerContext[contract.AssignComplaintRequest, contract.AssignComplaintResponse],
    ) -> contract.AssignComplaintResponse:
        """See the contract."""
        leads, members = rules.leading_region(request.ticket_id), self._ports.members.all()
        if leads not in members:
            raise Refused(Reason.REASON_COMPLAINT_NOT_FOUND, complaint=request.ticket_id)
        require_member(members, request.region)
        rules.require_department(self._ports.registry.snapshot().configuration, request.department)
        require_reachable(members, leads)
        asked = region_contract.AssignComplaintRequest(
            request_id=request.request_id,
            ticket_id=request.ticket_id,
            region=request.region,
            department=request.department,
            administrator=current_call().identity.path,
            signed=request.signed if request.HasField("signed") else None,
        )
        try:
            answer = await self._ports.channels.call(
                leads,
                lambda replica, left: invoke(CaseServiceStub(replica.channel).AssignComplaint, asked, left),
                current_call().seconds_left(_ANSWER_SECONDS),
            )
        except Unreachable:
            raise Refused(Reason.REASON_REGION_UNREACHABLE, region=leads) from None
        duty = self._body().on_duty(request.region, request.department, self._ports.clock.now())
        return contract.AssignComplaintResponse(
            header=answer.header, on_duty=duty if duty.HasField("contact") else None
        )

    def _body(self) -> Body:
        return Body(self._ports.registry.snapshot().configuration or Configuration())

    async def _forget_past(self) -> None:
        """Removes cases that ended long ago, at intervals. Without reports their number does not grow.

        None goes while the clock is not settled: by a wrong one, all of them ended long ago.
        """
        clock = self._ports.clock
        if clock.is_settled() and clock.steady() - self._forgotten >= _FORGET_EVERY:
            now, self._forgotten = clock.now(), clock.steady()
            await self._ports.registry.forget_cases(lambda kept: past(kept, now))

    async def _make_room(self, region: str) -> None:
        """Removes the oldest ended cases of a region, at intervals."""

        async def remove(now: datetime) -> bool:
            return await self._ports.registry.forget_cases(lambda kept: past(kept, now), region) > 0

        await self._passes.make(region, remove)
