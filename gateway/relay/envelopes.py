"""Sealing and opening envelopes and receipts.

The signature covers the transported bytes. They are stored and forwarded unchanged, and parsed only after verification.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from google.protobuf.message import DecodeError

from gateway.api.relay.v1.relay_pb2 import (
    Envelope,
    EnvelopeContent,
    EnvelopeKind,
    Outcome,
    Receipt,
    ReceiptContent,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing.audit import Head
from gateway.errors import Refused
from gateway.rpc.element_counts import parsed
from gateway.rpc.message_checks import require_plain
from gateway.security.sealing import Route
from gateway.security.signing import ENVELOPE, RECEIPT, Signer, TrustedKeys
from gateway.time.clock import to_timestamp
from gateway.values.choices import UnknownChoice, require_known

CONTENT_LIMIT = 64 * 1024  # bytes of an envelope's content: an order is about 1 KiB, documents do not travel here
BATCH_LIMIT = 256  # envelopes in one delivery


@dataclass(frozen=True)
class OutgoingEnvelope:
    """An envelope that an operation wants to send, before it is sealed."""

    envelope_id: str
    destination: str
    kind: EnvelopeKind.ValueType
    payload: bytes = field(repr=False)
    subject: str
    operator: str
    lifetime: timedelta
    bulk: bool = False


@dataclass(frozen=True)
class Sealed:
    """An envelope and its content, parsed. An operation's own envelope is signed when its transaction commits."""

    envelope: Envelope = field(repr=False)
    content: EnvelopeContent = field(repr=False)


@dataclass(frozen=True)
class Answer:
    """A region's decision about an envelope: the unsigned part of a receipt."""

    outcome: Outcome.ValueType
    result: bytes = field(default=b"", repr=False)
    reason: Reason.ValueType = Reason.REASON_UNSPECIFIED
    parameters: Mapping[str, str] | None = field(default=None, repr=False)
    moved_to: str = ""


def unsigned_envelope(
    outgoing: OutgoingEnvelope,
    origin: str,
    *,
    now: datetime,
    revision: int,
    traceparent: str,
    assignments: int = 0,
    incarnation: int = 0,
) -> Sealed:
    """An outgoing envelope of the region `origin`, without its signature.

    `revision` is that of its configuration, `assignments` the number of assignments of numbers that it knows,
    `incarnation` that of its database.

    Raises ValueError above the largest envelope: this is a defect, since requests are far smaller. The destination
    would refuse such an envelope forever, and its lane would stop.
    """
    content = EnvelopeContent(
        id=outgoing.envelope_id,
        origin=origin,
        destination=outgoing.destination,
        kind=outgoing.kind,
        payload=outgoing.payload,
        create_time=to_timestamp(now),
        expire_time=to_timestamp(now + outgoing.lifetime),
        traceparent=traceparent,
        federation_revision=revision,
        subject=outgoing.subject,
        operator=outgoing.operator,
        bulk=outgoing.bulk,
        number_assignments=assignments,
        incarnation=incarnation,
    )
    data = content.SerializeToString()
    if len(data) > CONTENT_LIMIT:
        raise ValueError(f"the envelope {outgoing.envelope_id} is larger than {CONTENT_LIMIT} bytes")
    return Sealed(Envelope(content=data), content)


def read_content(envelope: Envelope) -> EnvelopeContent:
    """Parses signed bytes without verification. Raises Refused with ENVELOPE_INVALID, or CHARACTER_NOT_ALLOWED."""
    if len(envelope.content) > CONTENT_LIMIT:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem=f"more than {CONTENT_LIMIT} bytes")
    try:
        content = EnvelopeContent.FromString(envelope.content)
    except DecodeError:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="unreadable content") from None
    if not content.id or not content.origin or not content.destination:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no id, origin or destination")
    if not content.kind:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no kind")
    return content


