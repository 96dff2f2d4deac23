"""Documents that a counter puts on file, lists and reads."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.api.region.v1 import document_service_pb2 as api
from gateway.api.types.v1.types_pb2 import Applicant, Document
from gateway.time.clock import to_timestamp
from tests.federation.counter import REQUESTER, Counter
from tests.federation.running import CALL_SECONDS, until

CHUNK = 64 * 1024
REGISTERED = api.UploadState.UPLOAD_STATE_REGISTERED
PNG = b"\x89PNG\r\n\x1a\n"


def scan(size: int = 1000, mark: str = "a scan") -> bytes:
    """A file that begins as a PNG does; equal marks and sizes give equal bytes."""
    filling = hashlib.shake_256(mark.encode()).digest(size)
    return (PNG + filling)[:size]


@dataclass(frozen=True)
class Archive:
    """The documents of one counter."""

    counter: Counter

    def named(
        self,
        number: str,
        content: bytes,
        *,
        code: str = "ID_ORIG",
        request_id: str = "",
        age: timedelta = timedelta(minutes=1),
        expires: datetime | None = None,
        identity_number: str = "",
        media_type: str = "image/png",
    ) -> api.DocumentUpload:
        """The first message of a good upload."""
        federation = self.counter.federation
        return api.DocumentUpload(
            request_id=request_id or federation.next_id(),
            number=number,
            code=code,
            media_type=media_type,
            size=len(content),
            sha256=hashlib.sha256(content).digest(),
            verify_time=to_timestamp(federation.clock.now() - age),
            expire_time=None if expires is None else to_timestamp(expires),
            identity_number=identity_number,
            requester=REQUESTER,
        )

    async def send(
        self, named: api.DocumentUpload, content: bytes, *, until_byte: int = -1
    ) -> api.UploadDocumentResponse:
        """Uploads from where the node is, up to a byte; returns the last answer."""
        end = len(content) if until_byte < 0 else until_byte
        call = self.counter.documents.UploadDocument(timeout=CALL_SECONDS)
        await call.write(api.UploadDocumentRequest(document=named))
        answer = await call.read()
        assert isinstance(answer, api.UploadDocumentResponse)
        while answer.received < end and answer.state == api.UploadState.UPLOAD_STATE_RECEIVING:
            data = content[answer.received : min(answer.received + CHUNK, end)]
            await call.write(api.UploadDocumentRequest(chunk=api.DocumentChunk(offset=answer.received, data=data)))
            answer = await call.read()
            assert isinstance(answer, api.UploadDocumentResponse)
        await call.done_writing()
        call.cancel()
        return answer

    async def put(self, number: str, content: bytes | None = None, **named: object) -> str:
        """Puts a good document on file; returns its document id once the home region has it."""
        content = scan() if content is None else content
        upload = self.named(number, content, **named)  # type: ignore[arg-type]
        answer = await self.send(upload, content)

        async def is_registered() -> bool:
            return (await self.send(upload, content)).state == REGISTERED

        if answer.state != REGISTERED:
            await until(is_registered, f"{answer.document_id} is registered")
        return answer.document_id

    async def list(self, number: str, page_size: int = 0) -> Sequence[api.RegisteredDocument]:
        """What is on file, on all pages."""
        request, found = api.ListDocumentsRequest(number=number, page_size=page_size), list[api.RegisteredDocument]()
        request.requester.CopyFrom(REQUESTER)
        while True:
            page = await self.counter.documents.ListDocuments(request, timeout=CALL_SECONDS)
            found += page.documents
            request.page_token = page.next_page_token
            if not request.page_token:
                return found

    async def pieces(
        self, number: str, document_id: str, offset: int = 0
    ) -> AsyncIterator[api.GetDocumentContentResponse]:
        """The content from an offset on, piece by piece."""
        request = api.GetDocumentContentRequest(
            number=number, document_id=document_id, offset=offset, requester=REQUESTER
        )
        async for piece in self.counter.documents.GetDocumentContent(request, timeout=CALL_SECONDS):
            yield piece

    async def content(self, number: str, document_id: str, offset: int = 0) -> bytes:
        """The content from an offset on."""
        return b"".join([piece.data async for piece in self.pieces(number, document_id, offset)])

    async def check(self, business: str, number: str, documents: Sequence[Document] = ()) -> api.CheckDocumentsResponse:
        """The counting and the missing documents of the holder."""
        request = api.CheckDocumentsRequest(
            business=business,
            number=number,
            applicant=Applicant.APPLICANT_HOLDER,
            documents=documents,
            requester=REQUESTER,
        )
        return await self.counter.documents.CheckDocuments(request, timeout=CALL_SECONDS)

    async def withdraw(self, document_id: str) -> datetime:
        """Says that a document was found false; returns since when it counts no more."""
        request = api.WithdrawDocumentRequest(document_id=document_id, requester=REQUESTER)
        answer = await self.counter.documents.WithdrawDocument(request, timeout=CALL_SECONDS)
        return answer.withdraw_time.ToDatetime()
