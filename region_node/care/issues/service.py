"""IssueService: gRPC for the issue application service."""

import grpc

from gateway.api.region.v1 import issue_service_pb2 as api
from gateway.api.region.v1.issue_pb2 import IssueRequest, IssueState
from gateway.api.region.v1.issue_service_pb2_grpc import IssueServiceServicer
from gateway.api.types.v1.types_pb2 import Requester
from gateway.errors import invalid
from gateway.store.port import Store
from gateway.time.clock import Clock
from region_node.care.issues import rules
from region_node.care.issues.application import IssueApplication
from region_node.care.issues.rows import ISSUE_ROWS
from region_node.requests.calling import calling, known_states, patience
from region_node.requests.checks import require_length
from region_node.tickets.reads import TicketReads
from region_node.tickets.rows import TicketFilter


class IssueService(IssueServiceServicer):
    """See the contract. Every method checks the form of its request and calls the application service."""

    def __init__(self, application: IssueApplication, store: Store, clock: Clock) -> None:
        self._application = application
        self._clock = clock
        self._reads = TicketReads(ISSUE_ROWS, store, clock, "issues")

    async def OpenIssue(
        self,
        request: api.OpenIssueRequest,
        context: grpc.aio.ServicerContext[api.OpenIssueRequest, api.OpenIssueResponse],
    ) -> api.OpenIssueResponse:
        """See the contract."""
        caller, asked = calling(request.request_id), IssueRequest()
        asked.CopyFrom(request.issue)
        asked.staff_id = caller.identity.name
        return api.OpenIssueResponse(issue=await self._application.open(caller, asked))

    async def GetIssue(
        self,
        request: api.GetIssueRequest,
        context: grpc.aio.ServicerContext[api.GetIssueRequest, api.GetIssueResponse],
    ) -> api.GetIssueResponse:
        """See the contract."""
        found = await self._reads.get("GetIssue", request.issue_id, Requester())
        return api.GetIssueResponse(issue=found)

    async def ListIssues(
        self,
        request: api.ListIssuesRequest,
        context: grpc.aio.ServicerContext[api.ListIssuesRequest, api.ListIssuesResponse],
    ) -> api.ListIssuesResponse:
        """See the contract."""
        wanted = TicketFilter(
            states=known_states(request.states, IssueState.values()),
            due_before=self._clock.now() if request.overdue else None,
        )
        size, token = request.page_size, request.page_token
        found, following = await self._reads.list("ListIssues", wanted, size, token, Requester())
        return api.ListIssuesResponse(issues=found, next_page_token=following)

    async def WorkOnIssue(
        self,
        request: api.WorkOnIssueRequest,
        context: grpc.aio.ServicerContext[api.WorkOnIssueRequest, api.WorkOnIssueResponse],
    ) -> api.WorkOnIssueResponse:
        """See the contract."""
        caller, step = calling(request.request_id), request.WhichOneof("step")
        if step is None:
            raise invalid("step", "none is set", "未指定任何一项")
        texts = {
            "note": request.note,
            "report": request.report.text,
            "escalate": request.escalate,
            "withdraw": request.withdraw,
        }
        if step in texts:
            require_length(step, texts[step], rules.TEXT_LIMIT, required=True)
        return api.WorkOnIssueResponse(issue=await self._application.work(caller, request, patience(request.wait)))
