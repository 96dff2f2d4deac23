"""An operator system at one region's node, and the customers that it brings."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import grpc
from google.protobuf.duration_pb2 import Duration

from deploy.provider.notification import Text
from gateway.api.region.v1 import approval_service_pb2 as approval_api
from gateway.api.region.v1 import billing_service_pb2 as billing_api
from gateway.api.region.v1 import customer_service_pb2 as customer_api
from gateway.api.region.v1 import erasure_service_pb2 as erasure_api
from gateway.api.region.v1 import order_service_pb2 as order_api
from gateway.api.region.v1 import verification_service_pb2 as verification_api
from gateway.api.region.v1.approval_service_pb2_grpc import ApprovalServiceStub
from gateway.api.region.v1.billing_service_pb2_grpc import BillingServiceStub
from gateway.api.region.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from gateway.api.region.v1.customer_service_pb2_grpc import CustomerServiceStub
from gateway.api.region.v1.document_service_pb2_grpc import DocumentServiceStub
from gateway.api.region.v1.erasure_service_pb2_grpc import ErasureServiceStub
from gateway.api.region.v1.notice_service_pb2_grpc import NoticeServiceStub
from gateway.api.region.v1.order_pb2 import Order, OrderRequest, OrderState
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.region.v1.verification_service_pb2_grpc import VerificationServiceStub
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Document, Money, Requester
from gateway.errors import from_rpc_error
from gateway.time.clock import to_timestamp
from region_node.business.orders.rules import VERIFY
from tests.federation.running import CALL_SECONDS, Federation, until

T = TypeVar("T")
ACTIVE = customer_api.ProductStatus.PRODUCT_STATUS_ACTIVE
REQUESTED = erasure_api.ErasureReason.ERASURE_REASON_REQUESTED
REQUESTER = Requester(staff_id="clerk-7", channel=Channel.CHANNEL_COUNTER)
# What the holder brings for each business of the shipped catalogue.
PAPERS = {
    "PAY": (),
    "SUSPEND": ("ID_ORIG",),
    "RESUME": ("ID_ORIG",),
    "PLAN_CHANGE": ("ID_ORIG",),
    "TERMINATE": ("ID_ORIG", "FACE", "SIM", "REFUND_ACC"),
    "MNP_IN": ("ID_ORIG", "OTP"),
}
CHARACTERISTICS = {
    "PAY": {"amount": "5000"},
    "SUSPEND": {"reason": "abroad"},
    "RESUME": {"reason": "back"},
    "PLAN_CHANGE": {"plan": "sichuan-99"},
    "TERMINATE": {"refund_account": "6222-0001"},
}
WAIT = 10.0


def seconds(value: float) -> Duration:
    """A duration message."""
    duration = Duration()
    duration.FromTimedelta(timedelta(seconds=value))
    return duration


def code_in(text: Text) -> str:
    """The code in a text."""
    found = re.search(r"\d{6}", text.en)
    assert found is not None, text
    return found.group()


@dataclass(frozen=True)
class Counter:
    """The operator `name` of a region, at its process of that number."""

    federation: Federation
    region: str
    name: str = "counter"
    number: int = 0

    @property
    def path(self) -> str:
        """Its identity."""
        return f"region/{self.region}/operator/{self.name}"

    @property
    def node(self) -> str:
        """The node that it calls."""
        return f"{self.region}/{self.number}" if self.number else self.region

    @property
    def orders(self) -> OrderServiceStub:
        """The order service of its node."""
        return OrderServiceStub(self.federation.dial_node(self.node, self.path))

    @property
    def customers(self) -> CustomerServiceStub:
        """The customer service of its node."""
        return CustomerServiceStub(self.federation.dial_node(self.node, self.path))

    @property
    def billing(self) -> BillingServiceStub:
        """The billing service of its node."""
        return BillingServiceStub(self.federation.dial_node(self.node, self.path))

    @property
    def verification(self) -> VerificationServiceStub:
        """The verification service of its node."""
        return VerificationServiceStub(self.federation.dial_node(self.node, self.path))

    @property
    def notices(self) -> NoticeServiceStub:
        """The notice service of its node."""
        return NoticeServiceStub(self.federation.dial_node(self.node, self.path))

    @property
    def documents(self) -> DocumentServiceStub:
        """The document service of its node."""
        return DocumentServiceStub(self.federation.dial_node(self.node, self.path))

    @property
    def erasure(self) -> ErasureServiceStub:
        """The erasure service of its node."""
        return ErasureServiceStub(self.federation.dial_node(self.node, self.path))

    @property
    def proof(self) -> tuple[tuple[str, str]]:
        """The metadata by which the requester proves to act through the operator system."""
        return (("authorization", f"Bearer {self.federation.certificates.statement(self.path, REQUESTER.staff_id)}"),)

    async def erase(
        self, number: str, *, request_id: str = "", reason: erasure_api.ErasureReason.ValueType = REQUESTED
    ) -> erasure_api.Erasure:
        """Erases one of this region's customers."""
        request = erasure_api.EraseCustomerRequest(
            request_id=request_id or self.federation.next_id(), number=number, reason=reason, requester=REQUESTER
        )
        answer = await self.by_two(
            lambda: self.erasure.EraseCustomer(request, timeout=CALL_SECONDS, metadata=self.proof)
        )
        return answer.erasure

    async def restrict(self, number: str) -> erasure_api.RestrictCustomerResponse:
        """Has one of this region's customers stored only."""
        request = erasure_api.RestrictCustomerRequest(number=number, reason=REQUESTED, requester=REQUESTER)
        return await self.by_two(
            lambda: self.erasure.RestrictCustomer(request, timeout=CALL_SECONDS, metadata=self.proof)
        )

    async def by_two(self, call: Callable[[], Awaitable[T]]) -> T:
        """The answer to a call, once a member of the region's staff has confirmed it where it needs two people."""
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            refused = from_rpc_error(error)
            if refused is None or refused.reason != Reason.REASON_APPROVAL_AWAITED:
                raise
        await Approver(self.federation, self.region).confirm(refused.parameters["approval"])
        return await call()

    async def release(self, number: str) -> erasure_api.LiftRestrictionResponse:
        """Ends a restriction."""
        request = erasure_api.LiftRestrictionRequest(number=number, requester=REQUESTER)
        return await self.erasure.LiftRestriction(request, timeout=CALL_SECONDS)

    @property
    def catalogue(self) -> CatalogueServiceStub:
        """The catalogue service of its node."""
        return CatalogueServiceStub(self.federation.dial_node(self.node, self.path))

    def document(
        self, code: str, *, age: timedelta = timedelta(minutes=1), verifier: str = REQUESTER.staff_id
    ) -> Document:
        """A document verified so long ago."""
        verified = to_timestamp(self.federation.clock.now() - age)
        return Document(code=code, verifier=verifier, verify_time=verified, keyed_hash=bytes(32))

    def request(
        self,
        business: str,
        number: str,
        *,
        papers: Sequence[str] | None = None,
        staff_id: str = "clerk-7",
        **characteristics: str,
    ) -> OrderRequest:
        """A good request for a business; characteristics replace or add to the usual ones, empty ones remove them."""
        told = {**CHARACTERISTICS.get(business, {}), **characteristics}
        return OrderRequest(
            business=business,
            number=number,
            applicant=Applicant.APPLICANT_HOLDER,
            documents=[self.document(code) for code in (PAPERS.get(business, ()) if papers is None else papers)],
            characteristics={name: value for name, value in told.items() if value},
            requester=Requester(staff_id=staff_id, channel=Channel.CHANNEL_COUNTER),
        )

    async def submit(self, request: OrderRequest, *, request_id: str = "", wait: float = WAIT) -> Order:
        """Hands in an order and waits for the home region."""
        message = order_api.SubmitOrderRequest(
            request_id=request_id or self.federation.next_id(), order=request, wait=seconds(wait)
        )
        return (await self.orders.SubmitOrder(message, timeout=CALL_SECONDS)).order

    async def order(self, business: str, number: str, **characteristics: str) -> Order:
        """Hands in a good request."""
        return await self.submit(self.request(business, number, **characteristics))

    async def receive_code(self, number: str, request_id: str) -> str:
        """Has a code sent, and reads it on the customer's telephone."""
        request = verification_api.SendCodeRequest(request_id=request_id, number=number, requester=REQUESTER)
        await self.verification.SendCode(request, timeout=CALL_SECONDS)
        return [code_in(text) for text in self.federation.texts(number) if text.kind == "one-time-code"][-1]

    async def verify(self, number: str, request_id: str, *, code: str = "", password: str = "") -> list[Document]:
        """The documents for what the customer said."""
        request = verification_api.VerifyRequest(
            request_id=request_id, number=number, code=code, password=password, requester=REQUESTER
        )
        return list((await self.verification.Verify(request, timeout=CALL_SECONDS)).documents)

    async def change_password(
        self, number: str, new_password: str, *, request_id: str = "", code: str = "", password: str = ""
    ) -> None:
        """Changes the service password; by a code that is sent for it where neither is given."""
        request_id = request_id or self.federation.next_id()
        if not code and not password:
            code = await self.receive_code(number, request_id)
        request = verification_api.ChangePasswordRequest(
            request_id=request_id,
            number=number,
            code=code,
            password=password,
            new_password=new_password,
            requester=REQUESTER,
        )
        await self.verification.ChangePassword(request, timeout=CALL_SECONDS)

    async def get(self, order_id: str) -> Order:
        """The order as it stands at this region."""
        request = order_api.GetOrderRequest(order_id=order_id, requester=REQUESTER)
        return (await self.orders.GetOrder(request, timeout=CALL_SECONDS)).order

    async def reaches(self, order_id: str, state: OrderState.ValueType) -> Order:
        """The order once it is in a state at this region."""
        return await self._follows(order_id, lambda order: order.state == state, f"is {OrderState.Name(state)}")

    async def awaits(self, order_id: str, action: str) -> Order:
        """The order once it awaits an action as this region knows it."""
        return await self._follows(order_id, lambda order: order.awaiting.action == action, f"awaits {action}")

    async def _follows(self, order_id: str, holds: Callable[[Order], bool], what: str) -> Order:
        order = Order()

        async def is_so() -> bool:
            order.CopyFrom(await self.get(order_id))
            return holds(order)

        try:
            await until(is_so, f"{order_id} {what} in {self.region}")
        except TimeoutError as error:
            error.add_note(f"It is:\n{order}")
            raise
        return order

    async def cancel(self, order_id: str, *, request_id: str = "", wait: float = WAIT) -> Order:
        """Asks to cancel an order."""
        request = order_api.CancelOrderRequest(
            request_id=request_id or self.federation.next_id(),
            order_id=order_id,
            reason="changed my mind",
            requester=REQUESTER,
            wait=seconds(wait),
        )
        return (await self.orders.CancelOrder(request, timeout=CALL_SECONDS)).order

    async def confirm(self, order_id: str, *, agreed: bool = True, note: str = "") -> Order:
        """The customer's answer to the quote, or to what was done."""
        request = order_api.ConfirmOrderRequest(
            request_id=self.federation.next_id(),
            order_id=order_id,
            agreed=agreed,
            note=note,
            requester=REQUESTER,
            wait=seconds(WAIT),
        )
        return (await self.orders.ConfirmOrder(request, timeout=CALL_SECONDS)).order

    async def supplement(self, order_id: str, *codes: str, note: str = "", documents: Sequence[Document] = ()) -> Order:
        """Hands in documents, by their codes or as they are."""
        request = order_api.SupplementOrderRequest(
            request_id=self.federation.next_id(),
            order_id=order_id,
            documents=[*(self.document(code) for code in codes), *documents],
            note=note,
            requester=REQUESTER,
            wait=seconds(WAIT),
        )
        return (await self.orders.SupplementOrder(request, timeout=CALL_SECONDS)).order

    async def expedite(self, order_id: str) -> Order:
        """Passes a reminder on."""
        request = order_api.ExpediteOrderRequest(
            request_id=self.federation.next_id(), order_id=order_id, requester=REQUESTER, wait=seconds(WAIT)
        )
        return (await self.orders.ExpediteOrder(request, timeout=CALL_SECONDS)).order

    async def new_customer(self, *, balance: int = 20_000, name: str = "Li Wei", **product: object) -> str:
        """Creates a customer of this region; returns the number."""
        number = self.federation.next_number(self.region)
        await self.create(self.customer(number, balance=balance, name=name, **product))
        return number

    def customer(
        self, number: str, *, balance: int = 20_000, name: str = "Li Wei", **product: object
    ) -> customer_api.Customer:
        """A customer with a line and an account; the ids end like the number."""
        own = number.removeprefix("+")
        line = customer_api.Product(
            id=f"product-{own}",
            number=number,
            status=ACTIVE,
            plan_id=f"{self.region}-{'39' if self.region == 'guangdong' else '29'}",
            start_time=to_timestamp(self.federation.clock.now() - timedelta(days=400)),
        )
        for field, value in product.items():
            if isinstance(value, datetime):
                getattr(line, field).CopyFrom(to_timestamp(value))
            else:
                setattr(line, field, value)
        account = customer_api.BillingAccount(id=f"account-{own}", balance=Money(minor_units=balance, currency="CNY"))
        return customer_api.Customer(id=f"customer-{own}", name=name, product=line, billing_account=account)

    async def create(self, *customers: customer_api.Customer) -> customer_api.BatchCreateCustomersResponse:
        """Takes over customers."""
        request = customer_api.BatchCreateCustomersRequest(customers=customers, requester=REQUESTER)
        return await self.customers.BatchCreateCustomers(request, timeout=CALL_SECONDS)

    async def read(self, number: str) -> customer_api.Customer:
        """A customer of this region."""
        request = customer_api.GetCustomerRequest(number=number, requester=REQUESTER)
        return (await self.customers.GetCustomer(request, timeout=CALL_SECONDS)).customer

    async def balance(self, number: str) -> int:
        """The balance of one of this region's customers, in fen."""
        return (await self.read(number)).billing_account.balance.minor_units

    async def record_usage(
        self,
        number: str,
        kind: billing_api.UsageKind.ValueType,
        quantity: int,
        *,
        usage_id: str = "",
        other_number: str = "+8619844999999",
    ) -> billing_api.RecordUsageResponse:
        """Takes over one use by one of this region's lines, begun just now."""
        usage = billing_api.Usage(
            id=usage_id or self.federation.next_id(),
            number=number,
            kind=kind,
            usage_time=to_timestamp(self.federation.clock.now()),
            quantity=quantity,
            other_number="" if kind == billing_api.UsageKind.USAGE_KIND_DATA else other_number,
        )
        request = billing_api.RecordUsageRequest(usage=[usage], requester=REQUESTER)
        return await self.billing.RecordUsage(request, timeout=CALL_SECONDS)

    async def bill(self, number: str, month: str = "", papers: Sequence[str] = ("ID_ORIG",)) -> billing_api.Bill:
        """The bill of a month; of the running one where none is named."""
        request = billing_api.QueryBillRequest(
            number=number,
            month=month or f"{self.federation.clock.now() + timedelta(hours=8):%Y-%m}",
            applicant=Applicant.APPLICANT_HOLDER,
            documents=[self.document(code) for code in papers],
            requester=REQUESTER,
        )
        return (await self.billing.QueryBill(request, timeout=CALL_SECONDS)).bill


