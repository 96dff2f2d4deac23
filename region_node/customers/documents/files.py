"""The stored content of documents verified here and of complaint attachments: description and pieces, all sealed."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from gateway.api.region.v1.document_service_pb2 import UploadState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store import vault
from gateway.store.port import Transaction
from gateway.time.clock import instant_or_none, to_microseconds

RECEIVING = UploadState.UPLOAD_STATE_RECEIVING
COMPLETE = UploadState.UPLOAD_STATE_COMPLETE
REGISTERED = UploadState.UPLOAD_STATE_REGISTERED
REFUSED = UploadState.UPLOAD_STATE_REFUSED
_FILES, _CHUNKS = "document_files", "document_chunks"  # the places of the seals
_COLUMNS = (
    "document_id, subject, number_hash, named, named_hash, size, received, state, home, reason, parameters,"
    " withdraw_time, create_time, ticket_id"
)


@dataclass(frozen=True)
class StoredFile:
    """The row of an upload, without its pieces. The key of `subject` seals it; `home` receives its registration.

    A document has the keyed hash of its customer's number, an attachment the ticket id of its complaint.
    """

    document_id: str
    subject: str
    number_hash: str
    named_hash: str
    size: int
    received: int
    state: UploadState.ValueType
    home: str
    ticket_id: str = ""
    refused: Refused | None = None
    withdraw_time: datetime | None = None
    named: bytes = field(default=b"", repr=False)

    def opened_name(self, tx: Transaction) -> bytes:
        """The description: a DocumentUpload, or an AttachmentUpload. Raises KeyDestroyed after its erasure."""
        return vault.open_sealed(tx, self.subject, _FILES, self.named)

    def opened(self, tx: Transaction, content: bytes) -> bytes:
        """A sealed piece of this file, in clear. Raises KeyDestroyed where the customer was erased."""
        return vault.open_sealed(tx, self.subject, _CHUNKS, content)


def find_upload(tx: Transaction, document_id: str) -> StoredFile | None:
    """The upload with an id, of any kind."""
    return tx.first(
        _file,
        f"SELECT {_COLUMNS} FROM document_files WHERE document_id = :id",  # noqa: S608 - column names only
        id=document_id,
    )


def find_file(tx: Transaction, document_id: str, ticket_id: str = "") -> StoredFile | None:
    """The upload of a document, or of a complaint's attachment."""
    file = find_upload(tx, document_id)
    return file if file is not None and file.ticket_id == ticket_id else None


def files_about(tx: Transaction, subject: str) -> list[str]:
    """The ids of the documents sealed under a subject: of other homes' customers it is that of the number."""
    query = "SELECT document_id FROM document_files WHERE subject = :subject AND ticket_id = '' ORDER BY document_id"
    return tx.all(str, query, subject=subject)


def insert_file(tx: Transaction, file: StoredFile, named: bytes, now: datetime) -> None:
    """Begins an upload."""
    tx.execute(
        f"INSERT INTO document_files ({_COLUMNS}) VALUES"  # noqa: S608 - column names only
        " (:document_id, :subject, :number_hash, :named, :named_hash, :size, :received, :state, :home, 0, '',"
        " NULL, :create_time, :ticket_id)",
        document_id=file.document_id,
        subject=file.subject,
        number_hash=file.number_hash,
        named=vault.seal(tx, file.subject, _FILES, named),
        named_hash=file.named_hash,
        size=file.size,
        received=file.received,
        state=file.state,
        home=file.home,
        create_time=to_microseconds(now),
        ticket_id=file.ticket_id,
    )


def add_chunk(tx: Transaction, file: StoredFile, data: bytes) -> int:
    """Adds the next piece; returns the number of stored bytes."""
    received = file.received + len(data)
    tx.execute(
        "INSERT INTO document_chunks (document_id, start, length, content) VALUES (:id, :start, :length, :content)",
        id=file.document_id,
        start=file.received,
        length=len(data),
        content=vault.seal(tx, file.subject, _CHUNKS, data),
    )
    tx.execute(
        "UPDATE document_files SET received = :received WHERE document_id = :id",
        received=received,
        id=file.document_id,
    )
    return received


