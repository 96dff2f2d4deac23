"""SupportService: gRPC for the support application service."""

from collections.abc import Sequence

import grpc

from gateway.api.region.v1 import support_service_pb2 as api
from gateway.api.region.v1.support_request_pb2 import SupportInquiry, SupportRequest, SupportState
from gateway.api.region.v1.support_resource_service_pb2 import SupportUnanswered
from gateway.api.region.v1.support_service_pb2_grpc import SupportServiceServicer
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import invalid
from gateway.federation.numberplan import normalize
from gateway.rpc.calls import current_call
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock
from region_node.network.support import handling, rules
from region_node.network.support.application import SupportApplication
from region_node.network.support.measured import with_measurements
from region_node.network.support.rows import SUPPORT_ROWS
from region_node.node.context import RegionContext
from region_node.requests.calling import calling, known_states, patience
from region_node.requests.checks import require_length, require_reader
from region_node.requests.questions import Questions
from region_node.tickets.reads import TicketReads
from region_node.tickets.rows import TicketFilter


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
        self._reads = TicketReads(SUPPORT_ROWS, store, clock, "support-requests")

    async def OpenSupportRequest(
        self,
        request: api.OpenSupportRequestRequest,
        context: grpc.aio.ServicerContext[api.OpenSupportRequestRequest, api.OpenSupportRequestResponse],
    ) -> api.OpenSupportRequestResponse:
        """See the contract."""
        caller, inquiry = calling(request.request_id), SupportInquiry()
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
        identity, name = current_call().identity, request.support_request_id

        def find(tx: Transaction) -> SupportRequest:
            return handling.find_for(tx, name, identity)

        found = await self._reads.get("GetSupportRequest", name, request.requester, find)
        return api.GetSupportRequestResponse(request=found)

    async def ListSupportRequests(
        self,
        request: api.ListSupportRequestsRequest,
        context: grpc.aio.ServicerContext[api.ListSupportRequestsRequest, api.ListSupportRequestsResponse],
    ) -> api.ListSupportRequestsResponse:
        """See the contract."""
        identity = current_call().identity
        wanted = TicketFilter(
            operator=identity.name if identity.role == Role.ROLE_OPERATOR else "",
            states=known_states(request.states, SupportState.values()),
            number=normalize(request.number) if request.number else "",
        )
        size, token, requester = request.page_size, request.page_token, request.requester
        found, following = await self._reads.list("ListSupportRequests", wanted, size, token, requester)
        return api.ListSupportRequestsResponse(requests=found, next_page_token=following)

    async def WorkOnSupportRequest(
        self,
        request: api.WorkOnSupportRequestRequest,
        context: grpc.aio.ServicerContext[api.WorkOnSupportRequestRequest, api.WorkOnSupportRequestResponse],
    ) -> api.WorkOnSupportRequestResponse:
        """See the contract."""
        caller, step = calling(request.request_id), request.WhichOneof("step")
        if step is None:
            raise invalid("step", "none is set", "未指定任何一项")
        if step in ("note", "resolve", "reopen"):
            text = {"note": request.note, "resolve": request.resolve, "reopen": request.reopen}[step]
            require_length(step, text, rules.TEXT_LIMIT, required=True)
        worked = await self._application.work(caller, request, patience(request.wait))
        return api.WorkOnSupportRequestResponse(request=worked)
