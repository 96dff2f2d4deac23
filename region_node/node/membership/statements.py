"""The statements of a heartbeat that the region signs: the end of its audit chain, and its sealing key."""

from datetime import datetime, timedelta

from gateway.api.federation.v1.federation_pb2 import AuditHead, SealingKey
from gateway.auditing.audit import Head
from gateway.security.region_keys import RegionKeys
from gateway.security.sealing_keys import published
from gateway.security.signing import AUDIT_HEAD, Signer
from gateway.time.clock import from_microseconds

# A valid signature replaces one made with a wrong clock within this time, and at once where the clock is set back.
SIGNED_AGAIN = timedelta(minutes=1)


class SignedStatements:
    """Signs a statement when it changes. A coordinator recognises an unchanged one by its bytes."""

    def __init__(self, signer: Signer, keys: RegionKeys) -> None:
        self._signer = signer
        self._keys = keys
        self._head = AuditHead()
        self._sealing_key = SealingKey()

    def audit_head(self, head: Head) -> AuditHead:
        """The signed end of the audit chain. Signatures by Ed25519 of the same bytes are equal."""
        if (self._head.sequence, self._head.hash) != (head.sequence, head.hash):
            signature = self._signer.sign(AUDIT_HEAD, head.signed_bytes())
            self._head = AuditHead(sequence=head.sequence, hash=head.hash, signature=signature)
        return self._head

    def sealing_key(self, now: datetime) -> SealingKey:
        """The signed key for batches to the region, at `now` (aware)."""
        age = now - from_microseconds(self._sealing_key.sign_time_us)
        is_current = self._sealing_key.key == self._keys.set.in_use.sealing.public
        if not is_current or not timedelta(0) <= age < SIGNED_AGAIN:
            self._sealing_key = published(self._keys.set, self._signer, now)
        return self._sealing_key
