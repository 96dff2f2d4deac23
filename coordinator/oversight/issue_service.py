"""Issues between regions, for administrators: queried from the nodes at each call, and never stored."""

import grpc

from coordinator.oversight.listings import DUE_ISSUES
from coordinator.oversight.region_pages import page_of_regions
from coordinator.oversight.region_queries import Regions
from gateway.api.coordinator.v1 import issue_service_pb2 as contract
from gateway.api.coordinator.v1.issue_service_pb2_grpc import IssueServiceServicer
from gateway.api.region.v1 import issue_oversight_service_pb2 as region_contract
from gateway.api.region.v1.issue_oversight_service_pb2 import IssueHeader
from gateway.api.region.v1.issue_oversight_service_pb2_grpc import IssueOversightServiceStub
from gateway.rpc.calls import current_call
from gateway.rpc.channels import invoke
from gateway.rpc.merged_pages import Part
from gateway.rpc.pages import page_size


class IssueService(IssueServiceServicer):
    """Queries the nodes."""

    def __init__(self, regions: Regions) -> None:
        self._regions = regions

    async def OpenIssue(  # noqa: N802 - named by the contract
        self,
        request: contract.OpenIssueRequest,
        context: grpc.aio.ServicerContext[contract.OpenIssueRequest, contract.OpenIssueResponse],
    ) -> contract.OpenIssueResponse:
        """See the contract. The owner region stores the issue or refuses it."""
        owner = request.issue.owner_region
        self._regions.require_configured(owner)
        asked = region_contract.OpenIssueForAdministratorRequest(
            request_id=request.request_id, issue=request.issue, administrator=current_call().identity.path
        )
        answer = await self._regions.require(
            owner,
            lambda channel, seconds: invoke(
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
            answer = await invoke(IssueOversightServiceStub(channel).ListIssueHeaders, question, seconds)
            return told.more(answer.issues, answer.next_page_token)

        page = await page_of_regions(self._regions, DUE_ISSUES, ask, size, request.page_token)
        return contract.ListIssueHeadersResponse(
            issues=page.items, unanswered=page.unanswered, next_page_token=page.following
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
            lambda channel, seconds: invoke(IssueOversightServiceStub(channel).CountIssues, question, seconds),
        )
        found = [
            contract.CountIssuesResponse.RegionIssues(region=region, counts=answer.counts)
            for region, answer in sorted(answers.by_region.items())
        ]
        return contract.CountIssuesResponse(regions=found, unanswered=answers.unanswered())
