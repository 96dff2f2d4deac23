"""Envelopes that no waiting brings to their destination: people replay them, or give them up."""

from datetime import datetime

from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, reason_name
from gateway.relay import claims, outbox
from gateway.relay.border import Border, Command, Kinds, RevisionAwaited
from gateway.relay.envelopes import digest
from gateway.relay.fair_queue import QueuedEnvelope
from gateway.store import quarantine
from gateway.store.port import Transaction
from gateway.store.quarantine import ENVELOPE, QuarantinedWork, is_due_for_quarantine, work_id
from gateway.time.clock import to_microseconds, to_timestamp
from gateway.values.choices import UnknownChoice
from gateway.values.names import name_of

_DEFECTS = frozenset(
    {
        Reason.REASON_CHARACTER_NOT_ALLOWED,
        Reason.REASON_ENVELOPE_CONTENT_DESTROYED,
        Reason.REASON_ENVELOPE_ID_REUSED,
        Reason.REASON_ENVELOPE_INVALID,
        Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED,
        Reason.REASON_ENVELOPE_SENDER_WRONG,
        Reason.REASON_ENVELOPE_SIGNATURE_INVALID,
        Reason.REASON_INTERNAL,
        Reason.REASON_MESSAGE_TOO_LARGE,
    }
)
"""The answers about an envelope that no waiting changes, as long as nobody mends anything."""


def failure_of(error: Exception) -> str:
    """Why an envelope has no receipt here, in a word without personal data."""
    return reason_name(error.reason) if isinstance(error, Refused) else type(error).__name__


def note_attempt(queued: QueuedEnvelope, error: Exception | None, now: datetime) -> bool:
    """Notes the outcome of an attempt; returns whether the envelope is to be left to people."""
    queued.failure = "" if error is None else failure_of(error)
    if not _is_defect(error):
        queued.defects, queued.defect_time = 0, None
        return False
    queued.defects += 1
    queued.defect_time = queued.defect_time or now
    return is_due_for_quarantine(queued.defects, to_microseconds(queued.defect_time), now)


def work_of(queued: QueuedEnvelope, *, is_answered: bool, now: datetime) -> QuarantinedWork:
    """The work on an envelope that is left to people. `is_answered`: only its receipt cannot be kept here."""
    content = queued.sealed.content
    return QuarantinedWork(
        work_id=work_id(ENVELOPE, content.id),
        source=ENVELOPE,
        kind=name_of(EnvelopeKind, content.kind),
        subject=content.subject,
        destination=content.destination,
        failure=queued.failure,
        attempts=queued.defects,
        fail_time=to_microseconds(queued.defect_time or now),
        quarantine_time=to_microseconds(now),
        is_answered=int(is_answered),
    )


def end_by_receipt(tx: Transaction, border: Border, sent: EnvelopeContent, now: datetime) -> None:
    """Ends the waiting of an envelope that was answered after all, and sends what waits behind it."""
    if quarantine.end_if_waiting(tx, work_id(ENVELOPE, sent.id), now):
        claims.release(tx, border.number, sent.subject, sent.destination)


def replay(tx: Transaction, border: Border, work: QuarantinedWork) -> None:
    """Sends an envelope once more, and behind it what waits for it."""
    claims.release(tx, border.number, work.subject, work.destination)


def give_up(tx: Transaction, border: Border, kinds: Kinds, work: QuarantinedWork, now: datetime) -> None:
    """Closes an envelope without a receipt, and sends the later ones. Its record gets the refusal ENVELOPE_GIVEN_UP."""
    envelope = outbox.drop_set_aside(tx, work.name, now)
    if envelope is not None:
        sent = EnvelopeContent.FromString(envelope.content)
        kind = kinds.get(sent.kind)
        if isinstance(kind, Command):
            kind.answered(tx, sent, _refusal(border, sent, envelope.content, now), now)
    claims.release(tx, border.number, work.subject, work.destination)


def held_up(tx: Transaction, work: QuarantinedWork) -> int:
    """The number of envelopes that wait behind one."""
    count = tx.first(
        int,
        "SELECT COUNT(*) FROM outbox WHERE subject = :subject AND destination = :destination AND closed IS NULL"
        " AND claimed_by = :nobody AND envelope_id <> :name",
        subject=work.subject,
        destination=work.destination,
        nobody=outbox.SET_ASIDE,
        name=work.name,
    )
    return count or 0


def _is_defect(error: Exception | None) -> bool:
    """Whether an attempt met a defect. An answer may wait for an upgrade, or for a configuration."""
    if isinstance(error, Refused):
        return error.reason in _DEFECTS
    return error is not None and not isinstance(error, RevisionAwaited | UnknownChoice)


def _refusal(border: Border, sent: EnvelopeContent, content: bytes, now: datetime) -> ReceiptContent:
    """The answer that this region gives itself, in place of the destination's."""
    return ReceiptContent(
        envelope_id=sent.id,
        origin=sent.origin,
        destination=sent.destination,
        content_digest=digest(content),
        outcome=Outcome.OUTCOME_REFUSED,
        reason=Reason.REASON_ENVELOPE_GIVEN_UP,
        reason_parameters={"region": sent.destination},
        decide_time=to_timestamp(now),
        federation_revision=border.current.revision,
    )
