"""The files of complaints, as somebody of one region attaches and reads them."""

import hashlib
from dataclasses import dataclass

from gateway.api.region.v1 import attachment_service_pb2 as api
from gateway.api.region.v1.attachment_service_pb2_grpc import AttachmentServiceStub
from gateway.api.region.v1.document_service_pb2 import DocumentChunk, UploadState
from tests.federation.archive import CHUNK
from tests.federation.complainant import Complainant
from tests.federation.counter import REQUESTER
from tests.federation.running import CALL_SECONDS, until

REGISTERED = UploadState.UPLOAD_STATE_REGISTERED
RECEIVING = UploadState.UPLOAD_STATE_RECEIVING


@dataclass(frozen=True)
class Folder:
    """A caller that works with the files of a complaint."""

    somebody: Complainant
    ticket_id: str

    @property
    def service(self) -> AttachmentServiceStub:
        """The attachment service of their region's node."""
        somebody = self.somebody
        path = f"region/{somebody.region}/{somebody.name}"
        return AttachmentServiceStub(somebody.federation.dial_node(somebody.region, path))

    def named(self, content: bytes, name: str = "账单.png", request_id: str = "") -> api.AttachmentUpload:
        """The first message of a good upload."""
        return api.AttachmentUpload(
            request_id=request_id or self.somebody.federation.next_id(),
            ticket_id=self.ticket_id,
            name=name,
            media_type="image/png",
            size=len(content),
            sha256=hashlib.sha256(content).digest(),
            requester=REQUESTER,
        )

    async def send(
        self, named: api.AttachmentUpload, content: bytes, *, until_byte: int = -1
    ) -> api.AttachFileResponse:
        """Uploads from where the node is, up to a byte; returns the last answer."""
        end = len(content) if until_byte < 0 else until_byte
        call = self.service.AttachFile(timeout=CALL_SECONDS)
        await call.write(api.AttachFileRequest(attachment=named))
        answer = await call.read()
        assert isinstance(answer, api.AttachFileResponse)
        while answer.received < end and answer.state == RECEIVING:
            data = content[answer.received : min(answer.received + CHUNK, end)]
            await call.write(api.AttachFileRequest(chunk=DocumentChunk(offset=answer.received, data=data)))
            answer = await call.read()
            assert isinstance(answer, api.AttachFileResponse)
        await call.done_writing()
        call.cancel()
        return answer

    async def attach(self, content: bytes, name: str = "账单.png") -> str:
        """Attaches a good file; returns its id once the complaint has it."""
        named = self.named(content, name)
        answer = await self.send(named, content)

        async def is_attached() -> bool:
            return (await self.send(named, content)).state == REGISTERED

        if answer.state != REGISTERED:
            await until(is_attached, f"{answer.attachment_id} is attached")
        return answer.attachment_id

    async def read(self, attachment_id: str, offset: int = 0) -> bytes:
        """The content from an offset on."""
        request = api.GetAttachmentContentRequest(
            ticket_id=self.ticket_id, attachment_id=attachment_id, offset=offset, requester=REQUESTER
        )
        call = self.service.GetAttachmentContent(request, timeout=CALL_SECONDS)
        return b"".join([piece.data async for piece in call])
