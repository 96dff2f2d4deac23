"""A node signs the statements of its heartbeat when they change."""

from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.auditing.audit import Head
from gateway.security.region_keys import KeySet, RegionKeys
from gateway.security.signing import Signer
from gateway.time.clock import from_microseconds
from region_node.node.membership.statements import SIGNED_AGAIN, SignedStatements

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)


class CountingSigner(Signer):
    """Counts its signatures."""

    def __init__(self) -> None:
        super().__init__(Ed25519PrivateKey.generate())
        self.signatures = 0

    def sign(self, domain: bytes, content: bytes) -> bytes:
        self.signatures += 1
        return super().sign(domain, content)


def test_an_audit_head_is_signed_when_the_chain_has_grown_or_was_altered() -> None:
    signer = CountingSigner()
    statements = SignedStatements(signer, RegionKeys(KeySet.new()))
    heads = [Head(0, b"0" * 32), Head(0, b"0" * 32), Head(1, b"1" * 32), Head(1, b"1" * 32), Head(1, b"2" * 32)]
    told = [statements.audit_head(head) for head in heads]
    assert [(each.sequence, each.hash) for each in told] == [(head.sequence, head.hash) for head in heads]
    assert signer.signatures == len({each.signature for each in told}) == 3


def test_a_sealing_key_is_signed_again_within_a_minute_and_at_once_after_a_rotation_or_a_clock_set_back() -> None:
    signer, keys = CountingSigner(), RegionKeys(KeySet.new())
    statements = SignedStatements(signer, keys)

    def signed(now: datetime) -> datetime:
        told = statements.sealing_key(now)
        assert told.key == keys.set.in_use.sealing.public
        return from_microseconds(told.sign_time_us)

    assert signed(NOW) == NOW
    assert signed(NOW + SIGNED_AGAIN - INSTANT) == NOW
    assert signed(NOW + SIGNED_AGAIN) == NOW + SIGNED_AGAIN
    assert signed(NOW) == NOW, "the clock was ahead"
    assert signer.signatures == 3
    keys.replace(keys.set.rotated())
    assert signed(NOW + INSTANT) == NOW + INSTANT
