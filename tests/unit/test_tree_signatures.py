"""One signature for several envelopes or receipts: each proof verifies alone, and nothing else does."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.types.v1.access_pb2 import Role
from gateway.security.authority import Authority, Issued
from gateway.security.hash_trees import leaf, tree
from gateway.security.identity import Identity
from gateway.security.signing import AUDIT_HEAD, ENVELOPE, RECEIPT, Signer, TrustedKeys
from tests.verified_signatures import checks_of

FEDERATION = "demo.example"
SICHUAN, HENAN = "sichuan", "henan"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)
AUTHORITY = Authority.create(FEDERATION, NOW - 30 * DAY, NOW + 30 * DAY)
DOMAINS = st.sampled_from([ENVELOPE, RECEIPT])


def issued(region: str, number: int = 0) -> Issued:
    """The certificates of a region, each later than the one before."""
    owner = Identity(FEDERATION, Role.ROLE_REGION, region, "")
    return AUTHORITY.issue_signing(owner, NOW - DAY + timedelta(seconds=number), NOW + DAY)


def signer_of(certificate: Issued) -> Signer:
    assert isinstance(certificate.key, Ed25519PrivateKey)
    return Signer(certificate.key)


FIRST = issued(SICHUAN)


def trusting(*certificates: Issued) -> TrustedKeys:
    """Keys that trust certificates of Sichuan."""
    keys = TrustedKeys(AUTHORITY.certificate_pem, FEDERATION)
    for each in certificates:
        keys.accept(SICHUAN, each.certificate_pem, NOW)
    return keys


TRUSTED = trusting(FIRST)


def contents_of(size: int) -> list[bytes]:
    return [b"content %d" % index for index in range(size)]


def signed(contents: Sequence[bytes], domain: bytes = ENVELOPE, certificate: Issued = FIRST) -> list[bytes]:
    return signer_of(certificate).sign_all(domain, contents, Random(len(contents)).randbytes)


def flipped(data: bytes, bit: int) -> bytes:
    altered = bytearray(data)
    altered[bit // 8] ^= 1 << bit % 8
    return bytes(altered)


@given(st.integers(1, 300), DOMAINS)
def test_every_content_of_a_commit_verifies_with_its_proof(size: int, domain: bytes) -> None:
    contents = contents_of(size)
    proofs = signed(contents, domain)
    assert len(proofs) == size
    verified = [TRUSTED.verify(SICHUAN, domain, *each) for each in zip(contents, proofs, strict=True)]
    assert verified == [True] * size


def test_a_proof_grows_with_the_depth_of_the_tree_and_one_content_has_a_plain_signature() -> None:
    lengths = {size: max(map(len, signed(contents_of(size)))) for size in (1, 2, 16, 64, 256)}
    assert lengths == {1: 64, 2: 116, 16: 212, 64: 276, 256: 340}
    assert signed(contents_of(1)) == [signer_of(FIRST).sign(ENVELOPE, b"content 0")]
    assert signed([]) == []


def test_the_signature_is_over_the_domain_of_trees_a_zero_byte_the_size_and_the_root() -> None:
    contents = contents_of(3)
    for domain, of_trees in ((ENVELOPE, b"crossregion.envelope-tree.v1"), (RECEIPT, b"crossregion.receipt-tree.v1")):
        proofs = signed(contents, domain)
        salts = [each[64:80] for each in proofs]
        assert len(set(salts)) == len(contents)
        root, paths = tree([leaf(salt, content) for salt, content in zip(salts, contents, strict=True)])
        assert isinstance(FIRST.key, Ed25519PrivateKey)
        FIRST.key.public_key().verify(proofs[0][:64], of_trees + b"\0\0\3" + root)
        assert [each[80:] for each in proofs] == [bytes([0, 3, 0, index]) + paths[index] for index in range(3)]


@given(st.integers(2, 300), st.data())
def test_no_bit_of_a_content_or_its_proof_can_be_altered(size: int, data: st.DataObject) -> None:
    contents = contents_of(size)
    index = data.draw(st.integers(0, size - 1))
    content, proof = contents[index], signed(contents)[index]
    bit = data.draw(st.integers(0, 8 * (len(content) + len(proof)) - 1))
    altered = flipped(content + proof, bit)
    assert not TRUSTED.verify(SICHUAN, ENVELOPE, altered[: len(content)], altered[len(content) :])


def test_no_bit_of_size_and_index_can_be_altered() -> None:
    found = []
    for size in (2, 3, 5, 8, 13):
        contents = contents_of(size)
        for index, proof in enumerate(signed(contents)):
            bits = range(8 * 80, 8 * 84)
            found += [
                (size, index, bit)
                for bit in bits
                if TRUSTED.verify(SICHUAN, ENVELOPE, contents[index], flipped(proof, bit))
            ]
    assert found == []


@given(st.integers(2, 300), st.data())
def test_a_longer_or_shorter_proof_verifies_nothing(size: int, data: st.DataObject) -> None:
    contents = contents_of(size)
    proof = signed(contents)[0]
    others = [proof[: data.draw(st.integers(0, len(proof) - 1))], proof + data.draw(st.binary(min_size=1, max_size=64))]
    assert [TRUSTED.verify(SICHUAN, ENVELOPE, contents[0], each) for each in others] == [False, False]


@given(st.binary(max_size=400), DOMAINS)
def test_bytes_of_any_length_that_are_no_proof_verify_nothing(garbage: bytes, domain: bytes) -> None:
    assert not TRUSTED.verify(SICHUAN, domain, b"content 0", garbage)
    assert not TRUSTED.verify(HENAN, domain, b"content 0", garbage)


def test_a_proof_is_for_one_content_one_purpose_and_one_region() -> None:
    contents, receipts = contents_of(4), signed(contents_of(4), RECEIPT)
    proofs = signed(contents)
    keys = trusting(FIRST)
    keys.accept(HENAN, issued(HENAN).certificate_pem, NOW)
    assert keys.verify(SICHUAN, ENVELOPE, contents[0], proofs[0])
    assert not keys.verify(SICHUAN, ENVELOPE, contents[0], proofs[1])
    assert not keys.verify(SICHUAN, RECEIPT, contents[0], proofs[0])
    assert not keys.verify(SICHUAN, ENVELOPE, contents[0], receipts[0])
    assert not keys.verify(HENAN, ENVELOPE, contents[0], proofs[0])
    assert not keys.verify(SICHUAN, AUDIT_HEAD, contents[0], proofs[0])


def test_the_hashes_of_two_neighbours_are_no_content() -> None:
    contents = contents_of(4)
    proof = signed(contents)[0]
    leaves = [leaf(each[64:80], content) for each, content in zip(signed(contents), contents, strict=True)]
    node = leaves[0] + leaves[1]
    for salt, content in ((node[:16], node[16:]), (bytes(16), node)):
        for size in (2, 4):
            forged = proof[:64] + salt + bytes([0, size, 0, 0]) + proof[-32:]
            assert not TRUSTED.verify(SICHUAN, ENVELOPE, content, forged)


def test_several_contents_of_another_purpose_are_not_signed_together() -> None:
    with pytest.raises(ValueError, match="audit-head"):
        signed(contents_of(2), AUDIT_HEAD)
    with pytest.raises(ValueError, match="65536"):
        signed([b""] * 65_536)


def test_a_plain_signature_stays_valid_beside_proofs() -> None:
    contents = contents_of(2)
    plain = signer_of(FIRST).sign(ENVELOPE, contents[0])
    assert TRUSTED.verify(SICHUAN, ENVELOPE, contents[0], signed(contents)[0])
    assert TRUSTED.verify(SICHUAN, ENVELOPE, contents[0], plain)


def test_the_signature_of_a_commit_is_verified_once_while_it_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = checks_of(monkeypatch)
    keys, contents = trusting(FIRST), contents_of(64)
    proofs = signed(contents)
    assert all(keys.verify(SICHUAN, ENVELOPE, *each) for each in zip(contents, proofs, strict=True))
    assert checked == [proofs[0][:64]]
    for number in range(128):
        others = [b"%d" % number, b""]
        assert keys.verify(SICHUAN, ENVELOPE, others[0], signed(others)[0])
    assert keys.verify(SICHUAN, ENVELOPE, contents[0], proofs[0])
    assert len(checked) == 1 + 128 + 1, "the memory has an end"


def test_forged_proofs_take_no_place_of_verified_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = checks_of(monkeypatch)
    keys, contents = trusting(FIRST), contents_of(2)
    first, second = signed(contents)
    assert keys.verify(SICHUAN, ENVELOPE, contents[0], first)
    for number in range(600):
        assert not keys.verify(SICHUAN, ENVELOPE, b"forged %d" % number, first)
    assert len(checked) == 1 + 600
    assert keys.verify(SICHUAN, ENVELOPE, contents[1], second)
    assert len(checked) == 1 + 600, "the root is remembered"


def test_a_verified_signature_does_not_outlive_its_key() -> None:
    contents = contents_of(2)
    proofs = signed(contents)
    keys = trusting(FIRST)
    assert keys.verify(SICHUAN, ENVELOPE, contents[0], proofs[0])
    keys.expire(NOW + 2 * DAY)
    assert not keys.verify(SICHUAN, ENVELOPE, contents[0], proofs[0])
    keys.accept(SICHUAN, FIRST.certificate_pem, NOW)
    assert keys.verify(SICHUAN, ENVELOPE, contents[0], proofs[0])
    for number in (1, 2):
        keys.accept(SICHUAN, issued(SICHUAN, number).certificate_pem, NOW)
        is_kept = keys.verify(SICHUAN, ENVELOPE, contents[0], proofs[0])
        assert is_kept == (number == 1), "the key before the newest counts, an older one does not"
