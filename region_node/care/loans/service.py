"""LoanService: gRPC for the loan application service."""

import grpc

from gateway.api.region.v1 import loan_service_pb2 as api
from gateway.api.region.v1.loan_pb2 import LoanRequest, LoanState
from gateway.api.region.v1.loan_service_pb2_grpc import LoanServiceServicer
from gateway.api.types.v1.types_pb2 import Requester
from gateway.errors import invalid
from gateway.store.port import Store
from gateway.time.clock import Clock
from region_node.care.loans import rules
from region_node.care.loans.application import LoanApplication
from region_node.care.loans.rows import LOAN_ROWS
from region_node.requests.calling import calling, known_states, patience
from region_node.requests.checks import require_length
from region_node.tickets.reads import TicketReads
from region_node.tickets.rows import TicketFilter


class LoanService(LoanServiceServicer):
    """See the contract. Every method checks the form of its request and calls the application service."""

    def __init__(self, application: LoanApplication, store: Store, clock: Clock) -> None:
        self._application = application
        self._clock = clock
        self._reads = TicketReads(LOAN_ROWS, store, clock, "loans")

    async def RequestLoan(
        self,
        request: api.RequestLoanRequest,
        context: grpc.aio.ServicerContext[api.RequestLoanRequest, api.RequestLoanResponse],
    ) -> api.RequestLoanResponse:
        """See the contract."""
        caller, asked = calling(request.request_id), LoanRequest()
        asked.CopyFrom(request.loan)
        asked.staff_id = caller.identity.name
        return api.RequestLoanResponse(loan=await self._application.request(caller, asked))

    async def GetLoan(
        self,
        request: api.GetLoanRequest,
        context: grpc.aio.ServicerContext[api.GetLoanRequest, api.GetLoanResponse],
    ) -> api.GetLoanResponse:
        """See the contract."""
        found = await self._reads.get("GetLoan", request.loan_id, Requester())
        return api.GetLoanResponse(loan=found)

    async def ListLoans(
        self,
        request: api.ListLoansRequest,
        context: grpc.aio.ServicerContext[api.ListLoansRequest, api.ListLoansResponse],
    ) -> api.ListLoansResponse:
        """See the contract."""
        wanted = TicketFilter(
            states=known_states(request.states, LoanState.values()),
            due_before=self._clock.now() if request.overdue else None,
        )
        size, token = request.page_size, request.page_token
        found, following = await self._reads.list("ListLoans", wanted, size, token, Requester())
        return api.ListLoansResponse(loans=found, next_page_token=following)

    async def WorkOnLoan(
        self,
        request: api.WorkOnLoanRequest,
        context: grpc.aio.ServicerContext[api.WorkOnLoanRequest, api.WorkOnLoanResponse],
    ) -> api.WorkOnLoanResponse:
        """See the contract."""
        caller, step = calling(request.request_id), request.WhichOneof("step")
        if step is None:
            raise invalid("step", "none is set", "未指定任何一项")
        if step == "cancel":
            require_length(step, request.cancel.reason, rules.TEXT_LIMIT, required=True)
        if step == "give_back":
            require_length(step, request.give_back.note, rules.TEXT_LIMIT)
        return api.WorkOnLoanResponse(loan=await self._application.work(caller, request, patience(request.wait)))
