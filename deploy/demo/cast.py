"""The actors of the story: service centres, reviewers, an administrator. All are clients over mTLS."""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime

import grpc

from deploy.demo.client import Client
from gateway.api.coordinator.v1 import administration_pb2 as administration
from gateway.api.coordinator.v1.administration_pb2_grpc import (
    AuditOversightServiceStub,
    MembershipServiceStub,
    OrderOversightServiceStub,
)
from gateway.api.coordinator.v1.risk_service_pb2 import ListRisksRequest, Risk
from gateway.api.coordinator.v1.risk_service_pb2_grpc import RiskServiceStub
from gateway.api.federation.v1.configuration_pb2 import Plan
from gateway.api.federation.v1.federation_pb2 import Member
from gateway.api.region.v1 import billing_service_pb2 as billing
from gateway.api.region.v1 import catalogue_service_pb2 as catalogue
from gateway.api.region.v1 import customer_service_pb2 as customers
from gateway.api.region.v1 import document_service_pb2 as documents
from gateway.api.region.v1 import order_service_pb2 as orders
from gateway.api.region.v1 import sharing_service_pb2 as sharing
from gateway.api.region.v1 import verification_service_pb2 as verification
from gateway.api.region.v1.billing_service_pb2_grpc import BillingServiceStub
from gateway.api.region.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from gateway.api.region.v1.customer_service_pb2_grpc import CustomerServiceStub
from gateway.api.region.v1.document_service_pb2_grpc import DocumentServiceStub
from gateway.api.region.v1.order_oversight_service_pb2 import OrderSummary
from gateway.api.region.v1.order_pb2 import Order, OrderRequest, OrderState
from gateway.api.region.v1.order_service_pb2 import ReviewDecision, SubmitOrderRequest
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.region.v1.sharing_service_pb2_grpc import SharingServiceStub
from gateway.api.region.v1.verification_service_pb2_grpc import VerificationServiceStub
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Document, Requester
from gateway.time.clock import to_timestamp

CLERK = "wang.fang"  # the staff id at the counter, where the story names no other
_WAIT = 10.0  # seconds that a call may wait for the home region
_PATIENCE = 40.0  # seconds until something that must happen is missed
_LOOK_AGAIN = 0.1  # seconds after a watch that was cut


