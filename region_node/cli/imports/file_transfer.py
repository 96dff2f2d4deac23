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
from gateway.cli.asking import exit_codes
from gateway.cli.exits import leave
from gateway.errors import from_rpc_error
from gateway.federation.documents import MEDIA_TYPES
from gateway.process.files import go_on_private
from gateway.wording.languages import translated
from region_node.cli.connection import Target
from region_node.cli.imports.reconnecting import Note, ended, keep_trying
from region_node.cli.outcome import Stalled
from region_node.cli.progress import byte_progress

CHUNK = 64 * 1024
_UNUSABLE = "the command line, the file or the credentials cannot be used; nothing was sent"
Tell = Callable[[grpc.aio.AioRpcError], None]
Progressed = Callable[[int], None]
"""Receives the number of transferred bytes."""


def media_type_of(content: bytes) -> str:
    """The media type of a file, by its first bytes."""
    return next((name for name, magic in MEDIA_TYPES.items() if content.startswith(magic)), "application/octet-stream")


def content_request_id(named: DocumentUpload | AttachmentUpload) -> str:
    """A request id that is the same for the same file and description.

    It includes the content's hash, so that nobody can find the description by trial.
    """
    return hashlib.sha256(named.SerializeToString(deterministic=True)).hexdigest()[:32]


Q = TypeVar("Q", UploadDocumentRequest, AttachFileRequest)
A = TypeVar("A", UploadDocumentResponse, AttachFileResponse)


class Uploading(Generic[Q, A]):
    """An upload to the node, by a call of the contract whose first message describes the file."""

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
        except asyncio.InvalidStateError:  # the stream has ended: its status has the reason
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
    """A download from the node, by a call of the contract; an incomplete file has a temporary name."""

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
        """Fetches the missing bytes and puts the file in place. Returns False, without a file, for a different hash.

        Raises AioRpcError where the node refuses, or is away for too long, and OSError.
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


def content_of(file: Path) -> bytes:
    """The content of a file. Raises UsageError."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise click.UsageError(f"{file}: {error.strerror}") from error


def upload(
    target: Target,
    rpc: Callable[[grpc.aio.Channel], "grpc.aio.StreamStreamMultiCallable[Q, A]"],
    first: Q,
    file: Path,
    content: bytes,
    patience: float,
) -> A:
    """Brings a file to the node; its last answer. Ends the command where the node does not take it, or is away."""
    answers: list[A] = []
    with byte_progress() as progress:
        task = progress.add_task(file.name, total=len(content))

        async def send(channel: grpc.aio.Channel) -> None:
            sending = Uploading(rpc(channel), first, content, lambda done: progress.update(task, completed=done))
            answers.append(await sending.run(patience, target.tell_away))

        _leave_unless_done(target, send)
    return answers[0]


def download(
    target: Target,
    rpc: Callable[[grpc.aio.Channel], "grpc.aio.UnaryStreamMultiCallable[R, S]"],
    request: R,
    file: Path,
    patience: float,
) -> bool:
    """Fetches a file; False where its hash differs. Ends the command where the node does not give it, or is away."""
    is_whole = False
    with byte_progress() as progress:
        task = progress.add_task(file.name, total=None)

        async def fetch(channel: grpc.aio.Channel) -> None:
            nonlocal is_whole

            def progressed(done: int) -> None:
                progress.update(task, completed=done, total=fetching.size)

            fetching: Downloading[R, S] = Downloading(rpc(channel), request, file, progressed)
            is_whole = await fetching.run(patience, target.tell_away)

        try:
            _leave_unless_done(target, fetch)
        except OSError as error:
            raise click.UsageError(f"{file}: {error.strerror}") from error
    return is_whole


def _leave_unless_done(target: Target, work: Callable[[grpc.aio.Channel], Awaitable[None]]) -> None:
    failure, exit_code = ended(target, work, translated("Run the same command again."))
    if exit_code:
        leave(failure, exit_code)


def upload_exits(done: str) -> str:
    """The exit codes of a command that brings a file to the node."""
    away = "not known how far the node got, or it is away: run the same command again"
    return exit_codes(done, "refused; the text says why", _UNUSABLE, away)


def download_exits(differs: str) -> str:
    """The exit codes of a command that fetches a file."""
    away = "the node or another region is away: run the same command again"
    return exit_codes("done", differs, _UNUSABLE, away)
