"""One stream of an upload: each chunk is answered once it is durable, and the last one once all is right."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

from gateway import failpoints
from gateway.api.region.v1.document_service_pb2 import (
    DocumentUpload,
    UploadDocumentRequest,
    UploadDocumentResponse,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.calls import current_call
from gateway.clock import Clock
from gateway.errors import Refused
from gateway.numberplan import normalize, number_prefix
from gateway.relay.border import Moved
from gateway.store.port import Store, Transaction
from gateway.tracing import current_traceparent
from region_node.auditing import audited_call
from region_node.context import RegionContext
from region_node.documents import rules, uploads
from region_node.documents.files import COMPLETE, RECEIVING, DocumentFile, find_file, read_from
from region_node.documents.uploads import RegistrationSettled, Upload
from region_node.orders.rules import error_of
from region_node.requests import require_request_id

REGISTRATION_SECONDS = 3.0
"""How long the last answer of an upload waits for the home region; without its word it says COMPLETE."""
_PIECES_AT_ONCE = 16  # of at most 64 KiB: one look at the store while the hash is taken
_HEAD = 16  # bytes: more than the longest beginning by which a type is known

Requests = AsyncIterator[UploadDocumentRequest]


class UploadDesk:
    """Takes in documents that were verified in this region."""

    def __init__(self, context: RegionContext, store: Store, clock: Clock) -> None:
        self._context = context
        self._store = store
        self._clock = clock
        self._waiting: dict[str, asyncio.Event] = {}
        store.subscribe(RegistrationSettled, self._settled)

    async def answers(self, requests: Requests) -> AsyncIterator[UploadDocumentResponse]:
        """How far the upload is, then the answer to each chunk. Raises Refused where it cannot go on."""
        first = await anext(requests, None)
        if first is None or not first.HasField("document"):
            raise Refused(Reason.REASON_REQUEST_INVALID, field="document", problem="not in the first message")
        upload = await self._named(first.document)
        file = await self._begin(upload)
        received = file.received
        yield _answer(file)
        if file.state == RECEIVING:
            while received < file.size:
                request = await anext(requests, None)
                if request is None:
                    return
                received = await self._take(upload, request)
                if received < file.size:
                    yield UploadDocumentResponse(register_id=upload.register_id, received=received, state=RECEIVING)
            yield await self._complete(upload)

    async def _named(self, named: DocumentUpload) -> Upload:
        """The upload that the first message names. Raises Refused, which is audited, for one that is not taken."""
        asked, identity = audited_call(named.requester, self._clock), current_call().identity
        require_request_id(named.request_id)
        register_id = f"{self._context.region}/{identity.name}/{named.request_id}"
        federation, upload = self._context.federation, DocumentUpload()
        upload.CopyFrom(named)
        try:
            upload.number = normalize(named.number)
            home = federation.number_plan.home_of(upload.number)
            if home is None:
                raise Refused(Reason.REASON_NUMBER_UNRESOLVED, number=number_prefix(upload.number))
            limit = federation.figure(rules.SIZE_POLICY, (self._context.region, home)) * rules.MEBIBYTE
            rules.require_upload(upload, federation.material(upload.code), limit, asked.now)
        except Refused as refused:
            told = refused
            await self._store.write(lambda tx: uploads.refuse(tx, register_id, told, asked))
            raise
        return Upload(register_id, upload, home, identity.name, asked, current_traceparent())

    async def _begin(self, upload: Upload) -> DocumentFile:
        try:
            return await self._store.write(lambda tx: uploads.begin(tx, self._context, upload))
        except Moved as moved:
            raise Refused(Reason.REASON_NOT_HOME, region=moved.region) from None

    async def _take(self, upload: Upload, request: UploadDocumentRequest) -> int:
        if not request.HasField("chunk"):
            raise Refused(Reason.REASON_REQUEST_INVALID, field="chunk", problem="not set")
        chunk, asked = request.chunk, replace(upload.asked, now=self._clock.now())
        rules.require_chunk(chunk)
        received = await self._store.write(lambda tx: uploads.take(tx, upload.register_id, chunk, asked))
        failpoints.reach("D0.after-commit")
        if isinstance(received, Refused):
            raise received
        return received

    async def _complete(self, upload: Upload) -> UploadDocumentResponse:
        """Checks what is stored, registers it, and waits a moment for the home region."""
        head, sha256 = await self._contents(upload.register_id)
        now_asked = replace(upload, asked=replace(upload.asked, now=self._clock.now()))
        settled = self._waiting.setdefault(upload.register_id, asyncio.Event())
        try:
            state = await self._store.write(lambda tx: uploads.complete(tx, self._context, now_asked, head, sha256))
            failpoints.reach("D1.after-commit")
            if isinstance(state, Refused):
                raise state
            if state == COMPLETE:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(settled.wait(), current_call().patience(REGISTRATION_SECONDS))
        finally:
            self._waiting.pop(upload.register_id, None)
        file = await self._store.read(lambda tx: _require(tx, upload.register_id))
        return _answer(file)

    async def _contents(self, register_id: str) -> tuple[bytes, bytes]:
        """How the stored content begins, and its SHA-256. Pieces that are stored never change."""
        digest, head, offset = hashlib.sha256(), b"", 0
        while piece := await self._store.read(partial(_piece, register_id=register_id, offset=offset)):
            head = head or piece[:_HEAD]
            digest.update(piece)
            offset += len(piece)
        return head, digest.digest()

    def _settled(self, settled: RegistrationSettled) -> None:
        waiting = self._waiting.get(settled.register_id)
        if waiting is not None:
            waiting.set()


def _piece(tx: Transaction, register_id: str, offset: int) -> bytes:
    return read_from(tx, _require(tx, register_id), offset, _PIECES_AT_ONCE)


def _require(tx: Transaction, register_id: str) -> DocumentFile:
    file = find_file(tx, register_id)
    if file is None:
        raise Refused(Reason.REASON_DOCUMENT_NOT_ON_FILE, document=register_id)
    return file


def _answer(file: DocumentFile) -> UploadDocumentResponse:
    answer = UploadDocumentResponse(register_id=file.register_id, received=file.received, state=file.state)
    if file.refused is not None:
        answer.refused.CopyFrom(error_of(file.refused))
    return answer