class Attester:
    """Verifies papers at a counter: it sends the verifier, the paper, the time, and a keyed hash, never the content."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def attest(self, codes: Sequence[str], verifier: str) -> list[Document]:
        """Documents verified just now."""
        now = to_timestamp(datetime.now(UTC))
        return [
            Document(
                code=code,
                verifier=verifier,
                verify_time=now,
                keyed_hash=hmac.digest(self._key, code.encode(), hashlib.sha256),
            )
            for code in codes
        ]


class Counter:
    """The operator system of a region's service centres. It calls its own region's node only."""

    def __init__(self, region: str, client: Client) -> None:
        self.region = region
        self._attester = Attester()
        self._client = client

    def request(
        self,
        request_id: str,
        business: str,
        number: str,
        characteristics: Mapping[str, str],
        *,
        papers: Sequence[str] = ("ID_ORIG",),
        proven: Sequence[Document] = (),
        clerk: str = CLERK,
        wait: float = _WAIT,
    ) -> SubmitOrderRequest:
        """A customer's request at the counter. `proven` is the home region's verification for it."""
        request = SubmitOrderRequest(
            request_id=request_id,
            order=OrderRequest(
                business=business,
                number=number,
                applicant=Applicant.APPLICANT_HOLDER,
                documents=[*self._attester.attest(papers, clerk), *proven],
                characteristics=characteristics,
                requester=_requester(clerk),
            ),
        )
        request.wait.FromMilliseconds(int(wait * 1000))
        return request

    async def submit(self, request: SubmitOrderRequest) -> Order:
        """Raises Refused or Unreachable, as all calls here."""
        return (await self._client.ask(lambda channel: OrderServiceStub(channel).SubmitOrder, request)).order

    async def order(self, order_id: str) -> Order:
        """The order's current version in this region."""
        request = orders.GetOrderRequest(order_id=order_id, requester=_requester(CLERK))
        return (await self._client.ask(lambda channel: OrderServiceStub(channel).GetOrder, request)).order

    async def until(self, order_id: str, holds: Callable[[Order], bool]) -> Order:
        """The order as soon as a condition holds, found by watches. Raises TimeoutError."""
        try:
            async with asyncio.timeout(_PATIENCE):
                while True:
                    order = await self._watched(order_id, holds)
                    if order is not None:
                        return order
        except TimeoutError:
            raise TimeoutError(f"{order_id}: nothing came of it within {_PATIENCE:.0f} s") from None

    async def _watched(self, order_id: str, holds: Callable[[Order], bool]) -> Order | None:
        """The order once a condition holds; None where the watch ended before, with its process."""
        request = orders.WatchOrdersRequest(requester=_requester(CLERK))
        changes = OrderServiceStub(self._client.channel()).WatchOrders(request, timeout=_PATIENCE)
        try:
            async for change in changes:
                # The first message only means that the watch has begun: earlier changes are read.
                order = change.order if change.HasField("order") else await self.order(order_id)
                if order.id == order_id and holds(order):
                    return order
        except grpc.aio.AioRpcError:
            await asyncio.sleep(_LOOK_AGAIN)
        finally:
            changes.cancel()
        return None

    async def cancel(self, request_id: str, order_id: str, reason: str) -> Order:
        """Requests a cancellation, and waits for the home region's answer."""
        request = orders.CancelOrderRequest(
            request_id=request_id, order_id=order_id, reason=reason, requester=_requester(CLERK)
        )
        request.wait.FromSeconds(int(_WAIT))
        return (await self._client.ask(lambda channel: OrderServiceStub(channel).CancelOrder, request)).order

    async def supplement(self, request_id: str, order_id: str, papers: Sequence[str], note: str) -> Order:
        """Supplies the documents that a review requested."""
        request = orders.SupplementOrderRequest(
            request_id=request_id,
            order_id=order_id,
            documents=self._attester.attest(papers, CLERK),
            note=note,
            requester=_requester(CLERK),
        )
        request.wait.FromSeconds(int(_WAIT))
        return (await self._client.ask(lambda channel: OrderServiceStub(channel).SupplementOrder, request)).order

    async def confirm(self, request_id: str, order_id: str) -> Order:
        """Confirms the quote for the customer."""
        request = orders.ConfirmOrderRequest(
            request_id=request_id, order_id=order_id, agreed=True, requester=_requester(CLERK)
        )
        request.wait.FromSeconds(int(_WAIT))
        return (await self._client.ask(lambda channel: OrderServiceStub(channel).ConfirmOrder, request)).order

    async def bill(self, number: str, month: str) -> billing.Bill:
        """The bill of a month, from any home region."""
        request = billing.QueryBillRequest(
            number=number,
            month=month,
            applicant=Applicant.APPLICANT_HOLDER,
            documents=self._attester.attest(["ID_ORIG"], CLERK),
            requester=_requester(CLERK),
        )
        return (await self._client.ask(lambda channel: BillingServiceStub(channel).QueryBill, request)).bill

    async def send_code(self, request_id: str, number: str) -> None:
        """Has the home region send the customer a one-time code for a request."""
        request = verification.SendCodeRequest(request_id=request_id, number=number, requester=_requester(CLERK))
        await self._client.ask(lambda channel: VerificationServiceStub(channel).SendCode, request)

    async def verify(self, request_id: str, number: str, code: str, password: str) -> list[Document]:
        """Has the home region check the customer's code and password; empty ones are left out."""
        request = verification.VerifyRequest(
            request_id=request_id, number=number, code=code, password=password, requester=_requester(CLERK)
        )
        return list(
            (await self._client.ask(lambda channel: VerificationServiceStub(channel).Verify, request)).documents
        )

    async def choose_password(self, request_id: str, number: str, code: str, password: str) -> None:
        """The customer sets a service password with a code."""
        request = verification.ChangePasswordRequest(
            request_id=request_id, number=number, code=code, new_password=password, requester=_requester(CLERK)
        )
        await self._client.ask(lambda channel: VerificationServiceStub(channel).ChangePassword, request)

    async def put_on_file(
        self, named: documents.DocumentUpload, pieces: AsyncIterator[documents.DocumentChunk]
    ) -> documents.UploadDocumentResponse:
        """Puts a document that was verified here on file; returns when its customer's home region has it."""
        named.requester.CopyFrom(_requester(CLERK))
        stub = DocumentServiceStub(self._client.channel())

        async def parts() -> AsyncIterator[documents.UploadDocumentRequest]:
            yield documents.UploadDocumentRequest(document=named)
            async for piece in pieces:
                yield documents.UploadDocumentRequest(chunk=piece)

        answer = documents.UploadDocumentResponse()
        async for each in stub.UploadDocument(parts(), timeout=_PATIENCE):
            answer = each
        return answer

    async def documents_of(self, number: str) -> Sequence[documents.RegisteredDocument]:
        """The documents on file for a customer, in any region."""
        request = documents.ListDocumentsRequest(number=number, requester=_requester(CLERK))
        return (await self._client.ask(lambda channel: DocumentServiceStub(channel).ListDocuments, request)).documents

    async def document_reuse(self) -> Sequence[documents.DocumentReuse]:
        """The number of orders that needed papers, and of those that needed no new ones."""
        request = documents.GetDocumentReuseRequest(requester=_requester(CLERK))
        return (await self._client.ask(lambda channel: DocumentServiceStub(channel).GetDocumentReuse, request)).reuse

    async def read_shared(self, request: sharing.ReadSharedCustomerRequest) -> sharing.ReadSharedCustomerResponse:
        """A customer's data that this region may see, for a purpose."""
        request.requester.CopyFrom(_requester(CLERK))
        return await self._client.ask(lambda channel: SharingServiceStub(channel).ReadSharedCustomer, request)

    async def give_consent(self, request: sharing.GiveConsentRequest) -> sharing.GiveConsentResponse:
        """Records a customer's decision."""
        request.requester.CopyFrom(_requester(CLERK))
        return await self._client.ask(lambda channel: SharingServiceStub(channel).GiveConsent, request)

    async def withdraw_consent(self, request: sharing.WithdrawConsentRequest) -> sharing.WithdrawConsentResponse:
        """Takes a consent back."""
        request.requester.CopyFrom(_requester(CLERK))
        return await self._client.ask(lambda channel: SharingServiceStub(channel).WithdrawConsent, request)

    async def disclosures(
        self, request_id: str, number: str, proven: Sequence[Document]
    ) -> Sequence[sharing.Disclosure]:
        """The disclosures of a customer's data, newest first."""
        request = sharing.ListDisclosuresRequest(
            request_id=request_id,
            number=number,
            applicant=Applicant.APPLICANT_HOLDER,
            documents=proven,
            requester=_requester(CLERK),
        )
        return (
            await self._client.ask(lambda channel: SharingServiceStub(channel).ListDisclosures, request)
        ).disclosures

    async def profile(self, request_id: str, number: str, proven: Sequence[Document]) -> customers.Profile:
        """The profile of a customer, from any home region."""
        request = customers.QueryProfileRequest(
            request_id=request_id,
            number=number,
            applicant=Applicant.APPLICANT_HOLDER,
            documents=proven,
            requester=_requester(CLERK),
        )
        return (await self._client.ask(lambda channel: CustomerServiceStub(channel).QueryProfile, request)).profile

    async def record_usage(self, *used: billing.Usage) -> None:
        """Records usage of this region."""
        request = billing.RecordUsageRequest(usage=used, requester=_requester(CLERK))
        await self._client.ask(lambda channel: BillingServiceStub(channel).RecordUsage, request)

    async def settlement_with(self, region: str) -> billing.Settlement:
        """The debts between this region and another, by this region's books."""
        request = billing.ListSettlementsRequest(requester=_requester(CLERK))
        response = await self._client.ask(lambda channel: BillingServiceStub(channel).ListSettlements, request)
        return next((each for each in response.settlements if each.region == region), billing.Settlement(region=region))

    async def plans_of(self, region: str) -> list[Plan]:
        """The tariff plans of a region, as the federation configuration has them."""
        request = catalogue.ListPlansRequest(region=region)
        return list((await self._client.ask(lambda channel: CatalogueServiceStub(channel).ListPlans, request)).plans)

    async def customer(self, number: str) -> customers.Customer:
        """A customer of this region."""
        request = customers.GetCustomerRequest(number=number, requester=_requester(CLERK))
        return (await self._client.ask(lambda channel: CustomerServiceStub(channel).GetCustomer, request)).customer

    async def take_over(self, batch: Sequence[customers.Customer]) -> int:
        """Loads customers of this region; returns how many were new."""
        request = customers.BatchCreateCustomersRequest(customers=batch, requester=_requester(CLERK))
        return (
            await self._client.ask(lambda channel: CustomerServiceStub(channel).BatchCreateCustomers, request)
        ).created


