"""Sharing at a counter: what customers decide there, and what is read of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.api.federation.v1.configuration_pb2 import LegalBasis, SharedField
from gateway.api.region.v1 import sharing_service_pb2 as api
from gateway.api.region.v1.sharing_service_pb2_grpc import SharingServiceStub
from gateway.api.types.v1.types_pb2 import Applicant, Document
from gateway.federation.numberplan import normalize
from gateway.federation.sharing_rules import CONSENT_PAPER
from gateway.security.duty_statements import LONGEST_OF_SECOND, DutyReading, duty_statement
from gateway.security.staff_proofs import LONGEST_STATEMENT
from gateway.time.clock import to_timestamp
from tests.federation.archive import Archive
from tests.federation.counter import REQUESTER, Approver, Counter
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation

CONSENT = LegalBasis.LEGAL_BASIS_CONSENT
ORDER = LegalBasis.LEGAL_BASIS_CONTRACT_NECESSITY
FILE_NUMBER = "粤公网查〔2026〕17号"
DUTY = LegalBasis.LEGAL_BASIS_LEGAL_DUTY
GRANTED = api.ConsentDecision.CONSENT_DECISION_GRANTED
DECLINED = api.ConsentDecision.CONSENT_DECISION_DECLINED
HOLDER = Applicant.APPLICANT_HOLDER
NAME, NUMBER, PLAN, EMAIL = (
    SharedField.SHARED_FIELD_NAME,
    SharedField.SHARED_FIELD_NUMBER,
    SharedField.SHARED_FIELD_PLAN,
    SharedField.SHARED_FIELD_EMAIL,
)


@dataclass(frozen=True)
class SharingCounter:
    """The sharing service of a region's node, as an operator of that region uses it."""

    counter: Counter
    staff: str = ""
    """A member of staff who asks instead of the counter."""

    @classmethod
    def of(cls, federation: Federation, region: str, name: str = "counter") -> "SharingCounter":
        """The counter of a region."""
        return cls(Counter(federation, region, name))

    def by_staff(self, name: str = "wang") -> "SharingCounter":
        """The same service, called by a member of staff."""
        return SharingCounter(self.counter, name)

    @property
    def federation(self) -> Federation:
        """The federation."""
        return self.counter.federation

    @property
    def stub(self) -> SharingServiceStub:
        """The service."""
        path = f"region/{self.counter.region}/staff/{self.staff}" if self.staff else self.counter.path
        return SharingServiceStub(self.federation.dial_node(self.counter.node, path))

    def question(
        self,
        number: str,
        purpose: str = "counter-service",
        basis: LegalBasis.ValueType = CONSENT,
        *,
        order_id: str = "",
        reference: str = "",
        fields: Sequence[SharedField.ValueType] = (),
    ) -> api.ReadSharedCustomerRequest:
        """A good question."""
        return api.ReadSharedCustomerRequest(
            request_id=self.federation.next_id(),
            number=number,
            purpose=purpose,
            legal_basis=basis,
            order_id=order_id,
            reference=reference,
            fields=fields,
            requester=REQUESTER,
        )

    async def ask(self, request: api.ReadSharedCustomerRequest) -> api.ReadSharedCustomerResponse:
        """The answer."""
        return await self.stub.ReadSharedCustomer(request, timeout=CALL_SECONDS)

    async def ask_by_two(
        self, request: api.ReadSharedCustomerRequest, second: str = "zhao"
    ) -> api.ReadSharedCustomerResponse:
        """The answer to a reading by legal duty that a second member of staff has confirmed."""
        await self.confirm_reading(request, second)
        self.state(request, second)
        return await self.ask(request)

    async def confirm_reading(self, request: api.ReadSharedCustomerRequest, second: str = "zhao") -> None:
        """Asks for a reading by legal duty, and a second member of staff confirms it."""
        refused = await refusal(self.ask(request))
        assert refused.reason == "APPROVAL_AWAITED"
        approver = Approver(self.federation, self.counter.region, second)
        await approver.confirm(refused.parameters["approval"], request.number)

    def state(self, request: api.ReadSharedCustomerRequest, second: str = "zhao") -> None:
        """Both people make their statements about a reading by legal duty."""
        request.statement, request.approver_statement = (self.statement(request, each) for each in (self.staff, second))

    def statement(
        self,
        request: api.ReadSharedCustomerRequest,
        staff: str,
        region: str = "",
        age: timedelta = timedelta(0),
    ) -> str:
        """The statement of a member of staff, of this region unless another one is named, about a reading from here."""
        own = self.federation.certificates.credentials(f"region/{region or self.counter.region}/staff/{staff}")
        reading = DutyReading(normalize(request.number), request.purpose, request.reference, self.staff)
        life = LONGEST_STATEMENT if staff == self.staff else LONGEST_OF_SECOND
        return duty_statement(own, reading, self.federation.clock.now() - age, life)

    async def read(self, number: str, purpose: str = "counter-service") -> api.ReadSharedCustomerResponse:
        """The data that the customer's consent permits."""
        return await self.ask(self.question(number, purpose))

    async def verified(self, number: str, request_id: str) -> list[Document]:
        """The home region's verification after the customer has given the received code."""
        code = await self.counter.receive_code(number, request_id)
        return await self.counter.verify(number, request_id, code=code)

    def decision(
        self,
        number: str,
        reader: str,
        purpose: str = "counter-service",
        decision: api.ConsentDecision.ValueType = GRANTED,
        *,
        fields: Sequence[SharedField.ValueType] = (),
        start: datetime | None = None,
        end: datetime | None = None,
        documents: Sequence[Document] = (),
        paper: str = "",
        request_id: str = "",
    ) -> api.GiveConsentRequest:
        """A request to record a decision."""
        return api.GiveConsentRequest(
            request_id=request_id or self.federation.next_id(),
            number=number,
            reader=reader,
            purpose=purpose,
            decision=decision,
            fields=fields,
            start_time=None if start is None else to_timestamp(start),
            end_time=None if end is None else to_timestamp(end),
            applicant=HOLDER,
            documents=documents,
            paper=paper,
            requester=REQUESTER,
        )

    async def give(self, request: api.GiveConsentRequest) -> api.GiveConsentResponse:
        """Records it."""
        return await self.stub.GiveConsent(request, timeout=CALL_SECONDS)

    async def consent(
        self,
        number: str,
        reader: str,
        purpose: str = "counter-service",
        decision: api.ConsentDecision.ValueType = GRANTED,
        *,
        fields: Sequence[SharedField.ValueType] = (),
        start: datetime | None = None,
        lasts: timedelta | None = None,
    ) -> api.GiveConsentResponse:
        """The customer says a code, and decides."""
        request_id = self.federation.next_id()
        documents = await self.verified(number, request_id)
        end = None if lasts is None else (start or self.federation.clock.now()) + lasts
        return await self.give(
            self.decision(
                number,
                reader,
                purpose,
                decision,
                fields=fields,
                start=start,
                end=end,
                documents=documents,
                request_id=request_id,
            )
        )

    async def sign(self, number: str) -> str:
        """The customer signs a consent, which is put on file; returns its document id."""
        return await Archive(self.counter).put(number, code=CONSENT_PAPER)

    async def withdraw(
        self, number: str, *, grant_id: str = "", reader: str = "", purpose: str = "", paper: str = ""
    ) -> api.WithdrawConsentResponse:
        """The customer withdraws, by a code unless a paper is named."""
        request_id = self.federation.next_id()
        request = api.WithdrawConsentRequest(
            request_id=request_id,
            number=number,
            grant_id=grant_id,
            reader=reader,
            purpose=purpose,
            applicant=HOLDER,
            documents=() if paper else await self.verified(number, request_id),
            paper=paper,
            requester=REQUESTER,
        )
        return await self.stub.WithdrawConsent(request, timeout=CALL_SECONDS)

    async def confirm(self, number: str, *, agreed: bool = True) -> api.ConfirmConsentResponse:
        """Records what the customer has said to staff about consents that wait."""
        request = api.ConfirmConsentRequest(request_id=self.federation.next_id(), number=number, agreed=agreed)
        return await self.stub.ConfirmConsent(request, timeout=CALL_SECONDS)

    async def grants(self, number: str, *, page_size: int = 0) -> list[api.Grant]:
        """All decisions of the customer, by as many pages as needed."""
        request_id = self.federation.next_id()
        documents, token, found = await self.verified(number, request_id), "", list[api.Grant]()
        while True:
            page = await self.stub.ListGrants(
                api.ListGrantsRequest(
                    request_id=request_id,
                    number=number,
                    applicant=HOLDER,
                    documents=documents,
                    page_size=page_size,
                    page_token=token,
                    requester=REQUESTER,
                ),
                timeout=CALL_SECONDS,
            )
            found += page.grants
            token = page.next_page_token
            if not token:
                return found

    async def disclosures(self, number: str, *, page_size: int = 0) -> list[api.Disclosure]:
        """All who have seen something of the customer, by as many pages as it takes."""
        request_id = self.federation.next_id()
        documents, token, found = await self.verified(number, request_id), "", list[api.Disclosure]()
        while True:
            page = await self.stub.ListDisclosures(
                api.ListDisclosuresRequest(
                    request_id=request_id,
                    number=number,
                    applicant=HOLDER,
                    documents=documents,
                    page_size=page_size,
                    page_token=token,
                    requester=REQUESTER,
                ),
                timeout=CALL_SECONDS,
            )
            found += page.disclosures
            token = page.next_page_token
            if not token:
                return found


def told(answer: api.ReadSharedCustomerResponse) -> dict[SharedField.ValueType, list[str]]:
    """The texts of a record by field; asserts that it is one."""
    assert answer.HasField("record"), answer
    return {each.field: list(each.texts) for each in answer.record.values}


def masks(answer: api.ReadSharedCustomerResponse) -> set[str]:
    """Why fields of a record are masked, or not."""
    assert answer.HasField("record"), answer
    return {api.MaskReason.Name(each.masked).removeprefix("MASK_REASON_") for each in answer.record.values}
