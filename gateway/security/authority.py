"""A certificate authority for one federation: for the demo, the tests, and federations without their own.

It issues certificates in the form that the fabric expects of any authority. Each member has one SPIFFE URI; only
servers have the DNS name of their role. Below it stand issuers: of a region, for its operators and staff alone, and two
for TLS alone: of the nodes of regions, and of coordinators with administrators.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import Unfit
from gateway.process.files import create_file, replace_file
from gateway.security.alternative_names import uris_of
from gateway.security.identity import Identity, federation_of, server_name, trust_domain
from gateway.security.issuers import RENEWING, issuer_of, may_issue
from gateway.security.private_keys import KeyUnusable, PrivateKey, PublicKey, is_in_token, open_key, private_pem
from gateway.wording.languages import translated

AUTHORITY_CERTIFICATE = "authority.crt"
AUTHORITY_KEY = "authority.key"
ISSUER_CERTIFICATE = "issuer.crt"
ISSUER_KEY = "issuer.key"
TLS_CERTIFICATE = "tls.crt"
TLS_KEY = "tls.key"
SIGNING_CERTIFICATE = "signing.crt"
SIGNING_KEY = "signing.key"

LOOPBACK = (ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1"))

_SERVERS = (Role.ROLE_REGION, Role.ROLE_COORDINATOR, Role.ROLE_PROVIDER)
_CALLS_NOTHING = Role.ROLE_PROVIDER
# RFC 9336: neither a TLS server nor a TLS client, so that a signing key opens no connection.
DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")
"""The usage of a signing certificate."""
# RFC 5280, appendix A.1: ub-common-name.
_COMMON_NAME_LENGTH = 64
_PUBLIC, _PRIVATE = 0o644, 0o600

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Issued:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: PrivateKey

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The private key as PEM (PKCS #8, not encrypted)."""
        return private_pem(self.key)


@dataclass(frozen=True)
class CertificateSet:
    """The credentials of a member: the trusted authority, its TLS certificate and, for a region, a signing one."""

    authority_pem: bytes
    tls: Issued
    signing: Issued | None
    chain_pem: bytes = b""
    """The certificate (PEM) of the region's issuer, which stands behind the TLS certificate; empty without one."""

    def write(self, directory: Path) -> None:
        """Writes the files, each replaced atomically, keys readable by their owner alone. Raises OSError."""
        directory.mkdir(parents=True, exist_ok=True)
        replace_file(directory / AUTHORITY_CERTIFICATE, self.authority_pem, _PUBLIC)
        _write_issued(self.tls, directory / TLS_CERTIFICATE, directory / TLS_KEY, self.chain_pem)
        if self.signing is not None:
            _write_issued(self.signing, directory / SIGNING_CERTIFICATE, directory / SIGNING_KEY)


