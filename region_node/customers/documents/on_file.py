"""Documents on file for a customer whose order lacks some: from the own register or the home region's."""

from collections.abc import Sequence

from gateway.api.region.v1.document_envelopes_pb2 import DocumentListQuestion
from gateway.api.region.v1.document_service_pb2 import ListDocumentsResponse, RegisteredDocument
from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Document
from gateway.errors import Refused
from gateway.relay.border import Moved
from gateway.rpc.element_counts import parsed
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock
from region_node.customers.documents import register, rules
from region_node.customers.documents.rows import MOST_COUNTED
from region_node.customers.own_readings import OwnReadings
from region_node.customers.verification.rules import Shown
from region_node.node.context import RegionContext
from region_node.requests.auditing import AuditedCall
from region_node.requests.questions import Questions, is_large

LIST_KIND = EnvelopeKind.ENVELOPE_KIND_DOCUMENT_LIST


class RegisterApplication:
    """Queries the register of a customer's home region. `questions` is None without access to other regions."""

    def __init__(self, context: RegionContext, store: Store, clock: Clock, questions: Questions | None) -> None:
        self._context = context
        self._store = store
        self._clock = clock
        self._questions = questions
        self._readings = OwnReadings(context, store)

    async def list(
        self, question: DocumentListQuestion, call: AuditedCall, *, for_order: bool = False
    ) -> ListDocumentsResponse:
        """A page of what is on file for the customer of a number in E.164, in whichever region.

        The question of an order counts with that order. Raises Refused as the home region does, and with
        REGION_UNREACHABLE where it does not respond.
        """
        owner = self._context.federation.number_plan.home_of(question.number)
        if owner == self._context.region:

            def read(tx: Transaction) -> ListDocumentsResponse:
                own = self._context.region
                return register.list_documents(tx, self._context, question, own, call, for_order=for_order)

            try:
                if for_order:
                    return await self._store.write(read)
                return await self._readings.write(call.dealer, Shown("", question.number), call.now, read)
            except Moved as moved:
                raise Refused(Reason.REASON_NOT_HOME, region=moved.region) from None
        if owner is None or self._questions is None:
            raise Refused(Reason.REASON_REGION_UNREACHABLE, region=owner or "-")
        question.staff_id = call.staff_id
        # An order's own question shares its batch: its answer has few documents, of some 200 bytes each.
        alone = not question.business and is_large(question.page_size)
        answer = await self._questions.ask(owner, LIST_KIND, "ListDocuments", question, alone=alone)
        return parsed(ListDocumentsResponse, answer)

    async def counting(
        self, number: str, call: AuditedCall, business: str, *, for_order: bool = False
    ) -> Sequence[RegisteredDocument]:
        """Lists the documents on file that may count for an order of a number's customer. Raises Refused as `list`."""
        question = DocumentListQuestion(number=number, business=business, page_size=MOST_COUNTED)
        return (await self.list(question, call, for_order=for_order)).documents

    async def for_order(self, actor: str, request: OrderRequest) -> Sequence[Document]:
        """The documents on file that complete an order's own; none where the register does not respond."""
        business = self._context.federation.prepared(request.business)
        lines = business.documents.get(request.applicant, ())
        staff_id, brought = request.requester.staff_id, {document.code for document in request.documents}
        if not lines or not request.number or not rules.may_complete(staff_id, brought):
            return ()
        registered = await self._registered(actor, staff_id, request.number, business.code)
        federation, now = self._context.federation, self._clock.now()
        found = rules.completed(federation, business, lines, brought, registered, now)
        return [rules.attested(each) for each in found.added]

    async def for_supplement(
        self, actor: str, staff_id: str, order: Order, brought: Sequence[Document]
    ) -> Sequence[Document]:
        """The documents on file that stand in for those that a review requested and nobody supplied."""
        codes = {document.code for document in brought}
        wanted = [code for code in order.documents_requested if code not in codes]
        if not wanted or not order.request.number or not rules.may_complete(staff_id, codes):
            return ()
        federation, now = self._context.federation, self._clock.now()
        business = federation.prepared(order.request.business)
        registered = await self._registered(actor, staff_id, order.request.number, business.code)
        return [rules.attested(each) for each in rules.completed_codes(federation, business, wanted, registered, now)]

    async def _registered(self, actor: str, staff_id: str, number: str, business: str) -> Sequence[RegisteredDocument]:
        call = AuditedCall(actor, staff_id, self._clock.now())
        try:
            return await self.counting(number, call, business, for_order=True)
        except Refused:
            return ()  # the refusal then lists the missing documents as without a register
