"""The directory of an issuer: its key, the certificates that it issued, and its revocation list.

Beside the files of `Authority`, `issued` has each certificate by its serial number, and `revoked.crl` the list, with
the certificate of a region's issuer behind it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.api.federation.v1.federation_pb2 import RevocationList
from gateway.process.files import replace_file
from gateway.security.alternative_names import uris_of
from gateway.security.authority import DOCUMENT_SIGNING, Authority, CertificateSet
from gateway.security.enrolling import RequestedKeys, RequestedRenewal
from gateway.security.identity import Identity
from gateway.security.issuers import RENEWED_BY_PROGRAMS, RENEWING, renewing_issuer
from gateway.security.peers import signs_certificates

REVOKED = "revoked.crl"
ISSUED = "issued"
# A peer whose clock is a little behind would refuse a certificate that begins now.
HEAD_START = timedelta(minutes=5)
RENEWED_LIFE = timedelta(hours=48)
"""The usual life of a TLS certificate that a program renews."""
_PUBLIC = 0o644


class CertificateKind(StrEnum):
    """The use of a certificate, by what it says itself."""

    TLS = "tls"
    SIGNING = "signing"
    ISSUER = "issuer"
    OTHER = "other"


@dataclass(frozen=True)
class IssuedCertificate:
    """A certificate that the issuer has issued."""

    certificate: x509.Certificate
    is_revoked: bool
    """By the list of the issuer, published or not."""

    @property
    def serial(self) -> int:
        """Its serial number."""
        return self.certificate.serial_number

    @property
    def uri(self) -> str:
        """The URI of its owner."""
        return ", ".join(uris_of(self.certificate))

    @property
    def end(self) -> datetime:
        """The end of its life, aware."""
        return self.certificate.not_valid_after_utc

    @property
    def kind(self) -> CertificateKind:
        """Its use. Raises ValueError for extensions that cannot be read."""
        if signs_certificates(self.certificate):
            return CertificateKind.ISSUER
        try:
            usages = self.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except x509.ExtensionNotFound:
            return CertificateKind.OTHER
        if any(each in usages for each in (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH)):
            return CertificateKind.TLS
        return CertificateKind.SIGNING if DOCUMENT_SIGNING in usages else CertificateKind.OTHER


class IssuerDirectory:
    """The issuer in one directory. One process at a time works with it."""

    def __init__(self, directory: Path) -> None:
        """Raises OSError, or ValueError for files without an authority or an issuer of a region."""
        self._directory = directory
        self.authority = Authority.load(directory)

    def issue(
        self,
        identity: Identity,
        now: datetime,
        life: timedelta,
        dns_names: Sequence[str] = (),
        tls_life: timedelta | None = None,
    ) -> CertificateSet:
        """New certificates of a member, kept in the directory before they are returned. `now` is aware.

        `tls_life` is that of the certificate for TLS. Without it, a certificate that its program renews gets
        RENEWED_LIFE at most, where an issuer of such members is in force; any other one gets `life`. Raises OSError, or
        ValueError as `Authority.issue`.
        """
        tls_life = tls_life or self._life_of_tls(identity, now, life, dns_names)
        begin = self._begin(now, min(life, tls_life))
        issued = self.authority.issue(identity, begin, now + life, dns_names, now + tls_life)
        for each in (issued.tls, issued.signing):
            if each is not None:
                self.keep(each.certificate)
        return issued

    def certify(
        self,
        identity: Identity,
        keys: RequestedKeys,
        now: datetime,
        life: timedelta,
        dns_names: Sequence[str] = (),
        tls_life: timedelta | None = None,
    ) -> tuple[x509.Certificate, x509.Certificate]:
        """The certificates for the keys that a region's node has made: TLS, and signing. Otherwise as `issue`.

        They are not in the directory yet: `keep` each of them before anybody gets it.
        """
        tls_life = tls_life or self._life_of_tls(identity, now, life, dns_names)
        tls = self.authority.certify_tls(
            identity, keys.tls, self._begin(now, tls_life), now + tls_life, dns_names=dns_names
        )
        return tls, self.authority.certify_signing(identity, keys.signing, self._begin(now, life), now + life)

    def renew(self, asked: RequestedRenewal, now: datetime, life: timedelta) -> bytes:
        """The next TLS certificate (PEM) of a member, with the issuer that renews behind it. Otherwise as `issue`."""
        certificate = self.authority.certify_tls(
            asked.identity, asked.key, self._begin(now, life), now + life, addresses=()
        )
        self.keep(certificate)
        return certificate.public_bytes(Encoding.PEM) + self.authority.chain_pem

    def keep(self, certificate: x509.Certificate) -> None:
        """Keeps a certificate that the issuer has issued, so that it can be revoked by its name. Raises OSError."""
        kept = self._directory / ISSUED
        kept.mkdir(exist_ok=True)
        replace_file(kept / f"{certificate.serial_number:040x}.crt", certificate.public_bytes(Encoding.PEM), _PUBLIC)

    def issued(self) -> list[IssuedCertificate]:
        """All that the issuer has issued, by their end. Raises OSError, or ValueError for a damaged file."""
        revoked = self._revoked()
        kept = sorted((self._directory / ISSUED).glob("*.crt"))
        found = [x509.load_pem_x509_certificate(each.read_bytes()) for each in kept]
        return sorted(
            (IssuedCertificate(each, each.serial_number in revoked) for each in found),
            key=lambda each: (each.end, each.uri, each.serial),
        )

    def revoke(self, serials: Sequence[int], now: datetime) -> RevocationList:
        """Signs a list with further serial numbers, and keeps it in the directory. `now` is aware.

        Gives the list as it is where it has them all, unless the issuer was certified anew. Raises OSError, or
        ValueError for a damaged file.
        """
        revoked = self._revoked()
        if self.list_file.exists() and revoked.issuperset(serials):
            former = read_list(self.list_file)
            if list_as_pem(former).endswith(self.authority.chain_pem):
                return former
        number = max(self._number() + 1, int(now.timestamp()))
        crl = self.authority.revocation_list(revoked.union(serials), number, now)
        content = crl.public_bytes(Encoding.PEM) + self.authority.chain_pem
        replace_file(self.list_file, content, _PUBLIC)
        return read_list(self.list_file)

    @property
    def list_file(self) -> Path:
        """The file of the revocation list."""
        return self._directory / REVOKED

    def _life_of_tls(self, identity: Identity, now: datetime, life: timedelta, dns_names: Sequence[str]) -> timedelta:
        """See `issue`. A renewed certificate would lack the further DNS names, so people renew such a one."""
        if identity.role not in RENEWED_BY_PROGRAMS or dns_names or not self._renews(identity, now):
            return life
        return min(life, RENEWED_LIFE)

    def _renews(self, identity: Identity, now: datetime) -> bool:
        """Whether this is the issuer that renews such members, or has certified one that is in force."""
        issuer = renewing_issuer(identity.role)
        if self.authority.region == issuer:
            return True
        uri = RENEWING[issuer].uri(self.authority.federation)
        return any(each.uri == uri and each.end > now and not each.is_revoked for each in self.issued())

    def _begin(self, now: datetime, life: timedelta) -> datetime:
        """The begin of a certificate: a little earlier than now, by no more than a tenth of its life."""
        return max(now - min(HEAD_START, life / 10), self.authority.certificate.not_valid_before_utc)

    def _crl(self) -> x509.CertificateRevocationList | None:
        return x509.load_pem_x509_crl(self.list_file.read_bytes()) if self.list_file.exists() else None

    def _revoked(self) -> frozenset[int]:
        return frozenset(each.serial_number for each in self._crl() or ())

    def _number(self) -> int:
        crl = self._crl()
        if crl is None:
            return 0
        try:
            return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        except x509.ExtensionNotFound as error:
            raise ValueError(f"{self.list_file} has no CRL number") from error


def read_list(path: Path) -> RevocationList:
    """A list from its file: PEM, with the certificate of a region's issuer behind it. Raises OSError or ValueError."""
    content = path.read_bytes()
    crl = x509.load_pem_x509_crl(content).public_bytes(Encoding.DER)
    if b"-----BEGIN CERTIFICATE-----" not in content:
        return RevocationList(crl=crl)
    return RevocationList(
        crl=crl, issuer_certificate=x509.load_pem_x509_certificate(content).public_bytes(Encoding.DER)
    )


def list_as_pem(told: RevocationList) -> bytes:
    """The content of a list's file. Raises ValueError for a damaged list."""
    content = x509.load_der_x509_crl(told.crl).public_bytes(Encoding.PEM)
    if not told.issuer_certificate:
        return content
    return content + x509.load_der_x509_certificate(told.issuer_certificate).public_bytes(Encoding.PEM)
