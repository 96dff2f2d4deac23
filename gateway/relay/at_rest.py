"""Envelopes and receipts in the database: sealed under the key of their subject.

Only the signed bytes are sealed; they are sent, verified and compared in the clear. After the destruction of the
subject's key the content is unreadable, and the record that something was sent remains.
"""

from dataclasses import dataclass, field

from gateway.store import vault
from gateway.store.port import Transaction

OUTBOX, OUTBOX_RECEIPT = "outbox", "outbox.receipt"
INBOX, INBOX_RECEIPT = "inbox", "inbox.receipt"


def envelope_subject(subject: str) -> str:
    """The subject whose key seals the envelopes about a subject."""
    return f"envelope/{subject}"


def inbox_key(origin: str, envelope_id: str) -> str:
    """The key of an inbox row."""
    return f"{origin}/{envelope_id}"


def seal_signed(tx: Transaction, subject: str, place: str, key: str, content: bytes) -> bytes:
    """Seals signed bytes for a row; `key` is that of the row."""
    return vault.seal(tx, envelope_subject(subject), f"{place}/{key}", content)


def open_signed(tx: Transaction, subject: str, place: str, key: str, sealed: bytes) -> bytes | None:
    """The signed bytes of a row; None where their key was destroyed."""
    return vault.open_if_kept(tx, envelope_subject(subject), f"{place}/{key}", sealed)


@dataclass(frozen=True)
class _Clear:
    """A row in the clear; `origin` is empty for one of the outbox."""

    origin: str
    envelope_id: str
    subject: str
    content: bytes = field(repr=False)
    receipt_content: bytes | None = field(repr=False)


def seal_clear_page(tx: Transaction, limit: int) -> int:
    """Seals at most `limit` rows of each table from a version without sealing; returns the number of sealed rows."""
    sent = tx.all(
        _Clear,
        "SELECT '', envelope_id, subject, content, receipt_content FROM outbox WHERE is_sealed = 0"
        " ORDER BY envelope_id LIMIT :limit",
        limit=limit,
    )
    for row in sent:
        receipt = row.receipt_content
        tx.execute(
            "UPDATE outbox SET content = :content, receipt_content = :receipt, is_sealed = 1"
            " WHERE envelope_id = :envelope_id",
            content=seal_signed(tx, row.subject, OUTBOX, row.envelope_id, row.content),
            receipt=None if receipt is None else seal_signed(tx, row.subject, OUTBOX_RECEIPT, row.envelope_id, receipt),
            envelope_id=row.envelope_id,
        )
    received = tx.all(
        _Clear,
        "SELECT origin, envelope_id, subject, content, receipt_content FROM inbox WHERE is_sealed = 0"
        " ORDER BY origin, envelope_id LIMIT :limit",
        limit=limit,
    )
    for row in received:
        key = inbox_key(row.origin, row.envelope_id)
        tx.execute(
            "UPDATE inbox SET content = :content, receipt_content = :receipt, is_sealed = 1"
            " WHERE origin = :origin AND envelope_id = :envelope_id",
            content=seal_signed(tx, row.subject, INBOX, key, row.content),
            receipt=seal_signed(tx, row.subject, INBOX_RECEIPT, key, row.receipt_content or b""),
            origin=row.origin,
            envelope_id=row.envelope_id,
        )
    return len(sent) + len(received)
