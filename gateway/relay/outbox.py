"""The outbox: envelopes from the commit of their cause to the commit of their receipt."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from gateway.api.federation.v1.federation_pb2 import WaitingEnvelopes
from gateway.api.relay.v1.relay_pb2 import Envelope, EnvelopeContent, Receipt
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.relay.at_rest import OUTBOX, OUTBOX_RECEIPT, envelope_subject, open_signed, seal_signed
from gateway.relay.border import Border
from gateway.relay.commit_signing import sign_at_commit
from gateway.relay.envelopes import OutgoingEnvelope, Sealed, unsigned_envelope
from gateway.relay.receipt_differences import difference, receipt_of
from gateway.security.signing import ENVELOPE
from gateway.store import vault
from gateway.store.port import Transaction
from gateway.store.quarantine import ENVELOPE as QUARANTINED_ENVELOPE
from gateway.store.quarantine import WAITING, work_id
from gateway.store.reading_ahead import Wanted, least_wanted, row_wanted
from gateway.store.tables import Table, prints_without
from gateway.time.clock import from_microseconds, from_timestamp, to_microseconds, to_timestamp

SET_ASIDE = -1
"""The claimant of an envelope that waits for people, and of those that wait behind it: no process has this number."""
_MOST_WAITING = 100  # destinations and reasons in one report


@dataclass(frozen=True)
class Enqueued:
    """Published when an envelope waits to be sent by this process.

    `perhaps_sent`: it may have left before, and `not_taken` is why its destination has not taken it then.
    """

    sealed: Sealed
    perhaps_sent: bool = False
    not_taken: Reason.ValueType = Reason.REASON_UNSPECIFIED


@dataclass(frozen=True)
class HandedOver:
    """Published when an envelope waits for its claimant, usually another process of this database."""

    claimant: int


@prints_without("content", "receipt_content")
class _Row(NamedTuple):
    """The columns of an envelope; its content and its receipt are sealed."""

    envelope_id: str
    destination: str
    kind: int
    subject: str
    content: bytes
    signature: bytes
    traceparent: str
    created: int
    claimed_by: int
    handed_over: int
    is_sealed: int = 1
    attempts: int = 0
    not_taken: int = 0
    closed: int | None = None
    receipt_content: bytes | None = None
    receipt_signature: bytes | None = None
    journey: bytes | None = None


_SENT = ("destination", "kind", "subject", "content", "signature", "traceparent", "created", "is_sealed")
_CLAIM = ("claimed_by", "handed_over")  # only statements about many rows change these (`gateway.relay.claims`)
_OUTBOX = Table("outbox", _Row, key=("envelope_id",), fixed=(*_SENT, *_CLAIM))


class _Claim(NamedTuple):
    """The claim of an envelope; the oldest envelope is the least."""

    created: int
    envelope_id: str
    claimed_by: int
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
    quarantine_state: int
    """The number of a QuarantineState."""


def send(tx: Transaction, border: Border, outgoing: OutgoingEnvelope, *, now: datetime, traceparent: str) -> None:
    """Seals an outgoing envelope and queues it in this transaction; it leaves after the commit.

    The process that holds the open envelopes of its subject sends it, which keeps their order. Without open envelopes,
    this process does. Behind an envelope that waits for people, no process does. An id can be queued only once: a
    second call is a defect and fails the transaction.
    """
    sealed = unsigned_envelope(
        outgoing,
        border.region,
        now=now,
        revision=border.current.revision,
        traceparent=traceparent,
        assignments=border.current.assignments,
        incarnation=border.incarnation(),
    )
    claimant, is_handed_over = _claim(tx, border, outgoing.subject, outgoing.destination)
    row = _Row(
        envelope_id=outgoing.envelope_id,
        destination=outgoing.destination,
        kind=outgoing.kind,
        subject=outgoing.subject,
        content=seal_signed(tx, outgoing.subject, OUTBOX, outgoing.envelope_id, sealed.envelope.content),
        signature=b"",
        traceparent=traceparent,
        created=to_microseconds(now),
        claimed_by=claimant,
        handed_over=int(is_handed_over),
    )
    sign_at_commit(tx, border, ENVELOPE, sealed.envelope, outgoing.destination)
    tx.insert_late(_OUTBOX, row, lambda row: row._replace(signature=sealed.envelope.signature))
    if claimant == SET_ASIDE:
        return
    if is_handed_over:
        tx.publish(HandedOver(claimant), about=handed_over_to(claimant))
    else:
        tx.publish(Enqueued(sealed))


def keep_answered(tx: Transaction, border: Border, sealed: Sealed, receipt: Receipt, now: datetime) -> None:
    """Keeps an envelope again that this region has sent before, with its receipt."""
    sent = sealed.content
    row = _Row(
        envelope_id=sent.id,
        destination=sent.destination,
        kind=sent.kind,
        subject=sent.subject,
        content=seal_signed(tx, sent.subject, OUTBOX, sent.id, sealed.envelope.content),
        signature=sealed.envelope.signature,
        traceparent=sent.traceparent,
        created=to_microseconds(from_timestamp(sent.create_time)),
        claimed_by=border.number,
        handed_over=0,
        closed=to_microseconds(now),
        receipt_content=seal_signed(tx, sent.subject, OUTBOX_RECEIPT, sent.id, receipt.content),
        receipt_signature=receipt.signature,
    )
    tx.insert(_OUTBOX, row)


def sending_wanted(subject: str) -> list[Wanted]:
    """The queries of `send`, to be announced."""
    return [
        least_wanted(_OUTBOX, _Claim, {"subject": subject, "closed": None}),
        vault.key_wanted(envelope_subject(subject)),
    ]


def closing_wanted(envelope_id: str, subject: str) -> list[Wanted]:
    """The queries of `close_answered`, to be announced."""
    return [row_wanted(_OUTBOX, envelope_id), vault.key_wanted(envelope_subject(subject))]


def _claim(tx: Transaction, border: Border, subject: str, destination: str) -> tuple[int, bool]:
    """The process that sends the next envelope of a subject, and whether that process has to fetch it.

    An envelope behind an unclaimed one of its subject waits for the same process, so that it cannot overtake. One
    that waits for people holds up later ones of its subject and destination.
    """
    oldest = tx.find_least(_OUTBOX, _Claim, subject=subject, closed=None)
    if oldest is not None and _has_set_aside(tx):
        if tx.find_least(_OUTBOX, _Claim, subject=subject, destination=destination, closed=None, claimed_by=SET_ASIDE):
            return SET_ASIDE, False
        oldest = _oldest_claimed(tx, subject)
    if oldest is None:
        return border.number, False
    if oldest.claimed_by != border.number or oldest.handed_over:
        return oldest.claimed_by, True
    return border.number, tx.find_least(_OUTBOX, _Claim, subject=subject, closed=None, handed_over=1) is not None


def _has_set_aside(tx: Transaction) -> bool:
    """Whether any envelope waits for people: this is read once per commit."""
    query = f"SELECT 1 FROM quarantined_work WHERE state = {WAITING} AND source = {QUARANTINED_ENVELOPE} LIMIT 1"  # noqa: S608
    return tx.once("quarantined_work", "envelopes", lambda: tx.first(int, query)) is not None


def _oldest_claimed(tx: Transaction, subject: str) -> _Claim | None:
    """The oldest open envelope of a subject that a process has claimed."""
    return tx.first(
        _Claim,
        "SELECT created, envelope_id, claimed_by, handed_over FROM outbox WHERE subject = :subject AND closed IS NULL"
        " AND claimed_by <> :nobody ORDER BY created, envelope_id LIMIT 1",
        nobody=SET_ASIDE,
        subject=subject,
    )


def handed_over_to(number: int) -> str:
    """The event by which a process learns of an envelope that another process hands over."""
    return f"outbox/{number}"


def close_answered(
    tx: Transaction,
    envelope_id: str,
    receipt: Receipt,
    *,
    journey: bytes,
    attempts: int,
    now: datetime,
    envelope: bytes | None = None,
) -> bool:
    """Stores the receipt, with the signed bytes of its `envelope` as the difference from them.

    Returns False where the row was already closed; the row stays unchanged then.
    """
    row = _find_open(tx, envelope_id)
    if row is None:
        return False
    stored = receipt.content if envelope is None else difference(receipt.content, envelope)
    answered = row._replace(
        closed=to_microseconds(now),
        attempts=attempts,
        journey=journey,
        receipt_content=seal_signed(tx, row.subject, OUTBOX_RECEIPT, envelope_id, stored),
        receipt_signature=receipt.signature,
    )
    tx.update(_OUTBOX, answered)
    return True


def note_not_taken(tx: Transaction, envelope_id: str, reason: Reason.ValueType) -> None:
    """Stores the reason why the destination has not accepted an envelope, for people."""
    row = _find_open(tx, envelope_id)
    if row is not None:
        tx.update(_OUTBOX, row._replace(not_taken=reason))


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
    return tx.find(_OUTBOX, envelope_id) is not None


def sent(tx: Transaction, envelope_id: str) -> Envelope | None:
    """A queued envelope as signed; None where it is not kept, or after the destruction of its key."""
    row = tx.find(_OUTBOX, envelope_id)
    content = None if row is None else open_signed(tx, row.subject, OUTBOX, envelope_id, row.content)
    return None if row is None or content is None else Envelope(content=content, signature=row.signature)


def name_incarnation(tx: Transaction, border: Border, envelope_id: str) -> Sealed | None:
    """Signs an open envelope of before a loss once more, with the present incarnation; returns it.

    None for an envelope that is closed, or whose key was destroyed.
    """
    row, known = _find_open(tx, envelope_id), sent(tx, envelope_id)
    if row is None or known is None:
        return None
    content = EnvelopeContent.FromString(known.content)
    content.incarnation = border.incarnation()
    data = content.SerializeToString()
    tx.execute(
        "UPDATE outbox SET content = :content, signature = :signature WHERE envelope_id = :envelope_id",
        content=seal_signed(tx, row.subject, OUTBOX, envelope_id, data),
        signature=(signature := border.signer.sign(ENVELOPE, data)),
        envelope_id=envelope_id,
    )
    return Sealed(Envelope(content=data, signature=signature), content)


def is_answered(tx: Transaction, envelope_id: str) -> bool:
    """Whether a receipt was kept for an envelope."""
    row = tx.find(_OUTBOX, envelope_id)
    return row is not None and row.receipt_content is not None


def receipt_content(tx: Transaction, envelope_id: str) -> bytes | None:
    """The stored receipt of an envelope, as signed; None without a receipt, or after the destruction of its key."""
    row = tx.find(_OUTBOX, envelope_id)
    if row is None or row.receipt_content is None:
        return None
    content = open_signed(tx, row.subject, OUTBOX, envelope_id, row.content)
    receipt = open_signed(tx, row.subject, OUTBOX_RECEIPT, envelope_id, row.receipt_content)
    return None if content is None or receipt is None else receipt_of(receipt, content)


def receipts_about(tx: Transaction, subject: str, destination: str) -> list[Receipt]:
    """The kept receipts of a region for envelopes about a subject, as signed, the newest envelope first."""
    rows = tx.find_all(_OUTBOX, subject=subject, destination=destination)
    newest_first = sorted(rows, key=lambda each: (each.created, each.envelope_id), reverse=True)
    found = (receipt(tx, row.envelope_id) for row in newest_first)
    return [each for each in found if each is not None]


def answered_after(tx: Transaction, destination: str, place: tuple[int, str], limit: int) -> list[tuple[int, str]]:
    """The answered envelopes to a region behind a place: when each was closed, in microseconds, and its id."""
    return tx.all(
        _place,
        "SELECT closed, envelope_id FROM outbox WHERE closed IS NOT NULL AND (closed, envelope_id) > (:closed, :id)"
        " AND destination = :destination AND receipt_content IS NOT NULL ORDER BY closed, envelope_id LIMIT :limit",
        closed=place[0],
        id=place[1],
        destination=destination,
        limit=limit,
    )


def newest_answered(
    tx: Transaction, destination: str, since: int, before: tuple[int, str], limit: int
) -> list[tuple[int, str]]:
    """The envelopes to a region that were answered last before a place, since an instant; as `answered_after`."""
    return tx.all(
        _place,
        "SELECT closed, envelope_id FROM outbox WHERE closed IS NOT NULL AND closed >= :since"
        " AND (closed, envelope_id) < (:closed, :id) AND destination = :destination AND receipt_content IS NOT NULL"
        " ORDER BY closed DESC, envelope_id DESC LIMIT :limit",
        since=since,
        closed=before[0],
        id=before[1],
        destination=destination,
        limit=limit,
    )


def receipt(tx: Transaction, envelope_id: str) -> Receipt | None:
    """The stored receipt of an envelope; None without one, or after the destruction of its key."""
    row, content = tx.find(_OUTBOX, envelope_id), receipt_content(tx, envelope_id)
    return None if row is None or content is None else Receipt(content=content, signature=row.receipt_signature or b"")


def is_open(tx: Transaction, envelope_id: str) -> bool:
    """Whether an envelope waits for its receipt."""
    return _find_open(tx, envelope_id) is not None


def is_set_aside(tx: Transaction, envelope_id: str) -> bool:
    """Whether an open envelope waits for people, or behind one that does."""
    row = _find_open(tx, envelope_id)
    return row is not None and row.claimed_by == SET_ASIDE


def drop_set_aside(tx: Transaction, envelope_id: str, now: datetime) -> Envelope | None:
    """Closes the row of an envelope that waits for people, without a receipt.

    Returns the envelope; None where it is not open, or after the destruction of its key.
    """
    row = _find_open(tx, envelope_id)
    if row is None:
        return None
    tx.update(_OUTBOX, row._replace(closed=to_microseconds(now)))
    return sent(tx, envelope_id)


def drop_unsent(tx: Transaction, border: Border, envelope_id: str, now: datetime) -> bool:
    """Closes the row of an envelope that this process's lane has given back.

    Returns False without a change where another process has taken the envelope over, since it may have left.
    """
    row = _find_open(tx, envelope_id)
    if row is None or row.claimed_by != border.number or row.handed_over:
        return False
    tx.update(_OUTBOX, row._replace(closed=to_microseconds(now)))
    return True


def rows_about(tx: Transaction, subject: str) -> list[OutboxRow]:
    """The envelopes about a subject, oldest first."""
    return tx.all(
        OutboxRow,
        "SELECT outbox.envelope_id, outbox.kind, outbox.destination, traceparent, outbox.attempts, journey, not_taken,"
        " COALESCE(state, 0) FROM outbox LEFT JOIN quarantined_work ON work_id = :prefix || envelope_id"
        " WHERE outbox.subject = :subject ORDER BY created, envelope_id",
        prefix=work_id(QUARANTINED_ENVELOPE, ""),
        subject=subject,
    )


def _find_open(tx: Transaction, envelope_id: str) -> _Row | None:
    row = tx.find(_OUTBOX, envelope_id)
    return row if row is not None and row.closed is None else None


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


def _place(closed: int, envelope_id: str) -> tuple[int, str]:
    return closed, envelope_id
