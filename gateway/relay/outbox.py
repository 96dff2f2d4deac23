"""The outbox: envelopes from the commit of their cause to the commit of their receipt."""

from dataclasses import dataclass, field
from datetime import datetime

from gateway.api.federation.v1.federation_pb2 import WaitingEnvelopes
from gateway.api.relay.v1.relay_pb2 import Envelope, EnvelopeContent, Receipt
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.relay.at_rest import OUTBOX, OUTBOX_RECEIPT, open_signed, seal_signed
from gateway.relay.border import Border
from gateway.relay.envelopes import OutgoingEnvelope, Sealed, seal
from gateway.store.port import Transaction
from gateway.time.clock import from_microseconds, to_microseconds, to_timestamp

_MOST_WAITING = 100  # destinations and reasons in one report


@dataclass(frozen=True)
class Enqueued:
    """Published when an envelope waits to be sent by this process."""

    sealed: Sealed


@dataclass(frozen=True)
class HandedOver:
    """Published when an envelope waits for its claimant, usually another process of this database."""

    claimant: int


@dataclass(frozen=True)
class _Claim:
    number: int
    handed_over: int


@dataclass(frozen=True)
class OutboxRow:
    """The stored columns of an envelope."""

    envelope_id: str
    kind: int
    destination: str
    traceparent: str
    attempts: int
    journey: bytes | None
    not_taken: int


def send(tx: Transaction, border: Border, outgoing: OutgoingEnvelope, *, now: datetime, traceparent: str) -> None:
    """Seals an outgoing envelope and queues it in this transaction; it leaves after the commit.

    The process that holds the open envelopes of its subject sends it, which keeps their order. Without open envelopes,
    this process does. An id can be queued only once: a second call is a defect and fails the transaction.
    """
    sealed = seal(
        outgoing,
        border.region,
        border.signer,
        now=now,
        revision=border.current.revision,
        traceparent=traceparent,
    )
    # An envelope behind an unclaimed one of its subject waits for the same process, so that it cannot overtake.
    claim = tx.first(
        _Claim,
        "INSERT INTO outbox"
        " (envelope_id, destination, kind, subject, content, signature, traceparent, created, claimed_by, handed_over,"
        " is_sealed)"
        " SELECT :envelope_id, :destination, :kind, :subject, :content, :signature, :traceparent, :created, claimant,"
        " CASE WHEN claimant = :number AND NOT EXISTS (SELECT 1 FROM outbox WHERE subject = :subject"
        " AND closed IS NULL AND handed_over = 1) THEN 0 ELSE 1 END, 1"
        " FROM (SELECT COALESCE((SELECT claimed_by FROM outbox"
        " WHERE subject = :subject AND closed IS NULL ORDER BY created, envelope_id LIMIT 1), :number) AS claimant)"
        " AS chosen RETURNING claimed_by, handed_over",
        envelope_id=outgoing.envelope_id,
        destination=outgoing.destination,
        kind=outgoing.kind,
        subject=outgoing.subject,
        content=seal_signed(tx, outgoing.subject, OUTBOX, outgoing.envelope_id, sealed.envelope.content),
        signature=sealed.envelope.signature,
        traceparent=traceparent,
        created=to_microseconds(now),
        number=border.number,
    )
    if claim is None or not claim.handed_over:
        tx.publish(Enqueued(sealed))
    else:
        tx.publish(HandedOver(claim.number), about=handed_over_to(claim.number))


def handed_over_to(number: int) -> str:
    """The event by which a process learns of an envelope that another process hands over."""
    return f"outbox/{number}"


