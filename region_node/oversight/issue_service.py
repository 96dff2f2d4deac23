"""IssueOversightService: coordinators' view of this region's issues, and the issues that administrators open."""

import grpc

from gateway.api.region.v1 import issue_oversight_service_pb2 as api
from gateway.api.region.v1.issue_oversight_service_pb2 import IssueHeader
from gateway.api.region.v1.issue_oversight_service_pb2_grpc import IssueOversightServiceServicer
from gateway.api.region.v1.issue_pb2 import IssueRequest
from gateway.process.tracing import current_traceparent
from gateway.rpc.pages import dated_key, dated_place, decode_token, first_page, page_size
from gateway.store.port import Store
from gateway.time.clock import Clock, from_timestamp
from region_node.care.issues.application import IssueApplication
from region_node.care.issues.rows import count_issues, header_of, list_headers
from region_node.node.context import RegionContext
from region_node.oversight.complaint_service import require_administrator
from region_node.requests.caller import Administrator
from region_node.requests.checks import require_request_id

_PAGE = "issue headers"


class IssueOversightService(IssueOversightServiceServicer):
    """See the contract."""

    def __init__(self, context: RegionContext, application: IssueApplication, store: Store, clock: Clock) -> None:
        self._context = context
        self._application = application
        self._store = store
        self._clock = clock

    async def OpenIssueForAdministrator(  # noqa: N802 - named by the contract
        self,
        request: api.OpenIssueForAdministratorRequest,
        context: grpc.aio.ServicerContext[api.OpenIssueForAdministratorRequest, api.OpenIssueForAdministratorResponse],
    ) -> api.OpenIssueForAdministratorResponse:
        """See the contract."""
        require_request_id(request.request_id)
        require_administrator(request.administrator)
        asked, name = IssueRequest(), request.administrator
        asked.CopyFrom(request.issue)
        asked.owner_region, asked.staff_id = self._context.region, name
        opener = Administrator(name, request.request_id, current_traceparent())
        issue = await self._application.open(opener, asked)
        return api.OpenIssueForAdministratorResponse(issue=header_of(issue))

    async def ListIssueHeaders(  # noqa: N802 - named by the contract
        self,
        request: api.ListIssueHeadersRequest,
        context: grpc.aio.ServicerContext[api.ListIssueHeadersRequest, api.ListIssueHeadersResponse],
    ) -> api.ListIssueHeadersResponse:
        """See the contract."""
        size, after = page_size(request.page_size), dated_place(decode_token(_PAGE, request.page_token))
        found = await self._store.read(lambda tx: list_headers(tx, self._context.region, after, size + 1))
        issues, token = first_page(_PAGE, found, size, _place)
        return api.ListIssueHeadersResponse(issues=issues, next_page_token=token)

    async def CountIssues(  # noqa: N802 - named by the contract
        self,
        request: api.CountIssuesRequest,
        context: grpc.aio.ServicerContext[api.CountIssuesRequest, api.CountIssuesResponse],
    ) -> api.CountIssuesResponse:
        """See the contract."""
        now = self._clock.now()
        counts = await self._store.read(lambda tx: count_issues(tx, self._context.region, now))
        return api.CountIssuesResponse(counts=counts)


def _place(issue: IssueHeader) -> str:
    return dated_key(from_timestamp(issue.due_time), issue.id)
