"""The certificates that count no more before their end, by the lists of their issuers (RFC 5280, section 5).

A list counts for the certificates that the key of its issuer has signed under the name of its issuer, and for no other.
So it counts on where its issuer is certified anew, or where the authority above it is removed. A revocation is for
good: a later list has a higher CRL number, and every serial number of those before.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.api.federation.v1.federation_pb2 import RevocationList
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Problem, Refused, Unfit, problem_of
from gateway.security.peers import IssuedNumber, Peer, has_issued, issuing_region, signs_certificates

LARGEST_LIST = 64 * 1024
"""Bytes of a list with its issuer's certificate, for some 1,700 serial numbers: each list goes to every node."""
_log = logging.getLogger(__name__)


class _Unusable(Problem):
    """A list, or the certificate of its issuer, is not to be used; the text says why."""


@dataclass(frozen=True)
class VerifiedList:
    """A list whose signature was verified."""

    told: RevocationList
    issuer: x509.Certificate
    """A certificate of the issuer. The issuer is its key and its subject, whoever certifies them."""
    number: int
    """The CRL number."""
    revoked: frozenset[IssuedNumber]

    @property
    def key_id(self) -> str:
        """SHA-256 (hex) of the issuer's public key."""
        return _sha256(_public_key(self.issuer))

    @property
    def issuer_id(self) -> str:
        """SHA-256 (hex) of the issuer's public key and subject: lists of one issuer replace each other."""
        return _sha256(_public_key(self.issuer), self.issuer.subject.public_bytes())

    def has_issuer_of(self, other: RevocationList) -> bool:
        """Whether this issuer has signed another list, too."""
        try:
            _read(other, [self.issuer])
        except Refused:
            return False
        return True

    def require_may_replace(self, former: RevocationList) -> None:
        """Raises Refused with REVOCATION_LIST_OUTDATED unless this list may replace a former one of its issuer.

        The former one is read by the present certificate of the issuer: its own may count no more. The same list under
        another certificate replaces it.
        """
        try:
            before = _read(former, [self.issuer])
        except Refused:
            raise _outdated("a list of another issuer came first: publish it again") from None
        if self.told.crl == former.crl:
            return
        if self.number <= before.number:
            raise _outdated(f"its CRL number is {self.number}, not above {before.number}")
        if missing := before.revoked - self.revoked:
            raise _outdated(f"{len(missing)} of the serial numbers in force are missing, as {min(_serials(missing))}")


