"""The loan application service: the work of the service, without gRPC."""

from gateway.api.region.v1.loan_pb2 import Loan, LoanRequest
from gateway.api.region.v1.loan_service_pb2 import WorkOnLoanRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.store.port import Store
from gateway.time.clock import Clock
from region_node.care.loans import handling, rules
from region_node.care.loans.rows import LOAN
from region_node.node.context import RegionContext
from region_node.requests.caller import Caller
from region_node.requests.changes import Changes
from region_node.tickets.followed import answered_request


class LoanApplication:
    """Accepts requests for loans and steps of staff, and waits for the lender on request."""

    def __init__(self, context: RegionContext, store: Store, clock: Clock, changes: Changes) -> None:
        self._context = context
        self._store = store
        self._clock = clock
        self._changes = changes

    async def request(self, caller: Caller, request: LoanRequest) -> Loan:
        """Accepts a request for a loan."""
        rules.require_request(request, self._context.federation.region)
        self._context.border.current.require_trusted_clock()
        if not self._store.accepts_new_work():
            raise Refused(Reason.REASON_STORE_UNAVAILABLE)
        now = self._clock.now()
        requested = await self._store.write(lambda tx: handling.request_loan(tx, self._context, caller, request, now))
        failpoints.reach("loan-requested.after-commit")
        return requested

    async def work(self, caller: Caller, asked: WorkOnLoanRequest, wait: float) -> Loan:
        """Executes a staff member's step; raises Refused where the lender has refused it."""
        done = await self._changes.answered(caller, self._worked(caller, asked), wait)
        return await self._store.read(lambda tx: answered_request(LOAN, tx, caller, done))

    async def _worked(self, caller: Caller, asked: WorkOnLoanRequest) -> Loan:
        now = self._clock.now()
        done = await self._store.write(lambda tx: handling.work(tx, self._context, caller, asked, now))
        failpoints.reach("loan-worked.after-commit")
        return done
