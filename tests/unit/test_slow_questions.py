"""Questions whose answer takes long, or is large, travel alone: no neighbour of a batch waits for them."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import cast

import pytest

from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.region.v1 import sharing_service_pb2 as sharing
from gateway.api.region.v1 import verification_service_pb2 as verification
from gateway.api.region.v1.attachment_service_pb2 import GetAttachmentContentRequest
from gateway.api.region.v1.billing_service_pb2 import QueryBillRequest
from gateway.api.region.v1.complaint_envelopes_pb2 import AttachmentQuestion
from gateway.api.region.v1.document_envelopes_pb2 import DocumentContentQuestion, DocumentListQuestion
from gateway.api.region.v1.document_service_pb2 import GetDocumentContentRequest
from gateway.api.region.v1.support_resource_service_pb2 import ListExpertsRequest, ListSparesRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind
from gateway.api.types.v1.types_pb2 import Channel, Requester
from gateway.errors import Unreachable
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border, SlowQuery
from gateway.relay.envelopes import OutgoingEnvelope
from gateway.relay.queries import ATTEMPTS, Asker
from gateway.relay.transport import Transport
from gateway.rpc.calls import Call, enter
from gateway.rpc.pages import DEFAULT_PAGE_SIZE, LARGEST_PAGE_SIZE
from gateway.store.port import Store
from gateway.time.clock import SystemClock
from region_node.business.billing.service import BillingService
from region_node.care.complaints import attachment_contents
from region_node.care.complaints.attachment_contents import AttachmentApplication, AttachmentReading
from region_node.care.complaints.relayed import ComplaintEnvelopes
from region_node.customers.documents import contents
from region_node.customers.documents.content_stream import ContentApplication, Reading
from region_node.customers.documents.on_file import RegisterApplication
from region_node.customers.documents.relayed import DocumentEnvelopes
from region_node.customers.documents.rows import MOST_COUNTED
from region_node.customers.sharing.application import SharingApplication
from region_node.customers.verification.application import VerificationApplication
from region_node.customers.verification.relayed import VerificationEnvelopes
from region_node.customers.verification.service import VerificationService
from region_node.network.support.registry_service import SupportResourceService
from region_node.node.context import RegionContext
from region_node.requests.auditing import AuditedCall
from region_node.requests.checks import Questioner
from region_node.requests.questions import Questions
from tests.simulation.calls import served
from tests.simulation.world import keys, operator
from tests.unit.situations import FEDERATION, LINE, NOW

HERE, THIRD = "guangdong", "henan"
CALLER = operator(HERE, "counter")
CALL = AuditedCall(CALLER.path, "clerk-7", NOW)
REQUESTER = Requester(staff_id="clerk-7", channel=Channel.CHANNEL_COUNTER)
DOCUMENT = "sichuan/counter/contract-1"
TICKET = "guangdong/20261124-1"
BILL = EnvelopeKind.ENVELOPE_KIND_BILL_QUERY
DOCUMENTS = EnvelopeKind.ENVELOPE_KIND_DOCUMENT_LIST


class Noting(Asker):
    """Notes how each question travels, and answers none."""

    def __init__(self, border: Border) -> None:
        super().__init__(border, cast(Transport, None), SystemClock(), random.Random(7))
        self.asked: list[tuple[EnvelopeKind.ValueType, bool]] = []

    async def ask(
        self,
        outgoing: OutgoingEnvelope,
        seconds: float,
        traceparent: str,
        attempts: int = ATTEMPTS,
        *,
        alone: bool = False,
    ) -> bytes:
        self.asked.append((outgoing.kind, alone))
        raise Unreachable("not a question of this test")


class Finding:
    """A store in which every transaction finds the same."""

    def __init__(self, found: object) -> None:
        self._found = found

    async def write(self, operation: object) -> object:
        """See the port."""
        return self._found


def finding(found: object) -> Store:
    return cast(Store, Finding(found))


class Scene:
    """Guangdong, which asks Sichuan about a customer of Sichuan's."""

    def __init__(self) -> None:
        current = CurrentFederation()
        current.update(FEDERATION, [Member(region="sichuan", state=MemberState.MEMBER_STATE_JOINED)])
        self.context = RegionContext(Border(HERE, keys().signers[HERE], keys().trusted, current))
        self.asker = Noting(self.context.border)
        self.questions = Questions(self.context, self.asker)

    async def bill(self, itemised: bool) -> object:
        service = BillingService(self.context, finding(None), self.questions, SystemClock())
        request = QueryBillRequest(number=LINE.number, requester=REQUESTER, itemised=itemised)
        return await served(service.QueryBill, CALLER, request)

    def verification(self) -> VerificationService:
        return VerificationService(self.context, cast(VerificationApplication, None), self.questions)

    async def send_code(self) -> object:
        request = verification.SendCodeRequest(request_id="1", number=LINE.number, requester=REQUESTER)
        return await served(self.verification().SendCode, CALLER, request)

    async def verify(self) -> object:
        request = verification.VerifyRequest(request_id="1", number=LINE.number, requester=REQUESTER, code="123456")
        return await served(self.verification().Verify, CALLER, request)

    async def change_password(self) -> object:
        request = verification.ChangePasswordRequest(
            request_id="1", number=LINE.number, requester=REQUESTER, code="123456", new_password="480271"
        )
        return await served(self.verification().ChangePassword, CALLER, request)

    async def read_document(self) -> object:
        enter(Call(CALLER, "GetDocumentContent", None))
        application = ContentApplication(self.context, finding(None), SystemClock(), self.asker)
        reading = Reading(application, self.context, self.questions)
        request = GetDocumentContentRequest(document_id=DOCUMENT, number=LINE.number)
        return await anext(reading.pieces(request, CALL))

    async def fetch_document(self) -> object:
        application = ContentApplication(self.context, finding(contents.Elsewhere(THIRD)), SystemClock(), self.asker)
        asked = DocumentContentQuestion(document_id=DOCUMENT, number=LINE.number, staff_id="clerk-7")
        return await application.piece(asked, Questioner(HERE, "counter"), CALL, "")

    async def read_attachment(self) -> object:
        enter(Call(CALLER, "GetAttachmentContent", None))
        reading = AttachmentReading(self.context, finding(THIRD), self.questions)
        request = GetAttachmentContentRequest(ticket_id=TICKET, attachment_id="1")
        return await anext(reading.pieces(request, CALLER, CALL))

    async def fetch_attachment(self) -> object:
        store = finding(attachment_contents.Elsewhere(THIRD))
        asked = AttachmentQuestion(ticket_id=TICKET, attachment_id="1", staff_id="clerk-7")
        content = EnvelopeContent(
            origin="sichuan", operator="counter", subject=TICKET, payload=asked.SerializeToString()
        )
        return await AttachmentApplication(self.context, store, self.asker).answer(content, NOW)

    def sharing(self) -> SharingApplication:
        enter(Call(CALLER, "List", None))
        return SharingApplication(self.context, finding(None), self.questions, SystemClock())

    async def disclosures(self, page_size: int) -> object:
        request = sharing.ListDisclosuresRequest(
            request_id="1", number=LINE.number, requester=REQUESTER, page_size=page_size
        )
        return await self.sharing().ask("ListDisclosures", request, sharing.ListDisclosuresResponse)

    async def grants(self, page_size: int) -> object:
        request = sharing.ListGrantsRequest(
            request_id="1", number=LINE.number, requester=REQUESTER, page_size=page_size
        )
        return await self.sharing().ask("ListGrants", request, sharing.ListGrantsResponse)

    async def documents(self, page_size: int, business: str = "") -> object:
        enter(Call(CALLER, "ListDocuments", None))
        register = RegisterApplication(self.context, finding(None), SystemClock(), self.questions)
        question = DocumentListQuestion(number=LINE.number, business=business, page_size=page_size)
        return await register.list(question, CALL)

    async def experts(self, page_size: int) -> object:
        service = SupportResourceService(self.context, finding(None), self.questions, SystemClock())
        request = ListExpertsRequest(everywhere=True, page_size=page_size, requester=REQUESTER)
        return await served(service.ListExperts, CALLER, request)

    async def spares(self, page_size: int) -> object:
        service = SupportResourceService(self.context, finding(None), self.questions, SystemClock())
        request = ListSparesRequest(everywhere=True, page_size=page_size, requester=REQUESTER)
        return await served(service.ListSpares, CALLER, request)

    def slow_kinds(self) -> set[EnvelopeKind.ValueType]:
        """The kinds whose answer takes several transactions."""
        documents = ContentApplication(self.context, finding(None), SystemClock(), self.asker)
        attachments = AttachmentApplication(self.context, finding(None), self.asker)
        kinds = {
            **VerificationEnvelopes(cast(VerificationApplication, None)).kinds(),
            **DocumentEnvelopes(self.context, documents).kinds(),
            **ComplaintEnvelopes(self.context, attachments).kinds(),
        }
        return {kind for kind, how in kinds.items() if isinstance(how, SlowQuery)}


