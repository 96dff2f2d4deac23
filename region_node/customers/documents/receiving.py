"""Incoming files of any kind: one transaction per message, and their purpose with the last one.

The transaction that finds a broken file removes it. Such a refusal is returned, not raised, so that the removal is
committed.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from gateway.api.region.v1.document_service_pb2 import DocumentChunk, UploadState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused, invalid, reason_name
from gateway.process import failpoints
from gateway.store.port import Transaction
from gateway.store.timers import Timer, cancel_timer, set_timer
from gateway.store.vault import index_of
from region_node.customers.documents.files import (
    RECEIVING,
    REFUSED,
    REGISTERED,
    StoredFile,
    add_chunk,
    find_upload,
    insert_file,
    remove_chunks,
    remove_file,
    set_state,
)
from region_node.node.day_work import told_size
from region_node.requests.auditing import AuditedCall

UPLOAD_TIMER = "document-upload"  # an upload has received nothing for a while
ABANDONED = timedelta(days=1)


@dataclass(frozen=True)
class Incoming(ABC):
    """An incoming file with its description and its sender."""

    action: ClassVar[str]
    """The action in the audit chain."""
    kind: ClassVar[str]
    """The kind of the index of the description."""
    document_id: str
    asked: AuditedCall

    @property
    @abstractmethod
    def content_named(self) -> bytes:
        """The description, as it is stored and compared."""

    @property
    def about(self) -> str:
        """The subject of its rows in the audit chain."""
        return self.document_id

    @abstractmethod
    def begun(self, tx: Transaction, named_hash: str) -> StoredFile:
        """The stored file at its beginning. Raises Refused, or Moved."""

    @abstractmethod
    def require_content(self, head: bytes, sha256: bytes) -> None:
        """Raises Refused unless the content fits its description: by its first bytes, and by its hash."""

    @abstractmethod
    def pass_on(self, tx: Transaction, file: StoredFile) -> tuple[UploadState.ValueType, str]:
        """Carries out the purpose of the whole file; returns its state, and the region to notify.

        Raises Refused before its first write.
        """

    def what(self, file: StoredFile) -> str:
        """The detail of the whole file in the audit chain, without personal data."""
        return told_size(file.size)


@dataclass(frozen=True)
class UploadSettled:
    """Published when the notified region has answered."""

    document_id: str


def begin(tx: Transaction, incoming: Incoming) -> StoredFile:
    """The upload, started or resumed.

    Raises Refused with REQUEST_ID_REUSED for an id of another file, and as `Incoming.begun`; or Moved.
    """
    named = incoming.content_named
    named_hash = index_of(tx, incoming.kind, named.hex())
    known = find_upload(tx, incoming.document_id)
    if known is not None:
        if known.named_hash != named_hash:
            raise Refused(Reason.REASON_REQUEST_ID_REUSED)
        if known.state == RECEIVING:
            _watch(tx, incoming)
        return known
    file = incoming.begun(tx, named_hash)
    insert_file(tx, file, named, incoming.asked.now)
    _watch(tx, incoming)
    return file


def refuse(tx: Transaction, incoming: Incoming, refused: Refused) -> None:
    """Notes the sender of a refused file; the stored part stays unchanged."""
    incoming.asked.record(tx, incoming.action, incoming.about, reason_name(refused.reason))


def take(tx: Transaction, incoming: Incoming, chunk: DocumentChunk) -> int | Refused:
    """Adds a chunk; returns the number of stored bytes. A repeated chunk changes nothing.

    Raises Refused with DOCUMENT_NOT_ON_FILE for an upload that was removed meanwhile, and with REQUEST_INVALID for a
    chunk out of order. Returns Refused with DOCUMENT_TOO_LARGE, and removes all, for more bytes than described.
    """
    file = require_upload(tx, incoming.document_id)
    end = chunk.offset + len(chunk.data)
    if file.state != RECEIVING or end <= file.received:
        return file.received
    if chunk.offset != file.received:
        raise invalid("chunk.offset", f"the next byte is {file.received}", f"下一字节的位置为{file.received}")
    if end > file.size:
        return _remove(tx, incoming, Refused(Reason.REASON_DOCUMENT_TOO_LARGE, limit=str(file.size)))
    return add_chunk(tx, file, chunk.data)


def complete(tx: Transaction, incoming: Incoming, head: bytes, sha256: bytes) -> UploadState.ValueType | Refused:
    """Completes an upload; `head` is its first bytes and `sha256` its hash, both as stored.

    Carries out the purpose of the file. Returns Refused, and removes all, where type or hash differ from the
    description, or the purpose refuses. Raises Refused with DOCUMENT_NOT_ON_FILE where the upload was removed
    meanwhile.
    """
    file = require_upload(tx, incoming.document_id)
    if file.state != RECEIVING:
        return file.state
    try:
        incoming.require_content(head, sha256)
        state, told = incoming.pass_on(tx, file)
    except Refused as refused:
        return _remove(tx, incoming, refused)
    failpoints.reach("D1.before-commit")
    cancel_timer(tx, _timer_id(file.document_id))
    set_state(tx, file.document_id, state, home=told)
    incoming.asked.record(tx, incoming.action, incoming.about, incoming.what(file))
    return state


def settle(tx: Transaction, document_id: str, home: str, refused: Refused | None) -> None:
    """Stores the notified region's answer. A refusal removes the content."""
    set_state(tx, document_id, REGISTERED if refused is None else REFUSED, home=home, refused=refused)
    if refused is not None:
        remove_chunks(tx, document_id)
    tx.publish(UploadSettled(document_id))


def abandon(tx: Transaction, timer: Timer, now: datetime) -> None:
    """Removes an upload that has received nothing for a day."""
    file = find_upload(tx, timer.subject)
    if file is not None and file.state == RECEIVING:
        remove_file(tx, file.document_id)
        audit.append(tx, now=now, actor="timer", action="UploadAbandoned", subject=file.ticket_id or file.document_id)


def require_upload(tx: Transaction, document_id: str) -> StoredFile:
    """The upload with an id. Raises Refused with DOCUMENT_NOT_ON_FILE."""
    file = find_upload(tx, document_id)
    if file is None:
        raise Refused(Reason.REASON_DOCUMENT_NOT_ON_FILE, document=document_id)
    return file


def _remove(tx: Transaction, incoming: Incoming, refused: Refused) -> Refused:
    cancel_timer(tx, _timer_id(incoming.document_id))
    remove_file(tx, incoming.document_id)
    refuse(tx, incoming, refused)
    return refused


def _watch(tx: Transaction, incoming: Incoming) -> None:
    due = incoming.asked.now + ABANDONED
    document_id = incoming.document_id
    set_timer(tx, _timer_id(document_id), kind=UPLOAD_TIMER, subject=document_id, due=due)


def _timer_id(document_id: str) -> str:
    return f"{UPLOAD_TIMER}/{document_id}"
