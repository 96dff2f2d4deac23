"""Signatures that were made in this process are known; all others are calculated."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.security.signing import ENVELOPE, RECEIPT, signed_bytes
from tests.simulation.signatures import NotingSigner, SignedKey
from tests.simulation.world import keys

HERE, THERE = "guangdong", "sichuan"


def test_a_known_signature_counts_for_its_region_purpose_and_bytes_alone() -> None:
    signature = keys().signers[HERE].sign(ENVELOPE, b"content")
    assert keys().trusted.verify(HERE, ENVELOPE, b"content", signature)
    assert not keys().trusted.verify(HERE, ENVELOPE, b"other", signature)
    assert not keys().trusted.verify(HERE, RECEIPT, b"content", signature)
    assert not keys().trusted.verify(THERE, ENVELOPE, b"content", signature)
    assert not keys().trusted.verify(HERE, ENVELOPE, b"content", signature[:-1] + bytes([signature[-1] ^ 1]))


def test_a_signature_that_nobody_has_noted_is_calculated() -> None:
    private = Ed25519PrivateKey.generate()
    key, signature = SignedKey(private.public_key()), private.sign(b"content")
    key.verify(signature, b"content")
    with pytest.raises(InvalidSignature):
        key.verify(signature, b"other")


def test_a_signature_that_is_known_is_not_calculated() -> None:
    signer = NotingSigner(Ed25519PrivateKey.generate())
    signature, other = signer.sign(ENVELOPE, b"content"), SignedKey(Ed25519PrivateKey.generate().public_key())
    signed = signed_bytes(ENVELOPE, b"content")
    with pytest.raises(InvalidSignature):
        other.verify(signature, signed)
    other.note(signature, signed)
    other.verify(signature, signed)
