"""The stream of an incoming file: each chunk is answered once durable, the last one after the final check."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from typing import Literal, Protocol

from gateway.api.region.v1.document_service_pb2 import DocumentChunk
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.process import failpoints
from gateway.relay.border import Moved
from gateway.rpc.calls import current_call
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock
from region_node.customers.documents import receiving, rules
from region_node.customers.documents.files import COMPLETE, RECEIVING, StoredFile, read_from
from region_node.customers.documents.receiving import Incoming, UploadSettled, require_upload

REGISTRATION_SECONDS = 3.0
"""The wait of an upload's last answer for the notified region; after that the state is COMPLETE."""
_PIECES_AT_ONCE = 16  # of at most 64 KiB: one read of the store while the hash is computed
_HEAD = 16  # bytes: more than the longest signature of a file type


class Piece(Protocol):
    """A later message of any upload's stream."""

    @property
    def chunk(self) -> DocumentChunk:
        """The next bytes of the file."""
        ...

    def HasField(self, field_name: Literal["chunk"], /) -> bool:  # noqa: N802 - named by protobuf
        """Whether there are any."""
        ...


async def chunks_of(requests: AsyncIterator[Piece]) -> AsyncIterator[DocumentChunk]:
    """The chunks of a stream behind its first message. Raises Refused for a message without a chunk."""
    async for request in requests:
        if not request.HasField("chunk"):
            raise invalid("chunk", "not set", "未填写")
        yield request.chunk


class ReceivingApplication:
    """Receives files of any kind."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._waiting: dict[str, asyncio.Event] = {}
        store.subscribe(UploadSettled, self._settled)

    async def refuse(self, incoming: Incoming, refused: Refused) -> None:
        """Notes the sender of a refused file."""
        await self._store.write(lambda tx: receiving.refuse(tx, incoming, refused))

    async def taken(self, incoming: Incoming, chunks: AsyncIterator[DocumentChunk]) -> AsyncIterator[StoredFile]:
        """The progress of the upload at its start, then after each chunk. Raises Refused where it cannot continue."""
        file = await self._begin(incoming)
        yield file
        if file.state == RECEIVING:
            received = file.received
            while received < file.size:
                chunk = await anext(chunks, None)
                if chunk is None:
                    return
                received = await self._take(incoming, chunk)
                if received < file.size:
                    yield replace(file, received=received)
            yield await self._complete(incoming)

    async def _begin(self, incoming: Incoming) -> StoredFile:
        try:
            return await self._store.write(lambda tx: receiving.begin(tx, incoming))
        except Moved as moved:
            raise Refused(Reason.REASON_NOT_HOME, region=moved.region) from None

    async def _take(self, incoming: Incoming, chunk: DocumentChunk) -> int:
        rules.require_chunk(chunk)
        current = self._now(incoming)
        received = await self._store.write(lambda tx: receiving.take(tx, current, chunk))
        failpoints.reach("D0.after-commit")
        if isinstance(received, Refused):
            raise received
        return received

    async def _complete(self, incoming: Incoming) -> StoredFile:
        """Checks the stored file, passes it on, and waits a moment for the notified region."""
        document_id = incoming.document_id
        head, sha256 = await self._contents(document_id)
        current = self._now(incoming)
        settled = self._waiting.setdefault(document_id, asyncio.Event())
        try:
            state = await self._store.write(lambda tx: receiving.complete(tx, current, head, sha256))
            failpoints.reach("D1.after-commit")
            if isinstance(state, Refused):
                raise state
            if state == COMPLETE:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(current_call().patience(REGISTRATION_SECONDS)):
                        await settled.wait()
        finally:
            self._waiting.pop(document_id, None)
        return await self._store.read(lambda tx: require_upload(tx, document_id))

    async def _contents(self, document_id: str) -> tuple[bytes, bytes]:
        """How the stored content begins, and its SHA-256. Pieces that are stored never change."""
        digest, head, offset = hashlib.sha256(), b"", 0
        while piece := await self._store.read(partial(_piece, document_id=document_id, offset=offset)):
            head = head or piece[:_HEAD]
            digest.update(piece)
            offset += len(piece)
        return head, digest.digest()

    def _now(self, incoming: Incoming) -> Incoming:
        return replace(incoming, asked=replace(incoming.asked, now=self._clock.now()))

    def _settled(self, settled: UploadSettled) -> None:
        waiting = self._waiting.get(settled.document_id)
        if waiting is not None:
            waiting.set()


def _piece(tx: Transaction, document_id: str, offset: int) -> bytes:
    return read_from(tx, require_upload(tx, document_id), offset, _PIECES_AT_ONCE)
