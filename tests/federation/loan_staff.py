"""A member of a region's staff who lends and borrows."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from gateway.api.region.v1 import loan_service_pb2 as api
from gateway.api.region.v1 import support_resource_service_pb2 as registry_api
from gateway.api.region.v1.loan_envelopes_pb2 import LoanCommand
from gateway.api.region.v1.loan_pb2 import Loan, LoanRequest
from gateway.api.region.v1.loan_service_pb2 import WorkOnLoanRequest
from gateway.api.region.v1.loan_service_pb2_grpc import LoanServiceStub
from gateway.api.region.v1.support_resource_service_pb2 import ResourceKind, SharedResource
from gateway.time.clock import to_timestamp
from tests.federation.counter import WAIT, seconds
from tests.federation.running import CALL_SECONDS, Federation, until
from tests.federation.support_staff import SupportStaff

SITES = {"sichuan": "chengdu", "guangdong": "guangzhou"}
RECEIVE = WorkOnLoanRequest(receive=LoanCommand.Receive())
GIVE_BACK = WorkOnLoanRequest(give_back=LoanCommand.GiveBack(note="顺丰"))


@dataclass(frozen=True)
class LoanStaff:
    """Staff of a region."""

    federation: Federation
    region: str

    @property
    def service(self) -> LoanServiceStub:
        """The loan service of the region's node."""
        return LoanServiceStub(self.federation.dial_node(self.region, f"region/{self.region}/staff/wang"))

    async def shares(self, resource_id: str, quantity: int = 1) -> SharedResource:
        """Enters test equipment of this region."""
        kind = ResourceKind.RESOURCE_KIND_TEST_EQUIPMENT
        resource = SharedResource(
            id=resource_id, kind=kind, title="OTDR 1550 nm", site=SITES[self.region], quantity=quantity
        )
        registry = SupportStaff(self.federation, self.region).registry
        asked = registry_api.KeepResourceRequest(resource=resource)
        return (await registry.KeepResource(asked, timeout=CALL_SECONDS)).resource

    async def finds(self, title: str) -> registry_api.ListResourcesResponse:
        """Searches all regions."""
        registry = SupportStaff(self.federation, self.region).registry
        asked = registry_api.ListResourcesRequest(search=registry_api.ResourceSearch(title=title), everywhere=True)
        return await registry.ListResources(asked, timeout=CALL_SECONDS)

    def request(self, lender: str, resource_id: str, start: int = 1, end: int = 4, quantity: int = 1) -> LoanRequest:
        """A good request, from one day to another."""
        now = self.federation.clock.now()
        return LoanRequest(
            region=lender,
            resource_id=resource_id,
            quantity=quantity,
            start_time=to_timestamp(now + timedelta(days=start)),
            end_time=to_timestamp(now + timedelta(days=end)),
            purpose="光缆中断抢修",
        )

    async def asks(self, request: LoanRequest, request_id: str = "") -> Loan:
        """Requests a loan."""
        message = api.RequestLoanRequest(request_id=request_id or self.federation.next_id(), loan=request)
        return (await self.service.RequestLoan(message, timeout=CALL_SECONDS)).loan

    async def borrows(self, lender: str) -> Loan:
        """A request that the lender has accepted, for something new."""
        resource_id = self.federation.next_id()
        await LoanStaff(self.federation, lender).shares(resource_id)
        loan = await self.asks(self.request(lender, resource_id))
        return await self.follows(loan.id, lambda each: each.version > 0, "taken")

    async def get(self, loan_id: str) -> Loan:
        """The loan as it stands at this region."""
        return (await self.service.GetLoan(api.GetLoanRequest(loan_id=loan_id), timeout=CALL_SECONDS)).loan

    async def follows(self, loan_id: str, holds: Callable[[Loan], bool], what: str) -> Loan:
        """The loan once something holds of it at this region."""
        found = Loan()

        async def is_so() -> bool:
            found.CopyFrom(await self.get(loan_id))
            return holds(found)

        await until(is_so, f"{loan_id} in {self.region}: {what}")
        return found

    async def work(self, loan_id: str, step: WorkOnLoanRequest, request_id: str = "") -> Loan:
        """Does a step."""
        message = WorkOnLoanRequest()
        message.CopyFrom(step)
        message.loan_id, message.request_id = loan_id, request_id or self.federation.next_id()
        message.wait.CopyFrom(seconds(WAIT))
        return (await self.service.WorkOnLoan(message, timeout=CALL_SECONDS)).loan