@dataclass(frozen=True)
class Approver:
    """A member of a region's staff who confirms what others have asked for."""

    federation: Federation
    region: str
    name: str = "zhao"

    @property
    def approvals(self) -> ApprovalServiceStub:
        """The approval service of the region's node."""
        return ApprovalServiceStub(self.federation.dial_node(self.region, f"region/{self.region}/staff/{self.name}"))

    async def confirm(self, approval_id: str, number: str = "") -> approval_api.Approval:
        """Confirms an act; a reading with its number."""
        return await self.decide(approval_id, number, confirmed=True)

    async def decide(self, approval_id: str, number: str = "", *, confirmed: bool) -> approval_api.Approval:
        """Decides on an act."""
        request = approval_api.DecideApprovalRequest(
            request_id=self.federation.next_id(), approval_id=approval_id, confirmed=confirmed, number=number
        )
        return (await self.approvals.DecideApproval(request, timeout=CALL_SECONDS)).approval


@dataclass(frozen=True)
class Reviewer:
    """A member of a region's staff."""

    federation: Federation
    region: str
    name: str = "reviewer-1"

    @property
    def orders(self) -> OrderServiceStub:
        """The order service of the region's node."""
        path = f"region/{self.region}/staff/{self.name}"
        return OrderServiceStub(self.federation.dial_node(self.region, path))

    async def decide(
        self,
        order_id: str,
        decision: order_api.ReviewDecision.ValueType,
        *,
        documents: Sequence[str] = (),
        note: str = "",
        request_id: str = "",
    ) -> Order:
        """Decides on an order in review."""
        request = order_api.ReviewOrderRequest(
            request_id=request_id or self.federation.next_id(),
            order_id=order_id,
            decision=decision,
            documents=documents,
            note=note,
        )
        return (await self.orders.ReviewOrder(request, timeout=CALL_SECONDS)).order

    async def approve(self, order_id: str) -> Order:
        """Lets an order go on, also for the customer whose own proof it then waits for."""
        order = await self.decide(order_id, order_api.ReviewDecision.REVIEW_DECISION_APPROVE)
        if order.awaiting.action == VERIFY:
            order = await self.decide(order_id, order_api.ReviewDecision.REVIEW_DECISION_APPROVE)
        return order
