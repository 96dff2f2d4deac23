"""A statement that a region repeats with each heartbeat is verified once, and every other one each time."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.api.types.v1.access_pb2 import Role
from gateway.security.authority import Authority
from gateway.security.identity import Identity
from gateway.security.signing import AUDIT_HEAD, ENVELOPE, SEALING_KEY, Signer, TrustedKeys
from tests.verified_signatures import checks_of

FEDERATION, REGION, OTHER = "demo.example", "sichuan", "henan"
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class Scene:
    """An authority, and the keys that a coordinator trusts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._authority = Authority.create(FEDERATION, NOW - 2 * HOUR, NOW + 9 * HOUR)
        self.keys = TrustedKeys(self._authority.certificate_pem, FEDERATION)
        self.verified = checks_of(monkeypatch)

    def join(self, issued: datetime = NOW - HOUR, expires: datetime = NOW + HOUR, region: str = REGION) -> Signer:
        """A signer whose certificate is trusted from here on."""
        signing = self._authority.issue(Identity(FEDERATION, Role.ROLE_REGION, region, ""), issued, expires).signing
        assert signing is not None
        assert isinstance(signing.key, Ed25519PrivateKey)
        self.keys.accept(region, signing.certificate_pem, NOW)
        return Signer(signing.key)

    def says(self, signer: Signer, content: bytes, signature: bytes = b"", domain: bytes = AUDIT_HEAD) -> bool:
        """Whether a statement counts as the region's."""
        return self.keys.verify(REGION, domain, content, signature or signer.sign(domain, content))


@pytest.fixture(name="scene")
def a_scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(monkeypatch)


def test_an_unchanged_statement_is_verified_once(scene: Scene) -> None:
    signer = scene.join()
    assert all(scene.says(signer, b"1") for _ in range(5))
    assert all(scene.says(signer, b"key", domain=SEALING_KEY) for _ in range(5))
    assert len(scene.verified) == 2


def test_an_envelope_signed_alone_is_verified_and_not_remembered(scene: Scene) -> None:
    signer = scene.join()
    assert all(scene.says(signer, b"1", domain=ENVELOPE) for _ in range(3))
    assert len(scene.verified) == 3


def test_a_changed_statement_is_verified_and_a_forged_one_refused_each_time(scene: Scene) -> None:
    signer, forger = scene.join(), Signer(Ed25519PrivateKey.generate())
    signature = signer.sign(AUDIT_HEAD, b"1")
    assert scene.says(signer, b"1", signature)
    forged = {
        "another signature": scene.says(forger, b"1"),
        "another content": scene.says(signer, b"2", signature),
        "another purpose": scene.says(signer, b"1", signature, SEALING_KEY),
        "another region": scene.keys.verify(OTHER, AUDIT_HEAD, b"1", signature),
        "again": scene.says(forger, b"1"),
    }
    assert forged == dict.fromkeys(forged, False)
    assert scene.says(signer, b"2")
    # A region without a key has nothing to verify.
    assert len(scene.verified) == 2 + len(forged) - 1


def test_a_signature_counts_for_as_long_as_its_key_is_trusted(scene: Scene) -> None:
    former = scene.join(expires=NOW + SECOND)
    assert scene.says(former, b"1")
    present = scene.join(issued=NOW - HOUR + SECOND)
    assert scene.says(former, b"1")
    assert scene.says(present, b"1")
    scene.keys.expire(NOW + 2 * SECOND)
    assert not scene.says(former, b"1")
    assert scene.says(present, b"1")


def test_the_oldest_statement_of_a_region_is_forgotten_first_whatever_others_say(scene: Scene) -> None:
    other, signer = scene.join(region=OTHER), scene.join()
    statement = other.sign(AUDIT_HEAD, b"1")
    assert scene.keys.verify(OTHER, AUDIT_HEAD, b"1", statement)
    said = [b"%d" % number for number in range(129)]
    assert all(scene.says(signer, content) for content in said)
    verified = len(scene.verified)
    assert all(scene.says(signer, content) for content in said[1:])
    assert scene.keys.verify(OTHER, AUDIT_HEAD, b"1", statement)
    assert len(scene.verified) == verified
    assert scene.says(signer, said[0])
    assert len(scene.verified) == verified + 1
