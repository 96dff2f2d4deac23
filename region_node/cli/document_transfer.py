"""Bringing a document to the node and fetching one, over however many connections."""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

import grpc

from gateway.api.region.v1.document_service_pb2 import (
    DocumentChunk,
    DocumentUpload,
    GetDocumentContentRequest,
    UploadDocumentRequest,
    UploadDocumentResponse,
    UploadState,
)
from gateway.api.region.v1.document_service_pb2_grpc import DocumentServiceStub
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import from_rpc_error
from gateway.federation.documents import MEDIA_TYPES
from gateway.languages import translated
from region_node.cli.reconnecting import Note, keep_trying

CHUNK = 64 * 1024
Tell = Callable[[grpc.aio.AioRpcError], None]
Progressed = Callable[[int], None]
"""Told how many bytes are there."""


def media_type_of(content: bytes) -> str:
    """What a file is, by how it begins."""
    return next((name for name, magic in MEDIA_TYPES.items() if content.startswith(magic)), "application/octet-stream")


def request_id_of(named: DocumentUpload) -> str:
    """The same file named in the same way has the same id. Nobody can find what was named by trying: the content's hash
    is a part of it."""
    return hashlib.sha256(named.SerializeToString(deterministic=True)).hexdigest()[:32]


class Uploading:
    """One file on its way to the node."""

    def __init__(
        self, channel: grpc.aio.Channel, named: DocumentUpload, content: bytes, progressed: Progressed
    ) -> None:
        self._documents = DocumentServiceStub(channel)
        self._named = named
        self._content = content
        self._progressed = progressed
        self._answer = UploadDocumentResponse()

    async def run(self, patience: float, tell: Tell) -> UploadDocumentResponse:
        """The last answer of the node. Raises AioRpcError where it does not take the file, or is away for too long."""

        async def attempt(note: Note) -> None:
            await self._attempt(patience, note)

        await keep_trying(attempt, patience, tell)
        return self._answer

    async def _attempt(self, patience: float, note: Note) -> None:
        call = self._documents.UploadDocument()
        try:
            async with asyncio.timeout(patience) as end:
                await call.write(UploadDocumentRequest(document=self._named))
                while True:
                    answer = await call.read()
                    if not isinstance(answer, UploadDocumentResponse):
                        raise unavailable(translated("the node ended the stream"))
                    if answer.received > self._answer.received:
                        note()
                    self._answer = answer
                    self._progressed(answer.received)
                    end.reschedule(asyncio.get_running_loop().time() + patience)
                    if answer.state != UploadState.UPLOAD_STATE_RECEIVING:
                        return
                    if answer.received < len(self._content):
                        await call.write(UploadDocumentRequest(chunk=self._chunk(answer.received)))
        except asyncio.InvalidStateError:  # the stream is over: why, its status says
            await call.read()
            raise
        except TimeoutError:
            raise unavailable(translated("the node takes no bytes")) from None
        finally:
            call.cancel()

    def _chunk(self, offset: int) -> DocumentChunk:
        return DocumentChunk(offset=offset, data=self._content[offset : offset + CHUNK])


class Downloading:
    """One document on its way to a file; until it is whole, it is in a file beside it."""

    def __init__(
        self, channel: grpc.aio.Channel, request: GetDocumentContentRequest, file: Path, progressed: Progressed
    ) -> None:
        self._documents = DocumentServiceStub(channel)
        self._request = request
        self._file = file
        self._part = file.with_name(f"{file.name}.part")
        self._progressed = progressed
        self._sha256 = b""
        self.size = 0
        """How many bytes the document has, once that is known."""

    async def run(self, patience: float, tell: Tell) -> bool:
        """Fetches what is missing and puts the file in place; False, and nothing is left, where its hash differs.

        Raises AioRpcError where the node does not give it, or is away for too long, and OSError.
        """

        async def attempt(note: Note) -> None:
            await self._attempt(patience, note)

        try:
            await keep_trying(attempt, patience, tell)
        except grpc.aio.AioRpcError as error:
            refused = from_rpc_error(error)
            if refused is None or refused.reason != Reason.REASON_DOCUMENT_HASH_DIFFERS:
                raise
            self._part.unlink(missing_ok=True)
            return False
        if hashlib.sha256(self._part.read_bytes()).digest() != self._sha256:
            self._part.unlink()
            return False
        self._part.replace(self._file)
        return True

    async def _attempt(self, patience: float, note: Note) -> None:
        self._part.touch(mode=0o600)
        self._request.offset = self._part.stat().st_size
        try:
            async with asyncio.timeout(patience) as end:
                with self._part.open("ab") as part:
                    async for piece in self._documents.GetDocumentContent(self._request):
                        part.write(piece.data)
                        self.size, self._sha256 = piece.size, piece.sha256
                        self._progressed(part.tell())
                        note()
                        end.reschedule(asyncio.get_running_loop().time() + patience)
        except TimeoutError:
            raise unavailable(translated("the node sends no bytes")) from None


def unavailable(details: str) -> grpc.aio.AioRpcError:
    """The failure of a node that is there and does not go on."""
    return grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), details=details)
