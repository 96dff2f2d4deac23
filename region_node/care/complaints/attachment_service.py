"""AttachmentService: files of complaints in, and out."""

from collections.abc import AsyncIterator

import grpc

from gateway.api.region.v1 import attachment_service_pb2 as api
from gateway.api.region.v1.attachment_service_pb2_grpc import AttachmentServiceServicer
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.federation.complaint_rules import ATTACHMENT_SIZE
from gateway.rpc.calls import current_call
from gateway.store.port import Store
from gateway.time.clock import Clock
from gateway.values.sizes import MIB
from region_node.care.complaints import rules
from region_node.care.complaints.attaching import MATERIAL, Attaching
from region_node.care.complaints.attachment_contents import AttachmentReading
from region_node.customers.documents.files import StoredFile
from region_node.customers.documents.receiving_stream import ReceivingApplication, chunks_of
from region_node.customers.documents.rules import require_file
from region_node.node.context import RegionContext
from region_node.requests.auditing import audited_call
from region_node.requests.calling import caller_of
from region_node.requests.checks import error_of, require_request_id
from region_node.requests.questions import Questions

Requests = AsyncIterator[api.AttachFileRequest]


class AttachmentService(AttachmentServiceServicer):
    """See the contract."""

    def __init__(self, context: RegionContext, store: Store, clock: Clock, questions: Questions) -> None:
        self._context = context
        self._clock = clock
        self._receiving = ReceivingApplication(store, clock)
        self._reading = AttachmentReading(context, store, questions)

    async def AttachFile(  # noqa: N802 - named by the contract
        self,
        request_iterator: Requests,
        context: grpc.aio.ServicerContext[api.AttachFileRequest, api.AttachFileResponse],
    ) -> AsyncIterator[api.AttachFileResponse]:
        """See the contract."""
        first = await anext(request_iterator, None)
        if first is None or not first.HasField("attachment"):
            raise invalid("attachment", "not in the first message", "首条消息中缺少此项")
        attaching = await self._named(first.attachment)
        async for file in self._receiving.taken(attaching, chunks_of(request_iterator)):
            yield _answer(file)

    async def GetAttachmentContent(  # noqa: N802 - named by the contract
        self,
        request: api.GetAttachmentContentRequest,
        context: grpc.aio.ServicerContext[api.GetAttachmentContentRequest, api.GetAttachmentContentResponse],
    ) -> AsyncIterator[api.GetAttachmentContentResponse]:
        """See the contract."""
        identity, asked = current_call().identity, audited_call(request.requester, self._clock)
        async for piece in self._reading.pieces(request, identity, asked):
            yield piece

    async def _named(self, named: api.AttachmentUpload) -> Attaching:
        """The attachment described by the first message.

        Raises Refused, which is audited, for one that is not accepted.
        """
        asked, identity = audited_call(named.requester, self._clock), current_call().identity
        require_request_id(named.request_id)
        rules.require_ticket_id(named.ticket_id)
        caller = caller_of(named.request_id)
        told = api.AttachmentUpload()
        told.CopyFrom(named)
        attaching = Attaching(
            document_id=f"{self._context.region}/{caller.operator}/{named.request_id}",
            asked=asked,
            context=self._context,
            named=told,
            identity=identity,
            traceparent=caller.traceparent,
        )
        federation = self._context.federation
        try:
            rules.require_file_name("attachment.name", named.name)
            material = federation.material(MATERIAL)
            if material is None:
                raise Refused(Reason.REASON_CONFIGURATION_INVALID, problem=f"there is no material {MATERIAL}")
            limit = federation.figure(ATTACHMENT_SIZE, (self._context.region,)) * MIB
            require_file("attachment", named, material, limit)
        except Refused as refused:
            await self._receiving.refuse(attaching, refused)
            raise
        return attaching


def _answer(file: StoredFile) -> api.AttachFileResponse:
    answer = api.AttachFileResponse(attachment_id=file.document_id, received=file.received, state=file.state)
    if file.refused is not None:
        answer.refused.CopyFrom(error_of(file.refused))
    return answer
