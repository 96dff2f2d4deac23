"""The loan application service: the work of the service, without gRPC."""

from gateway.api.region.v1.loan_pb2 import Loan, LoanRequest
from gateway.api.region.v1.loan_service_pb2 import WorkOnLoanRequest
from region_node.care.loans import handling, rules
from region_node.care.loans.rows import LOAN
from region_node.requests.caller import Caller
from region_node.tickets.application import TicketApplication


class LoanApplication(TicketApplication[Loan]):
    """Accepts requests for loans and steps of staff, and waits for the lender on request."""

    kind = LOAN
    is_opened = "loan-requested.after-commit"
    is_worked = "loan-worked.after-commit"

    async def request(self, caller: Caller, request: LoanRequest) -> Loan:
        """Accepts a request for a loan."""
        rules.require_request(request, self._context.federation.region)
        return await self._open(
            caller,
            lambda tx, now: handling.request_loan(tx, self._context, caller, request, now),
            region=request.region,
        )

    async def work(self, caller: Caller, asked: WorkOnLoanRequest, wait: float) -> Loan:
        """Executes a staff member's step; raises Refused where the lender has refused it."""
        return await self._work(caller, lambda tx, now: handling.work(tx, self._context, caller, asked, now), wait)
