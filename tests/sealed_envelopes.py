"""Envelopes that tests sign alone, in the name of any region."""

from datetime import datetime

from gateway.relay.envelopes import OutgoingEnvelope, Sealed, unsigned_envelope
from gateway.security.signing import ENVELOPE, Signer


def seal(
    outgoing: OutgoingEnvelope,
    origin: str,
    signer: Signer,
    *,
    now: datetime,
    revision: int,
    traceparent: str,
) -> Sealed:
    """Signs an outgoing envelope alone. Raises ValueError as `unsigned_envelope` does."""
    sealed = unsigned_envelope(outgoing, origin, now=now, revision=revision, traceparent=traceparent)
    sealed.envelope.signature = signer.sign(ENVELOPE, sealed.envelope.content)
    return sealed