def open_envelope(envelope: Envelope, keys: TrustedKeys, route: Route) -> Sealed:
    """Verifies and parses an envelope that came by a route.

    Raises Refused with ENVELOPE_INVALID, ENVELOPE_SENDER_WRONG, ENVELOPE_SIGNATURE_INVALID, CHARACTER_NOT_ALLOWED, or
    UPGRADE_REQUIRED for a kind of a later version.
    """
    content = read_content(envelope)
    if content.origin != route.origin:
        raise Refused(Reason.REASON_ENVELOPE_SENDER_WRONG, sender=f"region/{route.origin}", region=content.origin)
    if content.destination != route.destination:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem=f"it is for {content.destination}")
    if not keys.verify(content.origin, ENVELOPE, envelope.content, envelope.signature):
        raise Refused(Reason.REASON_ENVELOPE_SIGNATURE_INVALID, region=content.origin)
    require_plain(content)
    with UntilUpgraded(content.destination):
        require_known(content)
    return Sealed(envelope, content)


class UntilUpgraded:
    """Raises Refused with UPGRADE_REQUIRED where this region's version cannot read a command. `region` is this one."""

    __slots__ = ("_region",)

    def __init__(self, region: str) -> None:
        self._region = region

    def __enter__(self) -> None:
        """Begins to read."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Refuses where the reading found an unknown choice."""
        if isinstance(error, UnknownChoice):
            raise Refused(Reason.REASON_UPGRADE_REQUIRED, region=self._region, field=str(error)) from None


def digest(content: bytes) -> bytes:
    """SHA-256 of the signed bytes."""
    return hashlib.sha256(content).digest()


def answer_in(receipt: ReceiptContent) -> Answer:
    """The decision in a receipt."""
    parameters = dict(receipt.reason_parameters)
    return Answer(receipt.outcome, receipt.result, receipt.reason, parameters, receipt.moved_to)


def unsigned_receipt(
    sealed: Sealed, answer: Answer, *, now: datetime, revision: int, row: Head | None = None
) -> Receipt:
    """An answer of the envelope's destination, without its signature. `row` is the audit row of a command."""
    content = ReceiptContent(
        envelope_id=sealed.content.id,
        origin=sealed.content.origin,
        destination=sealed.content.destination,
        content_digest=digest(sealed.envelope.content),
        outcome=answer.outcome,
        reason=answer.reason,
        reason_parameters=answer.parameters,
        result=answer.result,
        decide_time=to_timestamp(now),
        federation_revision=revision,
        moved_to=answer.moved_to,
    )
    if row is not None:
        content.audit_sequence, content.audit_hash = row.sequence, row.hash
    return Receipt(content=content.SerializeToString())


def seal_receipt(sealed: Sealed, answer: Answer, signer: Signer, *, now: datetime, revision: int) -> Receipt:
    """Signs an answer alone, in the name of the envelope's destination."""
    receipt = unsigned_receipt(sealed, answer, now=now, revision=revision)
    receipt.signature = signer.sign(RECEIPT, receipt.content)
    return receipt


def open_receipt(receipt: Receipt, keys: TrustedKeys, sent: Sealed) -> ReceiptContent:
    """Verifies that a receipt is the destination's answer to the very bytes that were sent, and parses it.

    Raises Refused with ENVELOPE_INVALID, ENVELOPE_SIGNATURE_INVALID, or, for an outcome of a later version,
    UPGRADE_REQUIRED.
    """
    destination = sent.content.destination
    if not keys.verify(destination, RECEIPT, receipt.content, receipt.signature):
        raise Refused(Reason.REASON_ENVELOPE_SIGNATURE_INVALID, region=destination)
    try:
        content = parsed(ReceiptContent, receipt.content)
    except DecodeError:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="unreadable receipt") from None
    answers_it = content.envelope_id == sent.content.id and content.content_digest == digest(sent.envelope.content)
    if not answers_it or content.destination != destination:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="the receipt answers another envelope")
    with UntilUpgraded(sent.content.origin):
        require_known(content)
    return content
