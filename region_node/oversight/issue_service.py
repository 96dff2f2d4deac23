"""IssueOversightService: coordinators' view of this region's issues, and the issues that administrators open."""

from collections.abc import Sequence

import grpc

from gateway.api.region.v1 import issue_oversight_service_pb2 as api
from gateway.api.region.v1.issue_oversight_service_pb2 import IssueHeader
from gateway.api.region.v1.issue_oversight_service_pb2_grpc import IssueOversightServiceServicer
from gateway.api.region.v1.issue_pb2 import IssueRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused, in_both
from gateway.process.tracing import current_traceparent
from gateway.rpc.pages import dated_key, dated_place, decode_token, first_page, page_size
from gateway.security.signing import ISSUE_OWNERSHIP
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock, from_timestamp
from region_node.care.issues import rules
from region_node.care.issues.application import IssueApplication
from region_node.care.issues.owner import Appointment
from region_node.care.issues.rows import count_issues, header_of, list_headers, open_owners
from region_node.node.context import RegionContext
from region_node.requests.administrators import acting
from region_node.requests.caller import Administrator
from region_node.requests.checks import require_length, require_request_id

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
        act = acting(self._context, request, self._clock.now())
        asked, name = IssueRequest(), act.administrator
        asked.CopyFrom(request.issue)
        asked.owner_region, asked.staff_id = self._context.region, name
        opener = Administrator(name, request.request_id, current_traceparent(), act.proof)
        issue = await self._application.open(opener, asked)
        return api.OpenIssueForAdministratorResponse(issue=header_of(issue))

    async def ListIssueHeaders(  # noqa: N802 - named by the contract
        self,
        request: api.ListIssueHeadersRequest,
        context: grpc.aio.ServicerContext[api.ListIssueHeadersRequest, api.ListIssueHeadersResponse],
    ) -> api.ListIssueHeadersResponse:
        """See the contract."""
        size, after = page_size(request.page_size), dated_place(decode_token(_PAGE, request.page_token))

        def read(tx: Transaction) -> Sequence[IssueHeader]:
            left = [each for each in open_owners(tx) if not self._context.takes_part(each)]
            return list_headers(tx, self._context.region, after, size + 1, left)

        found = await self._store.read(read)
        issues, token = first_page(_PAGE, found, size, _place)
        return api.ListIssueHeadersResponse(issues=issues, next_page_token=token)

    async def AppointIssueOwner(  # noqa: N802 - named by the contract
        self,
        request: api.AppointIssueOwnerRequest,
        context: grpc.aio.ServicerContext[api.AppointIssueOwnerRequest, api.AppointIssueOwnerResponse],
    ) -> api.AppointIssueOwnerResponse:
        """See the contract."""
        act = acting(self._context, request, self._clock.now(), is_anywhere=True)
        require_length("reason", request.reason, rules.TEXT_LIMIT, required=True)
        self._context.federation.region(request.owner_region)
        self._require_owned(request)
        asked = Appointment(request.issue_id, request.owner_region, act, request.reason, request.version)
        issue = await self._application.appoint(asked)
        former = [each.former_owner_region for each in issue.appointments]
        others = dict.fromkeys((*rules.parties(issue), *former))
        regions = [each for each in others if each != self._context.region]
        owned = _owned(issue.id, issue.owner_region, issue.version)
        is_own = issue.owner_region == self._context.region
        ownership = self._context.border.signer.sign(ISSUE_OWNERSHIP, owned) if is_own else b""
        return api.AppointIssueOwnerResponse(issue=header_of(issue), regions=regions, ownership=ownership)

    async def CountIssues(  # noqa: N802 - named by the contract
        self,
        request: api.CountIssuesRequest,
        context: grpc.aio.ServicerContext[api.CountIssuesRequest, api.CountIssuesResponse],
    ) -> api.CountIssuesResponse:
        """See the contract."""
        now = self._clock.now()
        counts = await self._store.read(lambda tx: count_issues(tx, self._context.region, now))
        return api.CountIssuesResponse(counts=counts)

    def _require_owned(self, request: api.AppointIssueOwnerRequest) -> None:
        """Raises Refused with ADMINISTRATOR_ACT_UNPROVEN where the new owner has not signed that it owns the issue.

        It owns none whose owner takes part: a coordinator that has kept an act back cannot use it at the others alone.
        """
        region = request.owner_region
        if region == self._context.region:
            return
        owned = _owned(request.issue_id, region, request.version)
        if not self._context.border.keys.verify(region, ISSUE_OWNERSHIP, owned, request.ownership):
            told = LocalizedText(
                zh_cn="新的牵头地区未签名确认其牵头该协调问题", en="the new owner has not signed that it owns the issue"
            )
            raise Refused(Reason.REASON_ADMINISTRATOR_ACT_UNPROVEN, **in_both(problem=told))


def _owned(issue_id: str, region: str, version: int) -> bytes:
    """The signed bytes of an ownership."""
    return f"{issue_id}\n{region}\n{version}".encode()


def _place(issue: IssueHeader) -> str:
    return dated_key(from_timestamp(issue.due_time), issue.id)
