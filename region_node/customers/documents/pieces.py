"""Reads of files: a piece that fits an envelope, and all pieces with a check of their hash."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable

from gateway.api.region.v1.attachment_service_pb2 import AttachmentUpload
from gateway.api.region.v1.document_envelopes_pb2 import DocumentPiece
from gateway.api.region.v1.document_service_pb2 import DocumentUpload
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.store.port import Transaction
from gateway.store.vault import KeyDestroyed
from region_node.customers.documents.files import COMPLETE, REGISTERED, StoredFile, read_from
from region_node.customers.documents.rules import PIECE_LIMIT


def piece_of(tx: Transaction, file: StoredFile, offset: int) -> DocumentPiece | Refused:
    """A piece of a file that is here; Refused with DOCUMENT_NOT_ON_FILE for an incomplete or erased file."""
    if file.state not in (COMPLETE, REGISTERED):
        return not_on_file(file.document_id)
    if not 0 <= offset <= file.size:
        return invalid("offset", f"not 0 to {file.size}", f"须为0至{file.size}")
    try:
        stored, data = file.opened_name(tx), read_from(tx, file, offset, pieces=1)
    except KeyDestroyed:
        return not_on_file(file.document_id)
    named = AttachmentUpload.FromString(stored) if file.ticket_id else DocumentUpload.FromString(stored)
    return DocumentPiece(data=data[:PIECE_LIMIT], size=file.size, sha256=named.sha256, media_type=named.media_type)


def not_on_file(document_id: str) -> Refused:
    """The refusal for a file that is not here."""
    return Refused(Reason.REASON_DOCUMENT_NOT_ON_FILE, document=document_id)


async def checked_pieces(
    piece: Callable[[int], Awaitable[DocumentPiece]], document_id: str, offset: int
) -> AsyncIterator[tuple[int, DocumentPiece]]:
    """A file piece by piece from an offset on, each piece with its offset; at the end one empty piece.

    A read from the beginning compares the hash before the last piece. Raises Refused, with DOCUMENT_HASH_DIFFERS for
    content that has changed.
    """
    digest, is_whole = hashlib.sha256(), offset == 0
    while True:
        found = await piece(offset)
        digest.update(found.data)
        is_last = offset + len(found.data) >= found.size
        if is_last and is_whole and digest.digest() != found.sha256:
            raise Refused(Reason.REASON_DOCUMENT_HASH_DIFFERS)
        if not found.data and not is_last:
            raise not_on_file(document_id)
        yield offset, found
        if is_last:
            return
        offset += len(found.data)
