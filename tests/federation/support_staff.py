"""A caller about support requests at one region's node: an operator system, or a member of its staff."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import grpc

from gateway.api.region.v1 import support_resource_service_pb2 as registry_api
from gateway.api.region.v1 import support_service_pb2 as api
from gateway.api.region.v1.support_request_pb2 import SupportInquiry, SupportMeasurement, SupportRequest, SupportState
from gateway.api.region.v1.support_resource_service_pb2_grpc import SupportResourceServiceStub
from gateway.api.region.v1.support_service_pb2 import WorkOnSupportRequestRequest
from gateway.api.region.v1.support_service_pb2_grpc import SupportServiceStub
from gateway.time.clock import to_timestamp
from tests.federation.counter import REQUESTER, WAIT, seconds
from tests.federation.refusals import read
from tests.federation.running import CALL_SECONDS, Federation, until

ACKNOWLEDGED = SupportState.SUPPORT_STATE_ACKNOWLEDGED
IN_PROGRESS = SupportState.SUPPORT_STATE_IN_PROGRESS
RESOLVED = SupportState.SUPPORT_STATE_RESOLVED
CLOSED = SupportState.SUPPORT_STATE_CLOSED
SERVICE, LINK = "lines-chengdu-guangzhou", "chengdu-guangzhou-1"  # of Sichuan both
NORTHERN_SERVICE, NORTHERN_LINK = "lines-guangzhou-zhengzhou", "zhengzhou-wuhan-1"  # of Guangdong, of Henan


@dataclass(frozen=True)
class SupportStaff:
    """Staff of a region, or who else is named, for example `operator/counter`."""

    federation: Federation
    region: str
    name: str = "staff/wang"

    @property
    def service(self) -> SupportServiceStub:
        """The support service of the region's node."""
        return SupportServiceStub(self.federation.dial_node(self.region, f"region/{self.region}/{self.name}"))

    @property
    def registry(self) -> SupportResourceServiceStub:
        """The registry of experts and spares of the region's node."""
        return SupportResourceServiceStub(self.federation.dial_node(self.region, f"region/{self.region}/{self.name}"))

    def inquiry(self, number: str, service: str = SERVICE, link: str = "", delay: int = 250_000) -> SupportInquiry:
        """A good inquiry, with a link that is too slow where one is named."""
        now = self.federation.clock.now()
        measurement = SupportMeasurement(
            link=link,
            delay_us=delay,
            start_time=to_timestamp(now - timedelta(hours=1)),
            end_time=to_timestamp(now),
        )
        return SupportInquiry(
            number=number,
            subject="专线卡顿",
            description="视频会议从九点起断续",
            service=service,
            measurements=[measurement] if link else [],
        )

    async def open(self, number: str, *, service: str = SERVICE, link: str = "") -> SupportRequest:
        """Opens a support request."""
        return await self.hand_in(self.inquiry(number, service, link))

    async def hand_in(self, inquiry: SupportInquiry, request_id: str = "") -> SupportRequest:
        """Opens a support request as it is."""
        message = api.OpenSupportRequestRequest(
            request_id=request_id or self.federation.next_id(), inquiry=inquiry, requester=REQUESTER
        )
        return (await self.service.OpenSupportRequest(message, timeout=CALL_SECONDS)).request

    async def measures(self, inquiry: SupportInquiry, request_id: str = "") -> api.OpenSupportRequestResponse:
        """Opens a support request with what the regions have measured."""
        message = api.OpenSupportRequestRequest(
            request_id=request_id or self.federation.next_id(), inquiry=inquiry, requester=REQUESTER, measure=True
        )
        return await self.service.OpenSupportRequest(message, timeout=CALL_SECONDS)

    async def get(self, support_id: str) -> SupportRequest:
        """The support request as it stands at this region."""
        message = api.GetSupportRequestRequest(support_request_id=support_id, requester=REQUESTER)
        return (await self.service.GetSupportRequest(message, timeout=CALL_SECONDS)).request

    async def list(self, number: str) -> list[str]:
        """The ids of this region's support requests of a number, newest first."""
        message = api.ListSupportRequestsRequest(number=number, requester=REQUESTER)
        return [each.id for each in (await self.service.ListSupportRequests(message, timeout=CALL_SECONDS)).requests]

    async def follows(self, support_id: str, holds: Callable[[SupportRequest], bool], what: str) -> SupportRequest:
        """The support request once something holds of it at this region."""
        found = SupportRequest()

        async def is_so() -> bool:
            try:
                found.CopyFrom(await self.get(support_id))
            except grpc.aio.AioRpcError as error:
                if read(error).reason != "SUPPORT_REQUEST_NOT_FOUND":  # it may be on its way
                    raise
                return False
            return holds(found)

        await until(is_so, f"{support_id} in {self.region}: {what}")
        return found

    async def reaches(self, support_id: str, state: SupportState.ValueType) -> SupportRequest:
        """The support request once it is in a state at this region."""
        return await self.follows(support_id, lambda each: each.state == state, SupportState.Name(state))

    async def is_taken(self, support_id: str) -> SupportRequest:
        """The support request once the region at fault has it."""
        return await self.follows(support_id, lambda each: each.version > 0, "taken")

    async def work(self, support_id: str, step: WorkOnSupportRequestRequest, request_id: str = "") -> SupportRequest:
        """Does a step."""
        message = WorkOnSupportRequestRequest()
        message.CopyFrom(step)
        message.support_request_id, message.request_id = support_id, request_id or self.federation.next_id()
        message.wait.CopyFrom(seconds(WAIT))
        return (await self.service.WorkOnSupportRequest(message, timeout=CALL_SECONDS)).request

    async def notes(self, support_id: str, text: str, request_id: str = "") -> SupportRequest:
        """Writes something down."""
        return await self.work(support_id, WorkOnSupportRequestRequest(note=text), request_id)

    async def work_without_waiting(self, support_id: str, text: str) -> SupportRequest:
        """Writes something down and does not wait for the region at fault."""
        message = WorkOnSupportRequestRequest(
            support_request_id=support_id, request_id=self.federation.next_id(), note=text
        )
        return (await self.service.WorkOnSupportRequest(message, timeout=CALL_SECONDS)).request

    async def takes_up(self, support_id: str) -> SupportRequest:
        """Works on it from now on."""
        step = WorkOnSupportRequestRequest(take_up=WorkOnSupportRequestRequest.TakeUp())
        return await self.work(support_id, step)

    async def resolves(self, support_id: str) -> SupportRequest:
        """Says what was done."""
        return await self.work(support_id, WorkOnSupportRequestRequest(resolve="更换光模块"))

    async def reopens(self, support_id: str) -> SupportRequest:
        """Says that it is not resolved."""
        return await self.work(support_id, WorkOnSupportRequestRequest(reopen="仍然断续"))

    async def closes(self, support_id: str) -> SupportRequest:
        """Is content."""
        step = WorkOnSupportRequestRequest(close=WorkOnSupportRequestRequest.Close())
        return await self.work(support_id, step)

    async def enters(self, staff_id: str, *skills: str, sites: tuple[str, ...] = ()) -> None:
        """Enters an expert."""
        expert = registry_api.Expert(staff_id=staff_id, skills=skills, sites=sites)
        await self.registry.KeepExpert(registry_api.KeepExpertRequest(expert=expert), timeout=CALL_SECONDS)

    async def finds(self, *, skill: str = "", site: str = "") -> registry_api.ListExpertsResponse:
        """The experts of all regions."""
        search = registry_api.ExpertSearch(skill=skill, site=site)
        message = registry_api.ListExpertsRequest(search=search, everywhere=True)
        return await self.registry.ListExperts(message, timeout=CALL_SECONDS)

    async def stores(self, part_number: str, model: str, site: str, count: int) -> None:
        """Enters a spare."""
        spare = registry_api.Spare(part_number=part_number, model=model, site=site, count=count)
        await self.registry.KeepSpare(registry_api.KeepSpareRequest(spare=spare), timeout=CALL_SECONDS)

    async def looks_for(
        self, *, part_number: str = "", model: str = "", site: str = "", everywhere: bool = True
    ) -> registry_api.ListSparesResponse:
        """The spares of all regions."""
        search = registry_api.SpareSearch(part_number=part_number, model=model, site=site)
        message = registry_api.ListSparesRequest(search=search, everywhere=everywhere)
        return await self.registry.ListSpares(message, timeout=CALL_SECONDS)
