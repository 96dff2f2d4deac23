"""SupportService: gRPC for the support application service."""

from collections.abc import Sequence

import grpc

from gateway.api.region.v1 import support_service_pb2 as api
from gateway.api.region.v1.support_request_pb2 import SupportInquiry, SupportRequest, SupportState
from gateway.api.region.v1.support_resource_service_pb2 import SupportUnanswered
from gateway.api.region.v1.support_service_pb2_grpc import SupportServiceServicer
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.numberplan import normalize
from gateway.process.tracing import current_traceparent
from gateway.rpc.calls import current_call
from gateway.rpc.pages import dated_place, decode_token, encode_token, page_size
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock
from region_node.network.support import handling, rules
from region_node.network.support.application import SupportApplication
from region_node.network.support.measured import with_measurements
from region_node.network.support.rows import SupportFilter, list_support_requests
from region_node.node.context import RegionContext
from region_node.records.listing import Page
from region_node.requests.auditing import audited_call
from region_node.requests.caller import Caller
from region_node.requests.checks import require_length, require_reader, require_request_id, wait_seconds
from region_node.requests.questions import Questions

_PAGE = "support-requests"


class SupportService(SupportServiceServicer):
    """See the contract. Every method checks the form of its request and calls the application service."""

    def __init__(
        self, context: RegionContext, application: SupportApplication, store: Store, questions: Questions, clock: Clock
    ) -> None:
        self._context = context
        self._application = application
        self._questions = questions
        self._store = store
        self._clock = clock

    async def OpenSupportRequest(
        self,
        request: api.OpenSupportRequestRequest,
        context: grpc.aio.ServicerContext[api.OpenSupportRequestRequest, api.OpenSupportRequestResponse],
    ) -> api.OpenSupportRequestResponse:
        """See the contract."""
        caller, inquiry = _caller(request.request_id), SupportInquiry()
        rules.require_inquiry(request.inquiry)
        inquiry.CopyFrom(request.inquiry)
        inquiry.number = normalize(inquiry.number)
        inquiry.staff_id = require_reader(current_call().identity, request.requester)
        asked, now = inquiry, self._clock.now()
        unanswered: Sequence[SupportUnanswered] = ()
        if request.measure:
            inquiry, unanswered = await with_measurements(self._context, self._store, self._questions, asked, now)
        opened = await self._application.open(caller, inquiry, asked if request.measure else None)
        return api.OpenSupportRequestResponse(request=opened, unanswered=unanswered)

    async def GetSupportRequest(
        self,
        request: api.GetSupportRequestRequest,
        context: grpc.aio.ServicerContext[api.GetSupportRequestRequest, api.GetSupportRequestResponse],
    ) -> api.GetSupportRequestResponse:
        """See the contract."""
        identity, reading = current_call().identity, audited_call(request.requester, self._clock)

        def read(tx: Transaction) -> SupportRequest:
            found = handling.find_for(tx, request.support_request_id, identity)
            reading.record(tx, "GetSupportRequest", found.id)
            return found

        return api.GetSupportRequestResponse(request=await self._store.write(read))

    async def ListSupportRequests(
        self,
        request: api.ListSupportRequestsRequest,
        context: grpc.aio.ServicerContext[api.ListSupportRequestsRequest, api.ListSupportRequestsResponse],
    ) -> api.ListSupportRequestsResponse:
        """See the contract."""
        identity, reading = current_call().identity, audited_call(request.requester, self._clock)
        size, before = page_size(request.page_size), dated_place(decode_token(_PAGE, request.page_token))
        wanted = SupportFilter(
            operator=identity.name if identity.role == Role.ROLE_OPERATOR else "",
            states=_states(request.states),
            number=normalize(request.number) if request.number else "",
        )

        def read(tx: Transaction) -> Page[SupportRequest]:
            page = list_support_requests(tx, wanted, before, size)
            reading.record(tx, "ListSupportRequests", "-", f"{len(page.items)} read")
            return page

        page = await self._store.write(read)
        token = encode_token(_PAGE, page.following)
        return api.ListSupportRequestsResponse(requests=page.items, next_page_token=token)

    async def WorkOnSupportRequest(
        self,
        request: api.WorkOnSupportRequestRequest,
        context: grpc.aio.ServicerContext[api.WorkOnSupportRequestRequest, api.WorkOnSupportRequestResponse],
    ) -> api.WorkOnSupportRequestResponse:
        """See the contract."""
        caller, step = _caller(request.request_id), request.WhichOneof("step")
        if step is None:
            raise Refused(Reason.REASON_REQUEST_INVALID, field="step", problem="none is set")
        if step in ("note", "resolve", "reopen"):
            text = {"note": request.note, "resolve": request.resolve, "reopen": request.reopen}[step]
            require_length(step, text, rules.TEXT_LIMIT, required=True)
        wait = current_call().patience(wait_seconds(request.wait.seconds + request.wait.nanos / 1e9))
        return api.WorkOnSupportRequestResponse(request=await self._application.work(caller, request, wait))


def _caller(request_id: str) -> Caller:
    require_request_id(request_id)
    return Caller(current_call().identity, request_id, current_traceparent())


def _states(asked: Sequence[SupportState.ValueType]) -> list[SupportState.ValueType]:
    """The states of a filter, each once. Raises Refused for one that the contract does not know."""
    if not set(asked) <= set(SupportState.values()):
        raise Refused(Reason.REASON_REQUEST_INVALID, field="states", problem="names an unknown state")
    return sorted(set(asked))
