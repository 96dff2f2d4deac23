"""A coordinator signs the heads of its chains for witnesses, and nobody else can sign them in its name."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.api.federation.v1.federation_pb2 import ChainHead, RevocationList
from gateway.auditing.audit import Head
from gateway.auditing.chain_heads import REGISTRY, HeadSigner, head_signer
from gateway.security.authority import Authority, CertificateSet
from gateway.security.identity import parse
from gateway.security.issuers import COORDINATORS
from gateway.security.member_proofs import MemberProof, proof_of_member
from gateway.security.peers import LONGEST_CHAIN
from gateway.security.signing import COORDINATOR_HEAD, RENEWAL, TrustedKeys
from gateway.security.tls import Credentials, CredentialsUnusable

FEDERATION = "demo.example"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AUTHORITY = Authority.create(FEDERATION, NOW - DAY, NOW + 90 * DAY)
CHAIN, HEAD = "coordinator/0", Head(7, b"h" * 32)


class At:
    """A clock that stands."""

    def __init__(self, now: datetime) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time


def issued(path: str, by: Authority = AUTHORITY) -> CertificateSet:
    return by.issue(parse(f"spiffe://{FEDERATION}/{path}", FEDERATION), NOW - HOUR, NOW + HOUR)


def signed(
    directory: Path, by: CertificateSet, chain: str = CHAIN, *, at: datetime = NOW, domain: bytes = COORDINATOR_HEAD
) -> ChainHead:
    """The head of a chain, signed with a member's files."""
    by.write(directory)
    clock = At(NOW)
    prove = proof_of_member(Credentials.within(directory), clock, domain)
    return HeadSigner(prove, At(at)).signed(chain, HEAD)


def keys() -> TrustedKeys:
    return TrustedKeys(AUTHORITY.certificate_pem, FEDERATION)


@pytest.mark.parametrize("chain", [CHAIN, REGISTRY])
@pytest.mark.parametrize("has_issuer", [False, True], ids=["by the authority", "by an issuer"])
def test_a_coordinator_signs_the_heads_of_its_chain_and_of_the_registrys(
    tmp_path: Path, chain: str, *, has_issuer: bool
) -> None:
    by = AUTHORITY.issue_renewing_issuer(COORDINATORS, NOW - DAY, NOW + 30 * DAY) if has_issuer else AUTHORITY
    told = signed(tmp_path / "own", issued(CHAIN, by), chain)
    assert (told.chain, told.sequence, told.hash) == (chain, HEAD.sequence, HEAD.hash)
    assert head_signer(told, keys()) == CHAIN


ALTERATIONS = {
    "an invented row": {"sequence": 900},
    "another hash": {"hash": b"x" * 32},
    "another time": {"sign_time_us": 1},
    "no time of the calendar": {"sign_time_us": 2**64 - 1},
    "another chain": {"chain": REGISTRY},
    "no certificate": {"certificate": b""},
    "no certificate's form": {"certificate": b"-----BEGIN CERTIFICATE-----\n"},
    "another signature": {"signature": b"signature"},
    "no signature": {"signature": b""},
}


@pytest.mark.parametrize("changes", ALTERATIONS.values(), ids=ALTERATIONS.keys())
def test_what_is_altered_is_nobodys_head(tmp_path: Path, changes: Mapping[str, int | str | bytes]) -> None:
    told = signed(tmp_path, issued(CHAIN))
    for name, value in changes.items():
        setattr(told, name, value)
    assert head_signer(told, keys()) == ""


def test_more_bytes_than_a_certificate_and_its_issuer_have_are_none(tmp_path: Path) -> None:
    told = signed(tmp_path, issued(CHAIN))
    told.certificate += b"\n" * LONGEST_CHAIN
    assert head_signer(told, keys()) == ""


@pytest.mark.parametrize("path", ["coordinator/1", "region/henan", "admin/root"])
def test_no_other_member_signs_for_the_chain_of_a_coordinator(tmp_path: Path, path: str) -> None:
    assert head_signer(signed(tmp_path, issued(path)), keys()) == ""


@pytest.mark.parametrize("path", ["region/henan", "admin/root"])
def test_coordinators_alone_sign_for_the_chain_of_the_registry(tmp_path: Path, path: str) -> None:
    assert head_signer(signed(tmp_path, issued(path), REGISTRY), keys()) == ""


def test_the_certificate_of_another_authority_and_the_signature_of_another_purpose_prove_nothing(
    tmp_path: Path,
) -> None:
    other = Authority.create(FEDERATION, NOW - DAY, NOW + DAY)
    assert head_signer(signed(tmp_path / "other", issued(CHAIN, other)), keys()) == ""
    assert head_signer(signed(tmp_path / "own", issued(CHAIN), domain=RENEWAL), keys()) == ""


@pytest.mark.parametrize("late", [-2 * HOUR, 2 * HOUR], ids=["before its begin", "after its end"])
def test_a_certificate_proves_heads_of_its_own_time_alone(tmp_path: Path, late: timedelta) -> None:
    assert head_signer(signed(tmp_path, issued(CHAIN), at=NOW + late), keys()) == ""


def test_a_revoked_certificate_proves_no_head_any_more(tmp_path: Path) -> None:
    own, trusted = issued(CHAIN), keys()
    told = signed(tmp_path, own)
    assert head_signer(told, trusted) == CHAIN
    crl = AUTHORITY.revocation_list([own.tls.certificate.serial_number], 1, NOW)
    trusted.revocations.take(RevocationList(crl=crl.public_bytes(Encoding.DER)))
    assert head_signer(told, trusted) == ""


def test_a_head_is_signed_once_a_minute_and_each_further_head_at_once() -> None:
    clock, proven = At(NOW), list[bytes]()

    def prove(content: bytes) -> MemberProof:
        proven.append(content)
        return MemberProof(b"certificate", b"signature")

    signer = HeadSigner(prove, clock)
    first = signer.signed(CHAIN, HEAD)
    assert signer.signed(CHAIN, HEAD) == first
    assert len(proven) == 1
    signer.signed(CHAIN, Head(8, HEAD.hash))
    clock.time += timedelta(minutes=1)
    assert signer.signed(CHAIN, Head(8, HEAD.hash)).sign_time_us == first.sign_time_us + 60_000_000
    assert len(proven) == 3


def test_a_coordinator_whose_key_is_not_to_be_used_tells_its_head_without_a_signature() -> None:
    def prove(_: bytes) -> MemberProof:
        raise CredentialsUnusable("the key is away")

    told = HeadSigner(prove, At(NOW)).signed(CHAIN, HEAD)
    assert told == ChainHead(chain=CHAIN, sequence=HEAD.sequence, hash=HEAD.hash)
