"""Bringing a file to the node and fetching one, over however many connections: documents and attachments."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Generic, TypeVar, cast

import click
import grpc

from gateway.api.region.v1.attachment_service_pb2 import (
    AttachFileRequest,
    AttachFileResponse,
    AttachmentUpload,
    GetAttachmentContentRequest,
    GetAttachmentContentResponse,
)
from gateway.api.region.v1.document_service_pb2 import (
    DocumentChunk,
    DocumentUpload,
    GetDocumentContentRequest,
    GetDocumentContentResponse,
    UploadDocumentRequest,
    UploadDocumentResponse,
    UploadState,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.cli.exits import NOT_KNOWN, REFUSED, leave
from gateway.errors import from_rpc_error
from gateway.federation.documents import MEDIA_TYPES
from gateway.files import go_on_private
from gateway.languages import translated
from region_node.cli.connection import Target
from region_node.cli.imports.reconnecting import Note, keep_trying
from region_node.cli.outcome import Stalled, may_pass, told_by

CHUNK = 64 * 1024
Tell = Callable[[grpc.aio.AioRpcError], None]
T = TypeVar("T")
Progressed = Callable[[int], None]
"""Told how many bytes are there."""


def media_type_of(content: bytes) -> str:
    """What a file is, by how it begins."""
    return next((name for name, magic in MEDIA_TYPES.items() if content.startswith(magic)), "application/octet-stream")


def request_id_of(named: DocumentUpload | AttachmentUpload) -> str:
    """The same file named in the same way has the same id. Nobody can find what was named by trying: the content's hash
    is a part of it."""
    return hashlib.sha256(named.SerializeToString(deterministic=True)).hexdigest()[:32]


Q = TypeVar("Q", UploadDocumentRequest, AttachFileRequest)
A = TypeVar("A", UploadDocumentResponse, AttachFileResponse)


class Uploading(Generic[Q, A]):
    """One file on its way to the node, by a call of the contract whose first message names it."""

    def __init__(
        self, call: "grpc.aio.StreamStreamMultiCallable[Q, A]", first: Q, content: bytes, progressed: Progressed
    ) -> None:
        self._open: grpc.aio.StreamStreamMultiCallable[Q, A] = call
        self._first: Q = first
        self._content = content
        self._progressed = progressed
        self._answer: A | None = None

    async def run(self, patience: float, tell: Tell) -> A:
        """The last answer of the node. Raises AioRpcError where it does not take the file, or is away for too long."""

        async def attempt(note: Note) -> None:
            await self._attempt(patience, note)

        await keep_trying(attempt, patience, tell)
        assert self._answer is not None, "an attempt ends with an answer, or fails"
        return self._answer

    async def _attempt(self, patience: float, note: Note) -> None:
        call = self._open()
        try:
            async with asyncio.timeout(patience) as end:
                await call.write(self._first)
                while True:
                    read = await call.read()
                    if read is grpc.aio.EOF:
                        raise Stalled(translated("the node ended the stream"))
                    answer = cast("A", read)
                    if self._answer is not None and answer.received > self._answer.received:
                        note()
                    self._answer = answer
                    self._progressed(answer.received)
                    end.reschedule(asyncio.get_running_loop().time() + patience)
                    if answer.state != UploadState.UPLOAD_STATE_RECEIVING:
                        return
                    if answer.received < len(self._content):
                        await call.write(type(self._first)(chunk=self._chunk(answer.received)))
        except asyncio.InvalidStateError:  # the stream is over: why, its status says
            await call.read()
            raise
        except TimeoutError:
            raise Stalled(translated("the node takes no bytes")) from None
        finally:
            call.cancel()

    def _chunk(self, offset: int) -> DocumentChunk:
        return DocumentChunk(offset=offset, data=self._content[offset : offset + CHUNK])


R = TypeVar("R", GetDocumentContentRequest, GetAttachmentContentRequest)
S = TypeVar("S", GetDocumentContentResponse, GetAttachmentContentResponse)


class Downloading(Generic[R, S]):
    """One file on its way here, by a call of the contract; until it is whole, it is in a file beside it."""

    def __init__(
        self, call: "grpc.aio.UnaryStreamMultiCallable[R, S]", request: R, file: Path, progressed: Progressed
    ) -> None:
        self._open: grpc.aio.UnaryStreamMultiCallable[R, S] = call
        self._request: R = request
        self._file = file
        self._part = file.with_name(f"{file.name}.part")
        self._progressed = progressed
        self._sha256 = b""
        self.size = 0
        """How many bytes the file has, once that is known."""

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
        try:
            async with asyncio.timeout(patience) as end:
                with go_on_private(self._part) as part:
                    self._request.offset = self._part.stat().st_size
                    async for piece in self._open(self._request):
                        part.write(piece.data)
                        self.size, self._sha256 = piece.size, piece.sha256
                        self._progressed(part.tell())
                        note()
                        end.reschedule(asyncio.get_running_loop().time() + patience)
        except TimeoutError:
            raise Stalled(translated("the node sends no bytes")) from None


def carried_out(target: Target, carry_out: Callable[[grpc.aio.Channel, Tell], Awaitable[T]]) -> T:
    """What something on a channel to the node returns; leaves where it does not come to its end."""
    again = translated("Run the same command again.")

    def tell(error: grpc.aio.AioRpcError) -> None:
        click.echo(translated("{problem}; trying again", problem=told_by(error, target.server)), err=True)

    async def run() -> T:
        async with target.channel() as channel:
            return await carry_out(channel, tell)

    try:
        return asyncio.run(run())
    except grpc.aio.AioRpcError as error:
        if may_pass(error):
            leave(f"{told_by(error, target.server)}\n{again}", NOT_KNOWN)
        leave(translated("Refused: {problem}", problem=told_by(error, target.server)), REFUSED)
    except KeyboardInterrupt:
        leave(again, NOT_KNOWN)
