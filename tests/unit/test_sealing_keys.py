"""The keys that regions publish for what is sent to them, as others take them over."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.api.federation.v1.federation_pb2 import SealingKey
from gateway.security.authority import Authority
from gateway.security.region_keys import KeySet, RegionKeys
from gateway.security.sealing_keys import SealingKeys, published
from gateway.security.signing import Signer, signed_bytes
from tests.keys import region_keys

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SIGNING = Ed25519PrivateKey.from_private_bytes(b"s" * 32)


STOLEN, FRESH = (Authority.create("demo.example", NOW, NOW + timedelta(days=days)).certificate for days in (1, 2))


def signer_of(region: str, domain: bytes, content: bytes, signature: bytes) -> x509.Certificate | None:
    """Only Sichuan's word is known, by the certificate that will be stolen."""
    return STOLEN if region == "sichuan" and Signer(SIGNING).sign(domain, content) == signature else None


def told(keys: KeySet | None = None, after: timedelta = timedelta(0)) -> SealingKey:
    return published(keys or region_keys().set, Signer(SIGNING), NOW + after)


def test_a_region_is_sealed_to_by_its_own_word() -> None:
    known = SealingKeys()
    assert known.of("sichuan") is None
    assert known.accept("sichuan", told(), signer_of)
    assert known.of("sichuan") == region_keys().set.in_use.sealing.public


@pytest.mark.parametrize("field", ["key", "sign_time_us", "signature"])
def test_what_a_coordinator_puts_in_its_place_is_not_taken(field: str) -> None:
    known, changed = SealingKeys(), told(after=timedelta(seconds=1))
    known.accept("sichuan", told(region_keys().set.rotated()), signer_of)
    before = known.of("sichuan")
    match field:
        case "key":
            changed.key = bytes(31) + b"\1"
        case "sign_time_us":
            changed.sign_time_us += 1
        case _:
            changed.signature = bytes(64)
    assert not known.accept("sichuan", changed, signer_of)
    assert not known.accept("henan", told(), signer_of)
    assert known.of("sichuan") == before


def test_a_rotated_key_is_taken_over_and_the_one_before_it_does_not_come_back() -> None:
    known, rotated = SealingKeys(), region_keys().set.rotated()
    for each in (told(), told(rotated, timedelta(seconds=5)), told(after=timedelta(seconds=4))):
        assert known.accept("sichuan", each, signer_of)
    assert known.of("sichuan") == rotated.in_use.sealing.public


def test_a_key_that_is_signed_anew_counts_by_its_later_signature_and_is_told_with_it() -> None:
    known, again = SealingKeys(), told(after=timedelta(seconds=5))
    known.accept("sichuan", told(), signer_of)
    assert known.accept("sichuan", again, signer_of)
    assert known.told("sichuan") == again


def test_a_key_that_a_thief_has_dated_ahead_goes_with_the_proof_of_its_signature() -> None:
    known, stolen, own = SealingKeys(), region_keys("nobody").set, region_keys().set
    known.accept("sichuan", told(stolen, timedelta(days=9999)), signer_of)
    assert known.accept("henan", told(), lambda *_: FRESH)
    assert known.accept("sichuan", told(own), signer_of)
    assert known.of("sichuan") == stolen.in_use.sealing.public, "the key that was signed last"
    known.forget_proven_by(lambda certificate: certificate == STOLEN)
    assert (known.of("sichuan"), known.of("henan")) == (None, own.in_use.sealing.public)
    assert known.accept("sichuan", told(own), signer_of)
    assert known.of("sichuan") == own.in_use.sealing.public


def test_a_region_opens_by_its_former_keys_until_they_are_pruned() -> None:
    former = region_keys().set
    rotated = former.rotated()
    keys = RegionKeys(rotated)
    for each in (former, rotated):
        sealing = each.in_use.sealing
        assert keys.sealing_key(sealing.id) is sealing
    keys.replace(rotated.without({former.in_use.id}))
    assert keys.sealing_key(former.in_use.sealing.id) is None


def test_a_process_looks_at_its_file_where_it_does_not_know_a_key() -> None:
    former = region_keys().set
    rotated = former.rotated()
    keys = RegionKeys(former, look=lambda: keys.replace(rotated))
    assert keys.sealing_key(rotated.in_use.sealing.id) is rotated.in_use.sealing


def test_the_signature_serves_for_nothing_else() -> None:
    each = told()
    assert Signer(SIGNING).sign(b"crossregion.envelope.v1", each.key) != each.signature
    SIGNING.public_key().verify(
        each.signature, signed_bytes(b"crossregion.sealing-key.v1", each.sign_time_us.to_bytes(8, "big") + each.key)
    )


def test_a_key_that_a_new_certificate_proves_too_stays_when_the_former_authority_goes() -> None:
    known, own = SealingKeys(), told()
    assert known.accept("sichuan", own, signer_of)
    assert known.accept("sichuan", own, lambda *_: FRESH), "the same signing key, certified anew"
    known.forget_proven_by(lambda certificate: certificate == STOLEN)
    assert known.told("sichuan") == own
    assert known.accept("sichuan", own, lambda *_: None), "no certificate is in force: it stays known"
    assert known.told("sichuan") == own