def read_from(tx: Transaction, file: StoredFile, offset: int, pieces: int) -> bytes:
    """The content from an offset on, of at most `pieces` pieces; empty at the end.

    Raises KeyDestroyed where the customer was erased.
    """
    found = tx.all(
        _Chunk,
        "SELECT start, content FROM document_chunks WHERE document_id = :id AND start + length > :offset"
        " ORDER BY start LIMIT :pieces",
        id=file.document_id,
        offset=offset,
        pieces=pieces,
    )
    return b"".join(file.opened(tx, each.content) for each in found)[offset - found[0].start :] if found else b""


def seal_anew(tx: Transaction, file: StoredFile, subject: str) -> None:
    """Seals description and content under the key of another subject. Raises KeyDestroyed before the first write."""
    named = file.opened_name(tx)
    pieces = tx.all(
        _Chunk, "SELECT start, content FROM document_chunks WHERE document_id = :id ORDER BY start", id=file.document_id
    )
    tx.execute_many(
        "UPDATE document_chunks SET content = :content WHERE document_id = :id AND start = :start",
        [
            {
                "id": file.document_id,
                "start": each.start,
                "content": vault.seal(tx, subject, _CHUNKS, file.opened(tx, each.content)),
            }
            for each in pieces
        ],
    )
    tx.execute(
        "UPDATE document_files SET subject = :subject, named = :named WHERE document_id = :id",
        subject=subject,
        named=vault.seal(tx, subject, _FILES, named),
        id=file.document_id,
    )


def set_state(
    tx: Transaction, document_id: str, state: UploadState.ValueType, *, home: str, refused: Refused | None = None
) -> None:
    """Sets the state of an upload."""
    tx.execute(
        "UPDATE document_files SET state = :state, home = :home, reason = :reason, parameters = :parameters"
        " WHERE document_id = :id",
        state=state,
        home=home,
        reason=refused.reason if refused is not None else 0,
        parameters=json.dumps(refused.parameters, ensure_ascii=False) if refused is not None else "",
        id=document_id,
    )


def note_withdrawal(tx: Transaction, document_id: str, now: datetime) -> None:
    """Stores the withdrawal of a document; the first time counts."""
    tx.execute(
        "UPDATE document_files SET withdraw_time = :now WHERE document_id = :id AND withdraw_time IS NULL",
        now=to_microseconds(now),
        id=document_id,
    )


def remove_chunks(tx: Transaction, document_id: str) -> None:
    """Removes the content."""
    tx.execute("DELETE FROM document_chunks WHERE document_id = :id", id=document_id)


def remove_file(tx: Transaction, document_id: str) -> None:
    """Removes an upload with all its pieces."""
    remove_chunks(tx, document_id)
    tx.execute("DELETE FROM document_files WHERE document_id = :id", id=document_id)


def remove_files_of(tx: Transaction, ticket_id: str) -> None:
    """Removes all that was attached to a complaint here."""
    for document_id in tx.all(
        str,
        "SELECT document_id FROM document_files WHERE ticket_id = :ticket_id AND ticket_id <> ''",
        ticket_id=ticket_id,
    ):
        remove_file(tx, document_id)


@dataclass(frozen=True)
class _Chunk:
    start: int
    content: bytes = field(repr=False)


def _file(
    document_id: str,
    subject: str,
    number_hash: str,
    named: bytes,
    named_hash: str,
    size: int,
    received: int,
    state: int,
    home: str,
    reason: int,
    parameters: str,
    withdraw_time: int | None,
    create_time: int,
    ticket_id: str,
) -> StoredFile:
    refused = None
    if reason:
        refused = Refused(Reason.ValueType(reason), **cast("dict[str, str]", json.loads(parameters)))
    return StoredFile(
        document_id=document_id,
        subject=subject,
        number_hash=number_hash,
        named_hash=named_hash,
        size=size,
        received=received,
        state=UploadState.ValueType(state),
        home=home,
        ticket_id=ticket_id,
        refused=refused,
        withdraw_time=instant_or_none(withdraw_time),
        named=named,
    )