def noted(scene: Scene, ask: Callable[[], Awaitable[object]]) -> tuple[EnvelopeKind.ValueType, bool]:
    """The kind of a question, and whether it travels alone."""

    async def asking() -> None:
        with pytest.raises(Unreachable):
            await ask()

    asyncio.run(asking())
    return scene.asker.asked.pop()


def test_each_question_with_a_slow_answer_travels_alone() -> None:
    scene = Scene()
    asks = (
        scene.send_code,
        scene.verify,
        scene.change_password,
        scene.read_document,
        scene.fetch_document,
        scene.read_attachment,
        scene.fetch_attachment,
    )
    told = {ask.__name__: noted(scene, ask) for ask in asks}
    assert [name for name, (_, alone) in told.items() if not alone] == []
    assert {kind for kind, _ in told.values()} == scene.slow_kinds()


def test_a_bill_shares_a_batch_and_an_itemised_one_travels_alone() -> None:
    scene = Scene()
    assert noted(scene, lambda: scene.bill(itemised=False)) == (BILL, False)
    assert noted(scene, lambda: scene.bill(itemised=True)) == (BILL, True)


def test_a_list_by_large_pages_travels_alone_and_one_by_usual_pages_shares_a_batch() -> None:
    scene = Scene()
    wrong: list[str] = []
    for ask in (scene.disclosures, scene.grants, scene.documents, scene.experts, scene.spares):
        for size in (0, DEFAULT_PAGE_SIZE, DEFAULT_PAGE_SIZE + 1, LARGEST_PAGE_SIZE):
            _, alone = noted(scene, partial(ask, size))
            if alone != (size > DEFAULT_PAGE_SIZE):
                wrong.append(f"{ask.__name__} by pages of {size}")
    assert wrong == []


def test_the_documents_for_an_order_share_a_batch() -> None:
    scene = Scene()
    assert noted(scene, lambda: scene.documents(MOST_COUNTED, "PAY")) == (DOCUMENTS, False)