def close_answered(
    tx: Transaction, envelope_id: str, receipt: Receipt, *, journey: bytes, attempts: int, now: datetime
) -> bool:
    """Stores the receipt. Returns False where the row was already closed; the row stays unchanged then."""
    open_rows = "SELECT subject FROM outbox WHERE envelope_id = :envelope_id AND closed IS NULL"
    subject = tx.first(str, open_rows, envelope_id=envelope_id)
    if subject is None:
        return False
    return bool(
        tx.execute(
            "UPDATE outbox SET closed = :now, attempts = :attempts, journey = :journey,"
            " receipt_content = :content, receipt_signature = :signature"
            " WHERE envelope_id = :envelope_id AND closed IS NULL",
            now=to_microseconds(now),
            attempts=attempts,
            journey=journey,
            content=seal_signed(tx, subject, OUTBOX_RECEIPT, envelope_id, receipt.content),
            signature=receipt.signature,
            envelope_id=envelope_id,
        )
    )


def note_not_taken(tx: Transaction, envelope_id: str, reason: Reason.ValueType) -> None:
    """Stores the reason why the destination has not accepted an envelope, for people."""
    tx.execute(
        "UPDATE outbox SET not_taken = :reason WHERE envelope_id = :envelope_id AND closed IS NULL",
        reason=reason,
        envelope_id=envelope_id,
    )


def not_taken(tx: Transaction) -> list[WaitingEnvelopes]:
    """The open envelopes that destinations have not taken so far, by destination and reason."""
    return tx.all(
        _waiting,
        "SELECT destination, not_taken, COUNT(*), MIN(created) FROM outbox WHERE closed IS NULL AND not_taken <> 0"
        " GROUP BY destination, not_taken ORDER BY destination, not_taken LIMIT :limit",
        limit=_MOST_WAITING,
    )


def was_sent(tx: Transaction, envelope_id: str) -> bool:
    """Whether an envelope with an id was queued before, as far as that is kept."""
    return tx.first(int, "SELECT 1 FROM outbox WHERE envelope_id = :envelope_id", envelope_id=envelope_id) is not None


def is_answered(tx: Transaction, envelope_id: str) -> bool:
    """Whether a receipt was kept for an envelope."""
    sql = "SELECT 1 FROM outbox WHERE envelope_id = :envelope_id AND receipt_content IS NOT NULL"
    return tx.first(int, sql, envelope_id=envelope_id) is not None


@dataclass(frozen=True)
class _SealedReceipt:
    subject: str
    content: bytes = field(repr=False)


def receipt_content(tx: Transaction, envelope_id: str) -> bytes | None:
    """The stored receipt of an envelope, as signed; None without a receipt, or after the destruction of its key."""
    found = tx.first(
        _SealedReceipt,
        "SELECT subject, receipt_content FROM outbox WHERE envelope_id = :envelope_id AND receipt_content IS NOT NULL",
        envelope_id=envelope_id,
    )
    return None if found is None else open_signed(tx, found.subject, OUTBOX_RECEIPT, envelope_id, found.content)


def drop_unsent(tx: Transaction, border: Border, envelope_id: str, now: datetime) -> bool:
    """Closes the row of an envelope that this process's lane has given back.

    Returns False without a change where another process has taken the envelope over, since it may have left.
    """
    return bool(
        tx.execute(
            "UPDATE outbox SET closed = :now WHERE envelope_id = :envelope_id AND closed IS NULL"
            " AND claimed_by = :number AND handed_over = 0",
            now=to_microseconds(now),
            envelope_id=envelope_id,
            number=border.number,
        )
    )


def rows_about(tx: Transaction, subject: str) -> list[OutboxRow]:
    """The envelopes about a subject, oldest first."""
    return tx.all(
        OutboxRow,
        "SELECT envelope_id, kind, destination, traceparent, attempts, journey, not_taken FROM outbox"
        " WHERE subject = :subject ORDER BY created, envelope_id",
        subject=subject,
    )


def sealed_from(content: bytes, signature: bytes) -> Sealed:
    """An envelope of the bytes that were signed."""
    return Sealed(Envelope(content=content, signature=signature), EnvelopeContent.FromString(content))


def _waiting(destination: str, reason: int, count: int, oldest: int) -> WaitingEnvelopes:
    return WaitingEnvelopes(
        destination=destination,
        reason=Reason.ValueType(reason),
        count=count,
        create_time=to_timestamp(from_microseconds(oldest)),
    )