class Reviewer:
    """A member of a region's staff, with a certificate of their own."""

    def __init__(self, name: str, client: Client) -> None:
        self.name = name
        self._client = client

    async def review(
        self,
        request_id: str,
        order_id: str,
        decision: ReviewDecision.ValueType,
        *,
        papers: Sequence[str] = (),
        note: str = "",
    ) -> Order:
        """Decides on an order; `papers` are the material codes still needed."""
        request = orders.ReviewOrderRequest(
            request_id=request_id, order_id=order_id, decision=decision, documents=papers, note=note
        )
        return (await self._client.ask(lambda channel: OrderServiceStub(channel).ReviewOrder, request)).order


class Administrator:
    """The administrator, who sees all regions through the coordinator, and no customer."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def members(self) -> list[Member]:
        """Every region of the configuration, with its state."""
        response = await self._client.ask(
            lambda channel: MembershipServiceStub(channel).ListRegions, administration.ListRegionsRequest()
        )
        return list(response.members)

    async def held(self) -> list[OrderSummary]:
        """The held orders of all regions."""
        request = administration.ListOrderSummariesRequest(states=[OrderState.ORDER_STATE_HELD])
        return list(
            (
                await self._client.ask(lambda channel: OrderOversightServiceStub(channel).ListOrderSummaries, request)
            ).orders
        )

    async def risks(self) -> dict[str, Risk]:
        """The risks that are not closed, by id."""
        response = await self._client.ask(lambda channel: RiskServiceStub(channel).ListRisks, ListRisksRequest())
        return {each.id: each for each in response.risks}

    async def chains(self) -> list[administration.ChainVerdict]:
        """The verdicts on the audit chains of all regions, with the keepers of their heads."""
        stub = AuditOversightServiceStub(self._client.channel())
        stream = stub.VerifyChains(administration.VerifyChainsRequest(), timeout=_PATIENCE)
        return [response.verdict async for response in stream]

    async def trace(self, order_id: str) -> administration.GetOrderTraceResponse:
        """The regions' notes about an order."""
        request = administration.GetOrderTraceRequest(order_id=order_id)
        return await self._client.ask(lambda channel: OrderOversightServiceStub(channel).GetOrderTrace, request)


def _requester(staff_id: str) -> Requester:
    return Requester(staff_id=staff_id, channel=Channel.CHANNEL_COUNTER)
