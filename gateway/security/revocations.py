"""The certificates that count no more before their end, by the lists of their issuers (RFC 5280, section 5).

The list of the federation's authority names certificates that it issued; that of a region's issuer those of this
issuer. A revocation is for good: a later list has a higher CRL number, and every serial number of those before.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.api.federation.v1.federation_pb2 import RevocationList
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.security.issuers import COORDINATORS, NODES
from gateway.security.peers import IssuedNumber, Peer, has_issued, issuing_region, signs_certificates

LARGEST_LIST = 64 * 1024
"""Bytes of a list with its issuer's certificate, for some 1,700 serial numbers: each list goes to every node."""
_log = logging.getLogger(__name__)


class _Unusable(Exception):
    """A list, or the certificate of its issuer, is not to be used; the text says why."""


@dataclass(frozen=True)
class VerifiedList:
    """A list whose signature was verified."""

    told: RevocationList
    issuer_id: str
    """SHA-256 (hex) of the issuer's public key: lists of one key replace each other."""
    number: int
    """The CRL number."""
    revoked: frozenset[IssuedNumber]

    def require_newer_than(self, former: "VerifiedList") -> None:
        """Raises Refused with REVOCATION_LIST_OUTDATED unless this list may replace a former one of its issuer."""
        if self.number <= former.number:
            raise _outdated(f"its CRL number is {self.number}, not above {former.number}")
        if missing := former.revoked - self.revoked:
            raise _outdated(f"{len(missing)} of the serial numbers in force are missing, as {min(_serials(missing))}")


