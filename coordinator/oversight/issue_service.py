"""Issues between regions, for administrators: queried from the nodes at each call, and never stored."""

from collections.abc import Iterator, Sequence

import grpc

from coordinator.oversight.listings import DUE_ISSUES
from coordinator.oversight.region_pages import page_of_regions
from coordinator.oversight.region_queries import Ask, Regions, readable_answer
from coordinator.registry.port import Registry
from gateway.api.coordinator.v1 import issue_service_pb2 as contract
from gateway.api.coordinator.v1.issue_service_pb2_grpc import IssueServiceServicer
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.region.v1 import issue_oversight_service_pb2 as region_contract
from gateway.api.region.v1.issue_oversight_service_pb2 import IssueHeader
from gateway.api.region.v1.issue_oversight_service_pb2_grpc import IssueOversightServiceStub
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.federation.body import ISSUE_ESCALATED, ISSUE_WITHOUT_OWNER, Body
from gateway.rpc.calls import current_call
from gateway.rpc.merged_pages import Part
from gateway.rpc.pages import page_size
from gateway.time.clock import Clock


class IssueService(IssueServiceServicer):
    """Queries the nodes."""

    def __init__(self, regions: Regions, registry: Registry, clock: Clock) -> None:
        self._regions = regions
        self._registry = registry
        self._clock = clock

    async def OpenIssue(  # noqa: N802 - named by the contract
        self,
        request: contract.OpenIssueRequest,
        context: grpc.aio.ServicerContext[contract.OpenIssueRequest, contract.OpenIssueResponse],
    ) -> contract.OpenIssueResponse:
        """See the contract. The owner region stores the issue or refuses it."""
        owner = request.issue.owner_region
        self._regions.require_configured(owner)
        asked = region_contract.OpenIssueForAdministratorRequest(
            request_id=request.request_id,
            issue=request.issue,
            administrator=current_call().identity.path,
            signed=request.signed if request.HasField("signed") else None,
        )
        answer = await self._regions.require(
            owner,
            lambda channel, seconds: readable_answer(
                IssueOversightServiceStub(channel).OpenIssueForAdministrator, asked, seconds
            ),
        )
        return contract.OpenIssueResponse(issue=answer.issue)

    async def ListIssueHeaders(  # noqa: N802 - named by the contract
        self,
        request: contract.ListIssueHeadersRequest,
        context: grpc.aio.ServicerContext[contract.ListIssueHeadersRequest, contract.ListIssueHeadersResponse],
    ) -> contract.ListIssueHeadersResponse:
        """See the contract."""
        size = page_size(request.page_size)

        async def ask(channel: grpc.aio.Channel, seconds: float, told: Part[IssueHeader]) -> Part[IssueHeader]:
            question = region_contract.ListIssueHeadersRequest(page_size=size, page_token=told.following)
            answer = await readable_answer(IssueOversightServiceStub(channel).ListIssueHeaders, question, seconds)
            return told.more(answer.issues, answer.next_page_token)

        page = await page_of_regions(self._regions, DUE_ISSUES, ask, size, request.page_token)
        return contract.ListIssueHeadersResponse(
            issues=page.items,
            unanswered=page.unanswered,
            next_page_token=page.following,
            duties=self._duties(page.items),
        )

    async def AppointIssueOwner(  # noqa: N802 - named by the contract
        self,
        request: contract.AppointIssueOwnerRequest,
        context: grpc.aio.ServicerContext[contract.AppointIssueOwnerRequest, contract.AppointIssueOwnerResponse],
    ) -> contract.AppointIssueOwnerResponse:
        """See the contract. Every region follows the new owner by its signature, which a coordinator brings."""
        owner = request.owner_region
        self._regions.require_configured(owner)
        asked = region_contract.AppointIssueOwnerRequest(
            issue_id=request.issue_id,
            owner_region=owner,
            reason=request.reason,
            administrator=current_call().identity.path,
            signed=request.signed if request.HasField("signed") else None,
        )
        appointed = await self._regions.require(owner, _appointing(asked))
        asked.version, asked.ownership = appointed.issue.version, appointed.ownership
        others = [each for each in appointed.regions if self._regions.is_configured(each)]
        told = await self._regions.ask(others, _appointing(asked))
        duty = self._body().lead_on_duty(ISSUE_ESCALATED, owner, "", self._clock.now())
        return contract.AppointIssueOwnerResponse(
            issue=appointed.issue,
            on_duty=duty if duty is not None and duty.HasField("contact") else None,
            # A helper without the issue hears of it from the new owner or from its origin.
            unanswered=told.unanswered(Reason.REASON_ISSUE_NOT_FOUND),
        )

    async def CountIssues(  # noqa: N802 - named by the contract
        self,
        request: contract.CountIssuesRequest,
        context: grpc.aio.ServicerContext[contract.CountIssuesRequest, contract.CountIssuesResponse],
    ) -> contract.CountIssuesResponse:
        """See the contract."""
        question = region_contract.CountIssuesRequest()
        answers = await self._regions.ask(
            self._regions.joined(),
            lambda channel, seconds: readable_answer(IssueOversightServiceStub(channel).CountIssues, question, seconds),
        )
        found = [
            contract.CountIssuesResponse.RegionIssues(region=region, counts=answer.counts)
            for region, answer in sorted(answers.by_region.items())
        ]
        return contract.CountIssuesResponse(regions=found, unanswered=answers.unanswered())

    def _duties(self, issues: Sequence[IssueHeader]) -> Iterator[contract.IssueDuty]:
        """The persons to call for issues whose owner is silent or has left."""
        body, now = self._body(), self._clock.now()
        for each in issues:
            if each.silent_limits or each.owner_has_left:
                duty = body.lead_on_duty(ISSUE_WITHOUT_OWNER, each.owner_region, "", now)
                if duty is not None and duty.HasField("contact"):
                    yield contract.IssueDuty(issue_id=each.id, on_duty=duty)

    def _body(self) -> Body:
        return Body(self._registry.snapshot().configuration or Configuration())


def _appointing(asked: region_contract.AppointIssueOwnerRequest) -> Ask[region_contract.AppointIssueOwnerResponse]:
    return lambda channel, seconds: readable_answer(
        IssueOversightServiceStub(channel).AppointIssueOwner, asked, seconds
    )