class Revocations:
    """The lists in force in this process.

    One event loop puts lists in force; any thread may ask about certificates meanwhile, as the writing one of a store.
    """

    def __init__(self, authority: bytes, federation: str) -> None:
        """`authority` has the certificates (PEM) of the federation's authority. Raises ValueError."""
        self._authorities = x509.load_pem_x509_certificates(authority)
        self.federation: Final = federation
        """The name of the federation."""
        self._lists: dict[str, VerifiedList] = {}
        self._issuers: dict[IssuedNumber, list[x509.Certificate]] = {}
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
        self._each(lists, self._certified)

    def keep_each(self, lists: Iterable[RevocationList]) -> None:
        """Puts lists of the own store in force, which were verified when they came there. Otherwise as `take_each`.

        Nobody needs to certify the issuer of a region any more: the authority above it may be removed.
        """
        self._each(lists, self._signed)

    def take(self, told: RevocationList) -> VerifiedList:
        """Puts a list in force. A list in force changes nothing.

        Raises Refused with REVOCATION_LIST_INVALID or REVOCATION_LIST_OUTDATED, without a change.
        """
        return self._put(told, self._certified)

    def require_in_force(self, peer: Peer) -> None:
        """Raises Refused with CERTIFICATE_REVOKED where a certificate of the peer, or of its issuer, is revoked."""
        if self._issuers and any(self._is_revoked(*each) for each in peer.certificates):
            raise Refused(Reason.REASON_CERTIFICATE_REVOKED)

    def names(self, certificate: x509.Certificate) -> bool:
        """Whether a certificate is revoked by its issuer."""
        return self._is_revoked(IssuedNumber.of(certificate), certificate)

    def names_any(self, chain: bytes | None) -> bool:
        """Whether a certificate of a chain that was stored by `pem_of` is revoked by its issuer; False for no chain."""
        return any(map(self.names, x509.load_pem_x509_certificates(chain))) if chain else False

    def verified(self, told: RevocationList) -> VerifiedList:
        """Verifies a list that is to be published, whether or not it may replace another.

        Raises Refused with REVOCATION_LIST_INVALID.
        """
        found = self._certified(told)
        if told.issuer_certificate and self.names(found.issuer):
            raise _invalid(Unfit("the certificate of its issuer was revoked", "其签发者的证书已吊销"))
        return found

    def _each(self, lists: Iterable[RevocationList], read: Callable[[RevocationList], VerifiedList]) -> None:
        for told in lists:
            try:
                self._put(told, read)
            except Refused as refused:
                if self._refused.get(told.issuer_certificate) != told.crl:
                    self._refused[told.issuer_certificate] = told.crl
                    _log.error("a revocation list is ignored, what was revoked before stays so: %s", refused)

    def _put(self, told: RevocationList, read: Callable[[RevocationList], VerifiedList]) -> VerifiedList:
        known = next((each for each in self._lists.values() if each.told == told), None)
        if known is not None:
            return known
        found = read(told)
        if (former := self._lists.get(found.issuer_id)) is not None:
            found.require_may_replace(former.told)
        lists = {**self._lists, found.issuer_id: found}
        issuers: dict[IssuedNumber, list[x509.Certificate]] = {}
        for each in lists.values():
            for number in each.revoked:
                issuers.setdefault(number, []).append(each.issuer)
        # Other threads read what is assigned: it is whole by then, so that no revoked certificate counts in between.
        self._lists, self._issuers = lists, issuers
        for listener in self._listeners:
            listener()
        return found

    def _is_revoked(self, number: IssuedNumber, certificate: x509.Certificate) -> bool:
        # Another issuer may have the same name: an authority that succeeds another one has.
        return any(has_issued(issuer, certificate) for issuer in self._issuers.get(number, ()))

    def _signed(self, told: RevocationList) -> VerifiedList:
        """A list that its issuer has signed, be it certified or not; without its certificate the authority has to."""
        if not told.issuer_certificate:
            return _read(told, self._authorities)
        with _refusing():
            issuer = x509.load_der_x509_certificate(told.issuer_certificate)
        return _read(told, [issuer])

    def _certified(self, told: RevocationList) -> VerifiedList:
        """A list of the authority, or of the issuer of a region that the authority has certified."""
        found = self._signed(told)
        if told.issuer_certificate:
            with _refusing():
                self._require_certified(found.issuer)
        return found

    def _require_certified(self, issuer: x509.Certificate) -> None:
        """Raises _Unusable unless the authority has certified this issuer as that of a region."""
        if not any(has_issued(each, issuer) for each in self._authorities):
            raise _Unusable(
                "its issuer is not certified by the authority of the federation", "其签发者未经联盟的证书颁发机构认证"
            )
        if not signs_certificates(issuer) or not issuing_region(issuer, self.federation):
            raise _Unusable("its signer is no issuer of a region", "其签名者不是地区的签发者")


@contextmanager
def _refusing() -> Iterator[None]:
    """Raises Refused with REVOCATION_LIST_INVALID for a list, or a certificate, that is not to be used."""
    try:
        yield
    except _Unusable as error:
        raise _invalid(error) from None
    except x509.ExtensionNotFound:
        raise _invalid(Unfit("it has no CRL number", "缺少CRL编号")) from None
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion) as error:
        # The text of the library is for its authors, and no answer to a caller.
        raise _invalid(Unfit("it cannot be read", "无法读取")) from error


def _read(told: RevocationList, issuers: Iterable[x509.Certificate]) -> VerifiedList:
    """A list that one of the issuers has signed. Raises Refused with REVOCATION_LIST_INVALID."""
    if told.ByteSize() > LARGEST_LIST:
        raise _invalid(Unfit(f"it has more than {LARGEST_LIST} bytes", f"超过{LARGEST_LIST}字节"))
    with _refusing():
        crl = x509.load_der_x509_crl(told.crl)
        issuer = next((each for each in issuers if _has_signed(each, crl)), None)
        if issuer is None:
            raise _Unusable("no issuer of the federation has signed it", "未经联盟的签发者签名")
        _require_whole(crl)
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        name = issuer.subject.public_bytes()
        return VerifiedList(told, issuer, number, frozenset(IssuedNumber(name, each.serial_number) for each in crl))


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
            raise _Unusable(
                f"it has the critical extension {extension.oid.dotted_string}",
                f"含有关键扩展{extension.oid.dotted_string}",
            )


def _public_key(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _sha256(*parts: bytes) -> str:
    digest = Hash(SHA256())
    for each in parts:
        digest.update(each)
    return digest.finalize().hex()


def _serials(numbers: Iterable[IssuedNumber]) -> list[str]:
    return [f"{each.serial:x}" for each in numbers]


def _invalid(problem: Problem) -> Refused:
    return Refused(Reason.REASON_REVOCATION_LIST_INVALID, **problem_of(problem))


def _outdated(problem: str) -> Refused:
    return Refused(Reason.REASON_REVOCATION_LIST_OUTDATED, problem=problem)
