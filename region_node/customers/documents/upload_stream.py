"""The upload stream of a document, in the messages of the contract."""

from collections.abc import AsyncIterator
from datetime import datetime

from gateway.api.region.v1.document_service_pb2 import (
    DocumentUpload,
    UploadDocumentRequest,
    UploadDocumentResponse,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.federation.numberplan import normalize, number_prefix
from gateway.process.tracing import current_traceparent
from gateway.rpc.calls import current_call
from gateway.store.port import Store
from gateway.time.clock import Clock
from gateway.values.sizes import MIB
from region_node.customers.documents import rules
from region_node.customers.documents.files import StoredFile
from region_node.customers.documents.receiving_stream import ReceivingApplication, chunks_of
from region_node.customers.documents.uploads import Upload
from region_node.node.context import RegionContext
from region_node.requests.auditing import audited_call
from region_node.requests.checks import error_of, require_request_id

Requests = AsyncIterator[UploadDocumentRequest]


class UploadApplication:
    """Receives documents that were verified in this region."""

    def __init__(self, context: RegionContext, store: Store, clock: Clock) -> None:
        self._context = context
        self._clock = clock
        self._receiving = ReceivingApplication(store, clock)

    async def answers(self, requests: Requests) -> AsyncIterator[UploadDocumentResponse]:
        """The progress of the upload at its start, then the answer to each chunk.

        Raises Refused where it cannot continue.
        """
        first = await anext(requests, None)
        if first is None or not first.HasField("document"):
            raise invalid("document", "not in the first message", "首条消息中缺少此项")
        upload = await self._named(first.document)
        async for file in self._receiving.taken(upload, chunks_of(requests)):
            yield _answer(file)

    async def _named(self, named: DocumentUpload) -> Upload:
        """The upload described by the first message. Raises Refused, which is audited, for one that is not accepted."""
        asked, identity = audited_call(named.requester, self._clock), current_call().identity
        require_request_id(named.request_id)
        document_id = f"{self._context.region}/{identity.name}/{named.request_id}"
        told = DocumentUpload()
        told.CopyFrom(named)
        home, refused = "", None
        try:
            home = self._checked(told, asked.now)
        except Refused as refusal:
            refused = refusal
        upload = Upload(
            document_id=document_id,
            asked=asked,
            context=self._context,
            named=told,
            home=home,
            operator=identity.name,
            traceparent=current_traceparent(),
        )
        if refused is not None:
            await self._receiving.refuse(upload, refused)
            raise refused
        return upload

    def _checked(self, named: DocumentUpload, now: datetime) -> str:
        """Brings the number into its one form; returns the customer's home region. Raises Refused."""
        federation = self._context.federation
        named.number = normalize(named.number)
        home = federation.number_plan.home_of(named.number)
        if home is None:
            raise Refused(Reason.REASON_NUMBER_UNRESOLVED, number=number_prefix(named.number))
        limit = federation.figure(rules.SIZE_POLICY, (self._context.region, home)) * MIB
        rules.require_upload(named, federation.material(named.code), limit, now)
        return home


def _answer(file: StoredFile) -> UploadDocumentResponse:
    answer = UploadDocumentResponse(document_id=file.document_id, received=file.received, state=file.state)
    if file.refused is not None:
        answer.refused.CopyFrom(error_of(file.refused))
    return answer
