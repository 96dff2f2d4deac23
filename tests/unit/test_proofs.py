"""A coordinator verifies each statement of a region once, and every other one."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from coordinator.membership.proofs import Proofs
from gateway.api.types.v1.access_pb2 import Role
from gateway.security.authority import Authority
from gateway.security.identity import Identity
from gateway.security.signing import AUDIT_HEAD, SEALING_KEY, Signer, TrustedKeys

FEDERATION, REGION = "demo.example", "sichuan"
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class CountingKeys(TrustedKeys):
    """Counts its verifications."""

    verified = 0

    def verify(self, region: str, domain: bytes, content: bytes, signature: bytes) -> bool:
        self.verified += 1
        return super().verify(region, domain, content, signature)


class Scene:
    """An authority, and the keys that a coordinator trusts."""

    def __init__(self) -> None:
        self._authority = Authority.create(FEDERATION, NOW - 2 * HOUR, NOW + 9 * HOUR)
        self.keys = CountingKeys(self._authority.certificate_pem, FEDERATION)
        self.proofs = Proofs(self.keys, limit=4)

    def join(self, issued: datetime = NOW - HOUR, expires: datetime = NOW + HOUR, *, now: datetime = NOW) -> Signer:
        """A signer whose certificate is trusted from here on."""
        signing = self._authority.issue(Identity(FEDERATION, Role.ROLE_REGION, REGION, ""), issued, expires).signing
        assert signing is not None
        assert isinstance(signing.key, Ed25519PrivateKey)
        self.keys.accept(REGION, signing.certificate_pem, now)
        return Signer(signing.key)

    def says(self, signer: Signer, content: bytes, signature: bytes = b"", domain: bytes = AUDIT_HEAD) -> bool:
        """Whether a statement counts as the region's."""
        return self.proofs.verify(REGION, domain, content, signature or signer.sign(domain, content))


@pytest.fixture(name="scene")
def a_scene() -> Scene:
    return Scene()


def test_an_unchanged_statement_is_verified_once(scene: Scene) -> None:
    signer = scene.join()
    assert all(scene.says(signer, b"1") for _ in range(5))
    assert all(scene.says(signer, b"key", domain=SEALING_KEY) for _ in range(5))
    assert scene.keys.verified == 2


def test_a_changed_statement_is_verified_and_a_forged_one_refused_each_time(scene: Scene) -> None:
    signer, forger = scene.join(), Signer(Ed25519PrivateKey.generate())
    signature = signer.sign(AUDIT_HEAD, b"1")
    assert scene.says(signer, b"1", signature)
    forged = {
        "another signature": scene.says(forger, b"1"),
        "another content": scene.says(signer, b"2", signature),
        "another purpose": scene.says(signer, b"1", signature, SEALING_KEY),
        "another region": scene.proofs.verify("henan", AUDIT_HEAD, b"1", signature),
        "again": scene.says(forger, b"1"),
    }
    assert forged == dict.fromkeys(forged, False)
    assert scene.says(signer, b"2")
    assert scene.keys.verified == 2 + len(forged)


def test_a_signature_counts_for_as_long_as_its_key_is_trusted(scene: Scene) -> None:
    former = scene.join(expires=NOW + SECOND)
    assert scene.says(former, b"1")
    present = scene.join(issued=NOW - HOUR + SECOND)
    assert scene.says(former, b"1")
    assert scene.says(present, b"1")
    scene.keys.expire(NOW + 2 * SECOND)
    assert not scene.says(former, b"1")
    assert scene.says(present, b"1")


def test_the_oldest_statement_of_a_region_is_forgotten_first(scene: Scene) -> None:
    signer = scene.join()
    for content in (b"1", b"2", b"3", b"4", b"5"):
        assert scene.says(signer, content)
    before = scene.keys.verified
    assert all(scene.says(signer, content) for content in (b"2", b"3", b"4", b"5"))
    assert scene.keys.verified == before
    assert scene.says(signer, b"1")
    assert scene.keys.verified == before + 1
