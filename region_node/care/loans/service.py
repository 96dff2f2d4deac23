"""LoanService: gRPC for the loan application service."""

import grpc

from gateway.api.region.v1 import loan_service_pb2 as api
from gateway.api.region.v1.loan_pb2 import Loan, LoanRequest, LoanState
from gateway.api.region.v1.loan_service_pb2_grpc import LoanServiceServicer
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Requester
from gateway.errors import Refused
from gateway.process.tracing import current_traceparent
from gateway.rpc.calls import current_call
from gateway.rpc.pages import dated_place, decode_token, encode_token, page_size
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock
from region_node.care.loans import rules
from region_node.care.loans.application import LoanApplication
from region_node.care.loans.rows import LoanFilter, list_loans, require_loan
from region_node.records.listing import Page
from region_node.requests.auditing import audited_call
from region_node.requests.caller import Caller
from region_node.requests.checks import require_length, require_request_id, wait_seconds

_PAGE = "loans"


class LoanService(LoanServiceServicer):
    """See the contract. Every method checks the form of its request and calls the application service."""

    def __init__(self, application: LoanApplication, store: Store, clock: Clock) -> None:
        self._application = application
        self._store = store
        self._clock = clock

    async def RequestLoan(
        self,
        request: api.RequestLoanRequest,
        context: grpc.aio.ServicerContext[api.RequestLoanRequest, api.RequestLoanResponse],
    ) -> api.RequestLoanResponse:
        """See the contract."""
        caller, asked = _caller(request.request_id), LoanRequest()
        asked.CopyFrom(request.loan)
        asked.staff_id = caller.identity.name
        return api.RequestLoanResponse(loan=await self._application.request(caller, asked))

    async def GetLoan(
        self,
        request: api.GetLoanRequest,
        context: grpc.aio.ServicerContext[api.GetLoanRequest, api.GetLoanResponse],
    ) -> api.GetLoanResponse:
        """See the contract."""
        reading = audited_call(Requester(), self._clock)

        def read(tx: Transaction) -> Loan:
            found = require_loan(tx, request.loan_id).loan
            reading.record(tx, "GetLoan", found.id)
            return found

        return api.GetLoanResponse(loan=await self._store.write(read))

    async def ListLoans(
        self,
        request: api.ListLoansRequest,
        context: grpc.aio.ServicerContext[api.ListLoansRequest, api.ListLoansResponse],
    ) -> api.ListLoansResponse:
        """See the contract."""
        reading = audited_call(Requester(), self._clock)
        size, before = page_size(request.page_size), dated_place(decode_token(_PAGE, request.page_token))
        if not set(request.states) <= set(LoanState.values()):
            raise Refused(Reason.REASON_REQUEST_INVALID, field="states", problem="names an unknown state")
        wanted = LoanFilter(sorted(set(request.states)), reading.now if request.overdue else None)

        def read(tx: Transaction) -> Page[Loan]:
            page = list_loans(tx, wanted, before, size)
            reading.record(tx, "ListLoans", "-", f"{len(page.items)} read")
            return page

        page = await self._store.write(read)
        return api.ListLoansResponse(loans=page.items, next_page_token=encode_token(_PAGE, page.following))

    async def WorkOnLoan(
        self,
        request: api.WorkOnLoanRequest,
        context: grpc.aio.ServicerContext[api.WorkOnLoanRequest, api.WorkOnLoanResponse],
    ) -> api.WorkOnLoanResponse:
        """See the contract."""
        caller, step = _caller(request.request_id), request.WhichOneof("step")
        if step is None:
            raise Refused(Reason.REASON_REQUEST_INVALID, field="step", problem="none is set")
        if step == "cancel":
            require_length(step, request.cancel.reason, rules.TEXT_LIMIT, required=True)
        if step == "give_back":
            require_length(step, request.give_back.note, rules.TEXT_LIMIT)
        wait = current_call().patience(wait_seconds(request.wait.seconds + request.wait.nanos / 1e9))
        return api.WorkOnLoanResponse(loan=await self._application.work(caller, request, wait))


def _caller(request_id: str) -> Caller:
    require_request_id(request_id)
    return Caller(current_call().identity, request_id, current_traceparent())
