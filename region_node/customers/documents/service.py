"""DocumentService: documents of own and foreign customers, by the same calls."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc

from gateway.api.region.v1 import document_service_pb2 as api
from gateway.api.region.v1.document_envelopes_pb2 import DocumentListQuestion
from gateway.api.region.v1.document_service_pb2_grpc import DocumentServiceServicer
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.numberplan import normalize
from gateway.process.tracing import current_traceparent
from gateway.relay.border import Moved
from gateway.rpc.calls import current_call
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock, from_timestamp, to_timestamp
from region_node.customers.documents import rules, uploads
from region_node.customers.documents.content_stream import ContentApplication, Reading
from region_node.customers.documents.on_file import RegisterApplication
from region_node.customers.documents.reuse import reuse
from region_node.customers.documents.rules import require_attested, require_materials
from region_node.customers.documents.upload_stream import UploadApplication
from region_node.node.context import RegionContext
from region_node.requests.auditing import AuditedCall, audited_call
from region_node.requests.checks import require_size
from region_node.requests.questions import Questions


@dataclass(frozen=True)
class DocumentPorts:
    """The ports of the service."""

    context: RegionContext
    store: Store
    clock: Clock
    register: RegisterApplication
    contents: ContentApplication
    questions: Questions


class DocumentService(DocumentServiceServicer):
    """See the contract."""

    def __init__(self, ports: DocumentPorts) -> None:
        self._ports = ports
        self._uploads = UploadApplication(ports.context, ports.store, ports.clock)

    async def UploadDocument(
        self,
        request_iterator: AsyncIterator[api.UploadDocumentRequest],
        context: grpc.aio.ServicerContext[api.UploadDocumentRequest, api.UploadDocumentResponse],
    ) -> AsyncIterator[api.UploadDocumentResponse]:
        """See the contract."""
        async for answer in self._uploads.answers(request_iterator):
            yield answer

    async def ListDocuments(
        self,
        request: api.ListDocumentsRequest,
        context: grpc.aio.ServicerContext[api.ListDocumentsRequest, api.ListDocumentsResponse],
    ) -> api.ListDocumentsResponse:
        """See the contract."""
        asked = audited_call(request.requester, self._ports.clock)
        question = DocumentListQuestion(
            number=normalize(request.number), page_size=request.page_size, page_token=request.page_token
        )
        return await self._ports.register.list(question, asked)

    async def GetDocumentContent(
        self,
        request: api.GetDocumentContentRequest,
        context: grpc.aio.ServicerContext[api.GetDocumentContentRequest, api.GetDocumentContentResponse],
    ) -> AsyncIterator[api.GetDocumentContentResponse]:
        """See the contract."""
        ports, asked = self._ports, audited_call(request.requester, self._ports.clock)
        reading = Reading(ports.contents, ports.context, ports.questions)
        async for piece in reading.pieces(request, asked):
            yield piece

    async def CheckDocuments(
        self,
        request: api.CheckDocumentsRequest,
        context: grpc.aio.ServicerContext[api.CheckDocumentsRequest, api.CheckDocumentsResponse],
    ) -> api.CheckDocumentsResponse:
        """See the contract."""
        asked, federation = audited_call(request.requester, self._ports.clock), self._ports.context.federation
        require_size(request.ByteSize())
        require_materials(federation.material_codes, request.documents)
        require_attested(request.documents)
        wanted = OrderRequest(
            business=request.business,
            number=normalize(request.number),
            applicant=request.applicant,
            documents=request.documents,
        )
        return await self._check(wanted, asked)

    async def _check(self, wanted: OrderRequest, asked: AuditedCall) -> api.CheckDocumentsResponse:
        federation, region = self._ports.context.federation, self._ports.context.region
        business = federation.prepared(wanted.business)
        lines = rules.required_of(business, wanted.applicant)
        registered, answer = None, api.CheckDocumentsResponse()
        try:
            registered = await self._ports.register.counting(wanted.number, asked, business.code)
        except Refused as refused:
            if refused.reason != Reason.REASON_REGION_UNREACHABLE:
                raise
        answer.register_asked = registered is not None
        brought = [each for each in wanted.documents if rules.is_fresh(business, each, asked.now)]
        codes = {document.code for document in brought}
        found = rules.completed(federation, business, lines, codes, registered or (), asked.now)
        for document in brought:
            until = rules.expire_time(business, from_timestamp(document.verify_time), None)
            answer.counting.add(document=document, region=region, expire_time=to_timestamp(until))
        for each in found.added:
            expires = from_timestamp(each.expire_time) if each.HasField("expire_time") else None
            until = rules.expire_time(business, from_timestamp(each.verify_time), expires)
            answer.counting.add(document=rules.attested(each), region=each.region, expire_time=to_timestamp(until))
        answer.missing.extend(found.missing)
        return answer

    async def WithdrawDocument(
        self,
        request: api.WithdrawDocumentRequest,
        context: grpc.aio.ServicerContext[api.WithdrawDocumentRequest, api.WithdrawDocumentResponse],
    ) -> api.WithdrawDocumentResponse:
        """See the contract."""
        ports, asked = self._ports, audited_call(request.requester, self._ports.clock)
        rules.require_document_id(request.document_id)
        operator, traceparent = current_call().identity.name, current_traceparent()
        try:
            since = await ports.store.write(
                lambda tx: uploads.withdraw(tx, ports.context, request.document_id, operator, asked, traceparent)
            )
        except Moved as moved:
            raise Refused(Reason.REASON_NOT_HOME, region=moved.region) from None
        return api.WithdrawDocumentResponse(withdraw_time=to_timestamp(since))

    async def GetDocumentReuse(
        self,
        request: api.GetDocumentReuseRequest,
        context: grpc.aio.ServicerContext[api.GetDocumentReuseRequest, api.GetDocumentReuseResponse],
    ) -> api.GetDocumentReuseResponse:
        """See the contract."""
        asked = audited_call(request.requester, self._ports.clock)

        def read(tx: Transaction) -> api.GetDocumentReuseResponse:
            asked.record(tx, "GetDocumentReuse", "-")
            return api.GetDocumentReuseResponse(reuse=reuse(tx))

        return await self._ports.store.write(read)