class Authority:
    """The authority of one federation, or the issuer of one region: its certificate and the key that signs others."""

    def __init__(
        self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, trusted_pem: bytes | None = None
    ) -> None:
        """`trusted_pem` has the authority's certificates above a region's issuer; None for the authority itself.

        Raises ValueError for a certificate that names neither.
        """
        self.certificate = certificate
        self._key = key
        (uri,) = uris_of(certificate)
        if trusted_pem is None:
            self.federation, self.region = federation_of(uri), ""
            self.trusted_pem, self.chain_pem = self.certificate_pem, b""
            return
        self.federation = uri.removeprefix("spiffe://").partition("/")[0]
        self.region = issuer_of(uri, self.federation)
        self.trusted_pem, self.chain_pem = trusted_pem, self.certificate_pem

    @classmethod
    def create(
        cls,
        federation: str,
        valid_from: datetime,
        valid_until: datetime,
        key: ec.EllipticCurvePrivateKey | None = None,
    ) -> "Authority":
        """A new authority (ECDSA P-256) that signs itself. Below it there may be issuers of regions, and none below.

        Times are aware, and cut to seconds. Without a `key` a new one is made. Raises ValueError for a name that no
        federation can have, and KeyUnusable.
        """
        key = key or ec.generate_private_key(ec.SECP256R1())
        name = _common_name(f"{federation} authority")
        certificate = (
            _builder(name, name, key.public_key(), valid_from, valid_until)
            .add_extension(_names(trust_domain(federation)), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
            .add_extension(key_usage(signs_certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def load(cls, directory: Path) -> "Authority":
        """The authority or the region's issuer of a directory. Raises OSError, or ValueError for files without one.

        While an authority rotates, the file of the new one has the former one too: members trust what stands there.
        """
        trusted = (directory / AUTHORITY_CERTIFICATE).read_bytes()
        is_issuer = (directory / ISSUER_KEY).exists()
        path = directory / (ISSUER_CERTIFICATE if is_issuer else AUTHORITY_CERTIFICATE)
        key_path = directory / (ISSUER_KEY if is_issuer else AUTHORITY_KEY)
        certificates = x509.load_pem_x509_certificates(path.read_bytes())
        key = open_key(key_path)
        certificate = next((each for each in certificates if each.public_key() == key.public_key()), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate is None:
            raise ValueError(f"the files in {directory} hold no authority: key and certificate differ")
        try:
            loaded = cls(certificate, key, trusted if is_issuer else None)
        except x509.ExtensionNotFound as error:
            raise ValueError(f"the certificate in {directory} names no federation") from error
        loaded.trusted_pem = trusted
        return loaded

    def save(self, directory: Path) -> None:
        """Writes certificate and key, unless the key is in a token that its file names.

        Raises FileExistsError rather than replace an authority or an issuer, and KeyUnusable.
        """
        directory.mkdir(parents=True, exist_ok=True)
        if not self.region:
            self._keep_key(directory / AUTHORITY_KEY)
            create_file(directory / AUTHORITY_CERTIFICATE, self.certificate_pem, _PUBLIC)
            return
        self._keep_key(directory / ISSUER_KEY)
        create_file(directory / ISSUER_CERTIFICATE, self.certificate_pem, _PUBLIC)
        replace_file(directory / AUTHORITY_CERTIFICATE, self.trusted_pem, _PUBLIC)

    def _keep_key(self, path: Path) -> None:
        if is_in_token(path) and open_key(path).public_key() == self._key.public_key():
            return
        create_file(path, private_pem(self._key), _PRIVATE)

    @property
    def certificate_pem(self) -> bytes:
        """The own certificate as PEM. That of the federation's authority is trusted by every member."""
        return self.certificate.public_bytes(Encoding.PEM)

    def issue(
        self,
        identity: Identity,
        valid_from: datetime,
        valid_until: datetime,
        dns_names: Sequence[str] = (),
        tls_until: datetime | None = None,
    ) -> CertificateSet:
        """All certificates of one member: TLS for everyone, signing for regions. See `issue_tls`.

        `tls_until` is the end of that for TLS, where it is another one. An issuer that renews certifies no address.
        """
        addresses = () if self.region in RENEWING else LOOPBACK
        until = tls_until or valid_until
        tls = self.issue_tls(identity, valid_from, until, dns_names=dns_names, addresses=addresses)
        is_region = identity.role == Role.ROLE_REGION
        signing = self.issue_signing(identity, valid_from, valid_until) if is_region else None
        return CertificateSet(self.trusted_pem, tls, signing, self.chain_pem)

    def issue_issuer(
        self,
        region: str,
        valid_from: datetime,
        valid_until: datetime,
        key: ec.EllipticCurvePrivateKey | None = None,
    ) -> "Authority":
        """The issuer of a region (ECDSA P-256), for its operators and staff.

        TLS itself refuses a server by this issuer, a DNS name, an address and another federation. The region in the
        names it issues is checked by `gateway.security.peers`. Times are aware, and cut to seconds. Without a `key` a
        new one is made. Raises ValueError for a name that no region can have, a time outside the authority's own, and
        an authority that may not certify an issuer.
        """
        identity = Identity(self.federation, Role.ROLE_REGION, region, "")
        constraints = _constraints(self.federation)
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        return self._issue_issuer(identity.uri, usages, constraints, (valid_from, valid_until), key)

    def issue_renewing_issuer(
        self,
        of: str,
        valid_from: datetime,
        valid_until: datetime,
        key: ec.EllipticCurvePrivateKey | None = None,
    ) -> "Authority":
        """The issuer by which members renew their TLS certificates (ECDSA P-256), of NODES or of COORDINATORS.

        TLS itself refuses by this issuer each server outside of the names of these, an address, and another federation.
        The role in the names it issues is checked by `gateway.security.peers`. Otherwise as `issue_issuer`.
        """
        renewing = RENEWING[of]
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        constraints = _constraints(self.federation, f"{renewing.servers}.{self.federation}")
        return self._issue_issuer(renewing.uri(self.federation), usages, constraints, (valid_from, valid_until), key)

    def _issue_issuer(
        self,
        uri: str,
        usages: Sequence[x509.ObjectIdentifier],
        constraints: x509.NameConstraints,
        times: tuple[datetime, datetime],
        key: ec.EllipticCurvePrivateKey | None,
    ) -> "Authority":
        valid_from, valid_until = times
        self._check_times(valid_from, valid_until)
        own = self.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        if own.path_length == 0:
            raise ValueError("the certificate of this authority allows no issuer below it: create another authority")
        key = key or ec.generate_private_key(ec.SECP256R1())
        # Two issuers of one kind have different subjects, else OpenSSL would try the wrong one of them.
        path = uri.removeprefix(f"{trust_domain(self.federation)}/")
        name = _common_name(f"issuer {valid_from:%Y%m%d%H%M%S} of {path}")
        certificate = (
            _builder(name, self.certificate.subject, key.public_key(), valid_from, valid_until)
            .add_extension(_names(uri), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(key_usage(signs_certificates=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=True)
            .add_extension(constraints, critical=True)
            .add_extension(self._issued_by(), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return Authority(certificate, key, self.trusted_pem)

    def revocation_list(self, serials: Iterable[int], number: int, now: datetime) -> x509.CertificateRevocationList:
        """The list of what this issuer has revoked, under a CRL number. `now` is aware, and cut to seconds.

        Readers never drop a list for its age: its next update is the end of the issuer.
        """
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now)
            .next_update(max(self.certificate.not_valid_after_utc, now + timedelta(days=1)))
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(self._issued_by(), critical=False)
        )
        for serial in sorted(set(serials)):
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self._key, hashes.SHA256())

    def issue_tls(
        self,
        identity: Identity,
        valid_from: datetime,
        valid_until: datetime,
        *,
        dns_names: Sequence[str] = (),
        addresses: Sequence[Address] = LOOPBACK,
    ) -> Issued:
        """A TLS certificate (ECDSA P-256) with the identity's URI.

        Regions and coordinators may serve and call; providers may only serve. Certificates of servers also carry the
        DNS name of their role, the further `dns_names` and the `addresses`. All others may only call. Times are aware,
        and cut to seconds. Raises ValueError for another federation, or a time outside the authority's own. Raises
        ValueError for a DNS name of a role, or one that a caller cannot have.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key()
        certificate = self.certify_tls(
            identity, public, valid_from, valid_until, dns_names=dns_names, addresses=addresses
        )
        return Issued(certificate, key)

    def certify_tls(
        self,
        identity: Identity,
        key: ec.EllipticCurvePublicKey,
        valid_from: datetime,
        valid_until: datetime,
        *,
        dns_names: Sequence[str] = (),
        addresses: Sequence[Address] = LOOPBACK,
    ) -> x509.Certificate:
        """As `issue_tls`, for the key of somebody else."""
        self._check(identity, valid_from, valid_until)
        names: list[x509.GeneralName] = []
        usages = [] if identity.role == _CALLS_NOTHING else [ExtendedKeyUsageOID.CLIENT_AUTH]
        if identity.role in _SERVERS:
            own = server_name(identity.role, identity.region, self.federation, identity.name)
            names = [x509.DNSName(name) for name in (own, *self._further(dns_names))]
            names += [x509.IPAddress(address) for address in addresses]
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
        elif dns_names:
            raise Unfit(
                f"{identity.uri} serves nothing and gets no DNS name", f"{identity.uri}不提供服务，不能有DNS名称"
            )
        return self._sign(identity, key, valid_from, valid_until, names, usages)

    def issue_signing(self, identity: Identity, valid_from: datetime, valid_until: datetime) -> Issued:
        """A signing certificate (Ed25519). Raises ValueError as `issue_tls`; only a region gets one."""
        key = Ed25519PrivateKey.generate()
        return Issued(self.certify_signing(identity, key.public_key(), valid_from, valid_until), key)

    def certify_signing(
        self, identity: Identity, key: Ed25519PublicKey, valid_from: datetime, valid_until: datetime
    ) -> x509.Certificate:
        """As `issue_signing`, for the key of somebody else."""
        self._check(identity, valid_from, valid_until)
        if identity.role != Role.ROLE_REGION or self.region:
            raise Unfit(
                f"{identity.uri} gets no signing certificate by this issuer", f"该签发者不为{identity.uri}签发签名证书"
            )
        return self._sign(identity, key, valid_from, valid_until, [], [DOCUMENT_SIGNING])

    def _check(self, identity: Identity, valid_from: datetime, valid_until: datetime) -> None:
        if identity.federation != self.federation:
            raise Unfit(
                f"{identity.uri} is not of the federation {self.federation}",
                f"{identity.uri}不属于联盟{self.federation}",
            )
        if not may_issue(self.region, identity):
            if (renewing := RENEWING.get(self.region)) is not None:
                raise Unfit(renewing.told, renewing.told_zh_cn)
            raise Unfit(
                f"the issuer of {self.region} certifies its operators and staff alone",
                f"{self.region}的签发者只为其业务系统和工作人员签发证书",
            )
        self._check_times(valid_from, valid_until)

    def _check_times(self, valid_from: datetime, valid_until: datetime) -> None:
        if valid_from.replace(microsecond=0) < self.certificate.not_valid_before_utc:
            raise Unfit(
                "a certificate cannot begin before that of its authority", "证书的生效时间不能早于其颁发机构的证书"
            )
        if valid_until.replace(microsecond=0) > self.certificate.not_valid_after_utc:
            end = f"{self.certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
            raise Unfit(
                f"a certificate cannot outlive that of its authority, which ends {end}",
                f"证书的有效期不能超过其颁发机构的证书，后者于{end}到期",
            )

    def _further(self, dns_names: Sequence[str]) -> Sequence[str]:
        for name in dns_names:
            # Wildcards, and names below the federation, could be those of another member's server.
            if "*" in name or f".{name.lower()}".rstrip(".").endswith(f".{self.federation}"):
                raise Unfit(
                    f"the DNS name {name} belongs to the federation's roles", f"DNS名称{name}为联盟的角色所保留"
                )
        return dns_names

    def _sign(
        self,
        identity: Identity,
        key: PublicKey,
        valid_from: datetime,
        valid_until: datetime,
        names: Sequence[x509.GeneralName],
        usages: Sequence[x509.ObjectIdentifier],
    ) -> x509.Certificate:
        return (
            _builder(_common_name(identity.path), self.certificate.subject, key, valid_from, valid_until)
            .add_extension(_names(identity.uri, names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(self._issued_by(), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _issued_by(self) -> x509.AuthorityKeyIdentifier:
        own = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def key_in_token(path: Path) -> ec.EllipticCurvePrivateKey | None:
    """The key for a new authority or issuer that a file names in a token; None without one: a new key is to be made.

    Raises OSError, and KeyUnusable.
    """
    if not is_in_token(path):
        return None
    key = open_key(path)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeyUnusable(translated("{path}: is no ECDSA key", path=path))
    return key


def _constraints(federation: str, server: str = "") -> x509.NameConstraints:
    """RFC 5280, 4.2.1.10: the host of URIs is the federation; DNS names below `server`, else none; no address."""
    everything = [x509.IPAddress(ipaddress.ip_network(each)) for each in ("0.0.0.0/0", "::/0")]
    uris = x509.UniformResourceIdentifier(federation)
    if server:
        return x509.NameConstraints([uris, x509.DNSName(server)], everything)
    return x509.NameConstraints([uris], [x509.DNSName(""), *everything])


def _common_name(text: str) -> x509.Name:
    """A subject for people to read; nothing trusts it."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:_COMMON_NAME_LENGTH])])


def _builder(
    subject: x509.Name, issuer: x509.Name, public: PublicKey, valid_from: datetime, valid_until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid_from)
        .not_valid_after(valid_until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _names(uri: str, others: Sequence[x509.GeneralName] = ()) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri), *others])


def key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    """The usage extension of a key: signing certificates, or making signatures."""
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _write_issued(issued: Issued, certificate: Path, key: Path, chain: bytes = b"") -> None:
    replace_file(key, issued.key_pem, _PRIVATE)
    replace_file(certificate, issued.certificate_pem + chain, _PUBLIC)
