"""Revocation lists of issuers that keep their key: certified anew, under another name, or by another authority."""

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.api.federation.v1.federation_pb2 import RevocationList
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.security.authority import ISSUER_CERTIFICATE, Authority
from gateway.security.issuing import IssuerDirectory
from gateway.security.revocations import Revocations
from tests.unit.test_revocations import (
    AUTHORITY,
    FEDERATION,
    HENAN,
    NOW,
    YEAR,
    is_refused,
    issued,
    peer,
    reason_of,
    revocations,
    signed,
)

ANEW = AUTHORITY.issue_issuer("henan", NOW - YEAR, NOW + YEAR, HENAN._key)
RENAMED = AUTHORITY.issue_issuer("henan", NOW, NOW + YEAR, HENAN._key)
SUCCESSOR = Authority.create(FEDERATION, NOW - YEAR, NOW + 2 * YEAR)
BY_SUCCESSOR = SUCCESSOR.issue_issuer("henan", NOW - YEAR, NOW + YEAR, HENAN._key)


def certified_anew(told: RevocationList, issuer: Authority) -> RevocationList:
    return RevocationList(crl=told.crl, issuer_certificate=issuer.certificate.public_bytes(Encoding.DER))


def decoy_of(issuer: x509.Certificate) -> x509.Certificate:
    """A certificate of the issuer's key, names and serial number that the authority has not signed."""
    builder = x509.CertificateBuilder(
        issuer.issuer,
        issuer.subject,
        issuer.public_key(),
        issuer.serial_number,
        issuer.not_valid_before_utc,
        issuer.not_valid_after_utc,
        list(issuer.extensions),
    )
    return builder.sign(HENAN._key, SHA256())


def after_rotation() -> Revocations:
    return Revocations(SUCCESSOR.certificate_pem, FEDERATION)


def test_an_issuer_under_another_name_has_a_list_of_its_own_and_neither_blocks_the_other() -> None:
    kept, before, later = revocations(), issued(HENAN), issued(RENAMED)
    kept.take(signed(HENAN, 5, before.certificate.serial_number))
    kept.take(signed(RENAMED, 1, later.certificate.serial_number))
    assert is_refused(kept, peer(before, HENAN))
    assert is_refused(kept, peer(later, RENAMED))
    kept.take(signed(HENAN, 6, before.certificate.serial_number, 7))
    assert len(kept.lists()) == 2


def test_a_list_goes_forward_under_whichever_certificate_of_its_issuer_it_comes() -> None:
    kept, first = revocations(), signed(HENAN, 1, 7)
    verified = kept.take(first)
    assert reason_of(kept, signed(ANEW, 1, 7, 8)) == Reason.REASON_REVOCATION_LIST_OUTDATED
    assert reason_of(kept, signed(ANEW, 2, 8)) == Reason.REASON_REVOCATION_LIST_OUTDATED
    assert kept.take(certified_anew(first, ANEW)).issuer_id == verified.issuer_id
    kept.take(signed(ANEW, 2, 7, 8))
    assert len(kept.lists()) == 1


def test_a_list_may_replace_one_whose_issuer_is_certified_no_more() -> None:
    former = signed(HENAN, 1, 7)
    kept = revocations()
    kept.take(signed(AUTHORITY, 1, HENAN.certificate.serial_number))
    kept.verified(signed(ANEW, 2, 7)).require_may_replace(former)
    after_rotation().verified(signed(BY_SUCCESSOR, 2, 7)).require_may_replace(former)
    after_rotation().verified(certified_anew(former, BY_SUCCESSOR)).require_may_replace(former)


def test_what_an_issuer_has_revoked_stays_revoked_after_a_restart_without_the_authority_above_it() -> None:
    revoked, other = issued(HENAN), issued(HENAN)
    told = signed(HENAN, 1, revoked.certificate.serial_number)
    kept = after_rotation()
    kept.keep_each([told])
    assert is_refused(kept, peer(revoked, BY_SUCCESSOR))
    assert not is_refused(kept, peer(other, BY_SUCCESSOR))
    assert list(kept.lists()) == [told], "it is kept for the next restart"
    assert reason_of(kept, signed(BY_SUCCESSOR, 2, 8)) == Reason.REASON_REVOCATION_LIST_OUTDATED
    kept.take(signed(BY_SUCCESSOR, 2, revoked.certificate.serial_number, 8))


def test_a_list_whose_issuer_no_authority_certifies_is_taken_from_nobody_else() -> None:
    assert reason_of(after_rotation(), signed(HENAN, 1, 7)) == Reason.REASON_REVOCATION_LIST_INVALID


def test_a_revoked_issuer_still_revokes_for_the_certificate_that_its_key_got_later() -> None:
    kept, revoked = revocations(), issued(HENAN)
    kept.take(signed(AUTHORITY, 1, HENAN.certificate.serial_number))
    kept.take(signed(HENAN, 1, revoked.certificate.serial_number))
    assert is_refused(kept, peer(revoked, ANEW))


def test_the_list_of_a_removed_authority_names_nobody_of_its_successor_and_those_of_its_own_on() -> None:
    """The authorities have one name. An open connection outlasts the removal for a while."""
    kept, former, present = revocations(), issued(AUTHORITY), issued(SUCCESSOR)
    kept.take(signed(AUTHORITY, 1, former.certificate.serial_number, present.certificate.serial_number))
    kept.replace_authority(SUCCESSOR.certificate_pem)
    assert is_refused(kept, peer(former, AUTHORITY))
    assert not is_refused(kept, peer(present, SUCCESSOR))
    assert not kept.names(present.certificate)
    restarted = after_rotation()
    restarted.keep_each(kept.lists())
    assert not restarted.lists()
    restarted.take(signed(SUCCESSOR, 0, 9))


def test_a_certificate_under_the_number_of_a_revoked_issuer_hides_nothing() -> None:
    """The peer makes a certificate of its issuer's key and name by itself, and sends it behind the true one."""
    kept, one = revocations(), issued(HENAN)
    kept.take(signed(AUTHORITY, 1, HENAN.certificate.serial_number))
    decoy = Authority(decoy_of(HENAN.certificate), HENAN._key, AUTHORITY.certificate_pem)
    for others in ((HENAN, decoy), (decoy, HENAN)):
        assert is_refused(kept, peer(one, *others))


def test_the_directory_of_an_issuer_signs_its_list_again_once_the_issuer_is_certified_anew(tmp_path: Path) -> None:
    HENAN.save(tmp_path)
    kept, told = revocations(), IssuerDirectory(tmp_path).revoke([7], NOW)
    kept.take(told)
    (tmp_path / ISSUER_CERTIFICATE).write_bytes(ANEW.certificate_pem)
    again = IssuerDirectory(tmp_path).revoke([7], NOW)
    assert again.issuer_certificate == ANEW.certificate.public_bytes(Encoding.DER)
    assert kept.take(again).revoked == Revocations.verified(kept, told).revoked
    assert IssuerDirectory(tmp_path).revoke([7], NOW) == again