class Revocations:
    """The lists in force in this process. Used on one event loop."""

    def __init__(self, authority: bytes, federation: str) -> None:
        """`authority` has the certificates (PEM) of the federation's authority. Raises ValueError."""
        self._authorities = x509.load_pem_x509_certificates(authority)
        self._federation = federation
        self._lists: dict[str, VerifiedList] = {}
        self._revoked: frozenset[IssuedNumber] = frozenset()
        self._listeners: list[Callable[[], None]] = []
        self._refused: dict[bytes, bytes] = {}

    @property
    def authorities(self) -> Sequence[x509.Certificate]:
        """The authorities of the federation; another list once they are replaced."""
        return self._authorities

    def lists(self) -> Sequence[RevocationList]:
        """The lists in force, by issuer."""
        return [self._lists[issuer].told for issuer in sorted(self._lists)]

    def on_change(self, listener: Callable[[], None]) -> None:
        """Calls the listener whenever more certificates are revoked."""
        self._listeners.append(listener)

    def replace_authority(self, authority: bytes) -> None:
        """Takes lists under these authorities (PEM) from now on; those in force stay. Raises ValueError."""
        self._authorities = x509.load_pem_x509_certificates(authority)

    def take_each(self, lists: Iterable[RevocationList]) -> None:
        """Puts lists of others in force. One that cannot be used is logged, once, and changes nothing."""
        for told in lists:
            try:
                self.take(told)
            except Refused as refused:
                if self._refused.get(told.issuer_certificate) != told.crl:
                    self._refused[told.issuer_certificate] = told.crl
                    _log.error("a revocation list is ignored, what was revoked before stays so: %s", refused)

    def take(self, told: RevocationList) -> VerifiedList:
        """Puts a list in force. A list in force changes nothing.

        Raises Refused with REVOCATION_LIST_INVALID or REVOCATION_LIST_OUTDATED, without a change.
        """
        known = next((each for each in self._lists.values() if each.told == told), None)
        if known is not None:
            return known
        verified = self.verified(told)
        if (former := self._lists.get(verified.issuer_id)) is not None:
            verified.require_newer_than(former)
        self._lists[verified.issuer_id] = verified
        self._revoked = frozenset[IssuedNumber]().union(*(each.revoked for each in self._lists.values()))
        for listener in self._listeners:
            listener()
        return verified

    def require_in_force(self, peer: Peer) -> None:
        """Raises Refused with CERTIFICATE_REVOKED where a certificate of the peer, or of its issuer, is revoked."""
        if not self._revoked.isdisjoint(peer.numbers):
            raise Refused(Reason.REASON_CERTIFICATE_REVOKED)

    def names(self, certificate: x509.Certificate) -> bool:
        """Whether a certificate that the authority itself has issued is revoked."""
        return IssuedNumber(certificate.issuer.public_bytes(), "", certificate.serial_number) in self._revoked

    def names_server(self, certificate: x509.Certificate) -> bool:
        """Whether a server's certificate is revoked: the authority and the issuers that renew alone make servers."""
        name, serial = certificate.issuer.public_bytes(), certificate.serial_number
        makers = ("", NODES, COORDINATORS)
        return not self._revoked.isdisjoint(IssuedNumber(name, issuer, serial) for issuer in makers)

    def verified(self, told: RevocationList) -> VerifiedList:
        """Verifies a list, whether or not it may replace another. Raises Refused with REVOCATION_LIST_INVALID."""
        if told.ByteSize() > LARGEST_LIST:
            raise _invalid(f"it has more than {LARGEST_LIST} bytes")
        try:
            crl = x509.load_der_x509_crl(told.crl)
            issuers = [self._issuer(told.issuer_certificate)] if told.issuer_certificate else self._authorities
            issuer = next((each for each in issuers if _has_signed(each, crl)), None)
            if issuer is None:
                raise _Unusable("no issuer of the federation has signed it")
            _require_whole(crl)
            region = issuing_region(issuer, self._federation) if told.issuer_certificate else ""
            number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
            name = issuer.subject.public_bytes()
            revoked = frozenset(IssuedNumber(name, region, each.serial_number) for each in crl)
        except _Unusable as error:
            raise _invalid(str(error)) from None
        except x509.ExtensionNotFound:
            raise _invalid("it has no CRL number") from None
        except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion) as error:
            # The text of the library is for its authors, and no answer to a caller.
            raise _invalid("it cannot be read") from error
        return VerifiedList(told, _key_id(issuer), number, revoked)

    def _issuer(self, der: bytes) -> x509.Certificate:
        """The certificate of a region's issuer. Raises _Unusable unless the authority has certified it as one."""
        certificate = x509.load_der_x509_certificate(der)
        if not any(has_issued(each, certificate) for each in self._authorities):
            raise _Unusable("its issuer is not certified by the authority of the federation")
        if not signs_certificates(certificate) or not issuing_region(certificate, self._federation):
            raise _Unusable("its signer is no issuer of a region")
        if self.names(certificate):
            raise _Unusable("the certificate of its issuer was revoked")
        return certificate


def _has_signed(issuer: x509.Certificate, crl: x509.CertificateRevocationList) -> bool:
    if crl.issuer != issuer.subject:
        return False
    try:
        return crl.is_signature_valid(cast("CertificateIssuerPublicKeyTypes", issuer.public_key()))
    except (InvalidSignature, TypeError):  # of a key that signs no certificates
        return False


def _require_whole(crl: x509.CertificateRevocationList) -> None:
    """Raises _Unusable for a list of changes, or of some certificates alone (RFC 5280, 5.2.4 and 5.2.5)."""
    for extension in crl.extensions:
        if extension.critical:
            raise _Unusable(f"it has the critical extension {extension.oid.dotted_string}")


def _key_id(certificate: x509.Certificate) -> str:
    digest = Hash(SHA256())
    digest.update(certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    return digest.finalize().hex()


def _serials(numbers: Iterable[IssuedNumber]) -> list[str]:
    return [f"{each.serial:x}" for each in numbers]


def _invalid(problem: str) -> Refused:
    return Refused(Reason.REASON_REVOCATION_LIST_INVALID, problem=problem)


def _outdated(problem: str) -> Refused:
    return Refused(Reason.REASON_REVOCATION_LIST_OUTDATED, problem=problem)
