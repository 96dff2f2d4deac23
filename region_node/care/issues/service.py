"""IssueService: gRPC for the issue application service."""

import grpc

from gateway.api.region.v1 import issue_service_pb2 as api
from gateway.api.region.v1.issue_pb2 import Issue, IssueRequest, IssueState
from gateway.api.region.v1.issue_service_pb2_grpc import IssueServiceServicer
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Requester
from gateway.errors import Refused
from gateway.process.tracing import current_traceparent
from gateway.rpc.calls import current_call
from gateway.rpc.pages import dated_place, decode_token, encode_token, page_size
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock
from region_node.care.issues import rules
from region_node.care.issues.application import IssueApplication
from region_node.care.issues.rows import IssueFilter, list_issues, require_issue
from region_node.records.listing import Page
from region_node.requests.auditing import audited_call
from region_node.requests.caller import Caller
from region_node.requests.checks import require_length, require_request_id, wait_seconds

_PAGE = "issues"


class IssueService(IssueServiceServicer):
    """See the contract. Every method checks the form of its request and calls the application service."""

    def __init__(self, application: IssueApplication, store: Store, clock: Clock) -> None:
        self._application = application
        self._store = store
        self._clock = clock

    async def OpenIssue(
        self,
        request: api.OpenIssueRequest,
        context: grpc.aio.ServicerContext[api.OpenIssueRequest, api.OpenIssueResponse],
    ) -> api.OpenIssueResponse:
        """See the contract."""
        caller, asked = _caller(request.request_id), IssueRequest()
        asked.CopyFrom(request.issue)
        asked.staff_id = caller.identity.name
        return api.OpenIssueResponse(issue=await self._application.open(caller, asked))

    async def GetIssue(
        self,
        request: api.GetIssueRequest,
        context: grpc.aio.ServicerContext[api.GetIssueRequest, api.GetIssueResponse],
    ) -> api.GetIssueResponse:
        """See the contract."""
        reading = audited_call(Requester(), self._clock)

        def read(tx: Transaction) -> Issue:
            found = require_issue(tx, request.issue_id).issue
            reading.record(tx, "GetIssue", found.id)
            return found

        return api.GetIssueResponse(issue=await self._store.write(read))

    async def ListIssues(
        self,
        request: api.ListIssuesRequest,
        context: grpc.aio.ServicerContext[api.ListIssuesRequest, api.ListIssuesResponse],
    ) -> api.ListIssuesResponse:
        """See the contract."""
        reading = audited_call(Requester(), self._clock)
        size, before = page_size(request.page_size), dated_place(decode_token(_PAGE, request.page_token))
        if not set(request.states) <= set(IssueState.values()):
            raise Refused(Reason.REASON_REQUEST_INVALID, field="states", problem="names an unknown state")
        wanted = IssueFilter(sorted(set(request.states)), reading.now if request.overdue else None)

        def read(tx: Transaction) -> Page[Issue]:
            page = list_issues(tx, wanted, before, size)
            reading.record(tx, "ListIssues", "-", f"{len(page.items)} read")
            return page

        page = await self._store.write(read)
        return api.ListIssuesResponse(issues=page.items, next_page_token=encode_token(_PAGE, page.following))

    async def WorkOnIssue(
        self,
        request: api.WorkOnIssueRequest,
        context: grpc.aio.ServicerContext[api.WorkOnIssueRequest, api.WorkOnIssueResponse],
    ) -> api.WorkOnIssueResponse:
        """See the contract."""
        caller, step = _caller(request.request_id), request.WhichOneof("step")
        if step is None:
            raise Refused(Reason.REASON_REQUEST_INVALID, field="step", problem="none is set")
        texts = {
            "note": request.note,
            "report": request.report.text,
            "escalate": request.escalate,
            "withdraw": request.withdraw,
        }
        if step in texts:
            require_length(step, texts[step], rules.TEXT_LIMIT, required=True)
        wait = current_call().patience(wait_seconds(request.wait.seconds + request.wait.nanos / 1e9))
        return api.WorkOnIssueResponse(issue=await self._application.work(caller, request, wait))


def _caller(request_id: str) -> Caller:
    require_request_id(request_id)
    return Caller(current_call().identity, request_id, current_traceparent())
