"""Enrolment of a region's node: the token of an invitation, the certificate requests, and what may answer them.

The keys are made where they are used. A request (PKCS #10, RFC 2986) proves that its sender has the key. Of a request
nothing is certified but the key: all names are those of the invitation.
"""

import hashlib
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from google.protobuf.message import DecodeError

from gateway.api.coordinator.v1.renewal_service_pb2 import RenewalStatement
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import Unfit
from gateway.security.alternative_names import dns_names_of, uris_of
from gateway.security.identity import Identity, federation_of, parse, server_name, trust_domain
from gateway.security.issuers import renewing_issuer
from gateway.security.peers import has_issued, issuing_region
from gateway.security.private_keys import PrivateKey, PublicKey
from gateway.time.clock import from_timestamp
from gateway.values import base64url

SECRET_BYTES = 32
ID_DIGITS = 16
LONGEST_AGE = timedelta(hours=1)
"""How long a statement about a fresh key counts."""
PROCESSES = 64  # of a region, each with one renewal
_TOKEN = re.compile(r"([a-z0-9-]{1,63})\.([A-Za-z0-9_-]{43})((?:\.[A-Za-z0-9_-]{1,4096}){1,4})")
# Of a library that reads foreign bytes; all of them mean that these are no certificate or request.
UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True)
class Invitation:
    """The content of an invitation's token, which goes from an administrator to the joiner."""

    region: str
    secret: bytes = field(repr=False)
    authorities: tuple[x509.Certificate, ...]
    """The authority of the federation, while it rotates two: by it the joiner verifies the coordinator first of all."""

    @classmethod
    def new(cls, region: str, authority: bytes) -> "Invitation":
        """An invitation with a fresh secret, under an authority's certificates (PEM). Raises ValueError."""
        certificates = tuple(x509.load_pem_x509_certificates(authority))
        return cls(region, secrets.token_bytes(SECRET_BYTES), certificates)

    @classmethod
    def parse(cls, token: str) -> "Invitation":
        """The invitation of a token. Raises ValueError for any other text."""
        found = _TOKEN.fullmatch(token.strip())
        if found is None:
            raise ValueError("is no token of an invitation")
        region, secret, authorities = found.groups()
        try:
            certificates = [
                x509.load_der_x509_certificate(base64url.decoded(each)) for each in authorities[1:].split(".")
            ]
            invitation = cls(region, base64url.decoded(secret), tuple(certificates))
            _ = invitation.identity
        except (*UNREADABLE, x509.ExtensionNotFound) as error:
            raise ValueError("is no token of an invitation") from error
        return invitation

    @property
    def token(self) -> str:
        """The token: one word, some 700 characters."""
        authorities = (base64url.encoded(each.public_bytes(Encoding.DER)) for each in self.authorities)
        return ".".join((self.region, base64url.encoded(self.secret), *authorities))

    @property
    def authority_pem(self) -> bytes:
        """The certificates of the authority as PEM."""
        return b"".join(each.public_bytes(Encoding.PEM) for each in self.authorities)

    @property
    def identity(self) -> Identity:
        """The node that is invited. Raises ValueError where the authority or the region names none."""
        (uri,) = uris_of(self.authorities[0])
        return Identity(federation_of(uri), Role.ROLE_REGION, self.region, "")


def token_hash(secret: bytes) -> bytes:
    """The hash by which a coordinator knows a token."""
    return hashlib.sha256(secret).digest()


def enrolment_id(hashed: bytes) -> str:
    """The id of the enrolment with a token's hash."""
    return hashed.hex()[:ID_DIGITS]


def certificate_request(key: PrivateKey, identity: Identity) -> bytes:
    """A request (DER) for a certificate of a key's owner."""
    name = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity.uri)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(name, critical=False)
    hashed = None if isinstance(key, Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, hashed).public_bytes(Encoding.DER)


@dataclass(frozen=True)
class RequestedKeys:
    """The keys of a node's two requests, each proven by its signature."""

    tls: ec.EllipticCurvePublicKey
    signing: Ed25519PublicKey

    @classmethod
    def of(cls, tls_request: bytes, signing_request: bytes, identity: Identity) -> "RequestedKeys":
        """The keys of two requests (DER) for a node. Raises ValueError for requests that prove or name another."""
        tls, signing = (_requested_key(each, identity) for each in (tls_request, signing_request))
        tls = _tls_key(tls)
        if not isinstance(signing, Ed25519PublicKey):
            raise Unfit("the key for signatures is no Ed25519 key", "签名密钥不是Ed25519密钥")
        return cls(tls, signing)

    @property
    def fingerprint(self) -> str:
        """The text that two people compare: SHA-256 over both public keys, in groups of four hexadecimal digits."""
        digest = hashlib.sha256(_spki(self.tls) + _spki(self.signing)).hexdigest()
        return ":".join(digest[at : at + 4] for at in range(0, len(digest), 4))

    def has_key_of(self, certificate: x509.Certificate) -> bool:
        """Whether a certificate is for one of these keys. Raises as the library for a key that it cannot read."""
        return _spki(certificate.public_key()) in (_spki(self.tls), _spki(self.signing))

    def require_certified(
        self, tls: bytes, signing: bytes, authorities: Sequence[x509.Certificate], identity: Identity
    ) -> None:
        """Raises ValueError unless two certificates (PEM) are for these keys and this node, by such an authority."""
        with readable():
            for pem, key in ((tls, self.tls), (signing, self.signing)):
                _require_certified(pem, key, authorities, identity)
            _require_name(x509.load_pem_x509_certificate(tls), identity)


@dataclass(frozen=True)
class RequestedRenewal:
    """A member's statement about a fresh key of one of its processes, with the key that its request proves."""

    statement: RenewalStatement
    identity: Identity
    key: ec.EllipticCurvePublicKey

    @classmethod
    def parse(cls, statement: bytes, federation: str) -> "RequestedRenewal":
        """A serialised statement. Raises ValueError for a member that renews nothing, and for an unproven key."""
        try:
            parsed = RenewalStatement.FromString(statement)
        except DecodeError as error:
            raise Unfit("the statement cannot be read", "声明无法读取") from error
        if not 0 <= parsed.process < PROCESSES:
            raise Unfit(f"the process is not 0 to {PROCESSES - 1}", f"进程编号须为0至{PROCESSES - 1}")
        path = parsed.member or f"region/{parsed.region}"
        identity = parse(f"{trust_domain(federation)}/{path}", federation)
        if (identity.role == Role.ROLE_REGION) == bool(parsed.member):
            raise Unfit("a node is named by its region, and nobody else", "节点须以其地区命名，其他成员不得如此")
        renewing_issuer(identity.role)
        return cls(parsed, identity, _tls_key(_requested_key(parsed.tls_request, identity)))

    @property
    def issuer(self) -> str:
        """The issuer that certifies the key: NODES or COORDINATORS."""
        return renewing_issuer(self.identity.role)

    def require_fresh(self, now: datetime) -> None:
        """Raises ValueError for a statement that is too old at `now` (aware).

        A coordinator may have kept it, for a key that was stolen since.
        """
        if abs(now - from_timestamp(self.statement.request_time)) > LONGEST_AGE:
            raise Unfit("it is older than an hour, or a clock is wrong", "超过一小时，或时钟有误")

    @property
    def id(self) -> str:
        """The id of the renewal. The first process of a member that is no region has the path alone."""
        member, process = self.statement.member, self.statement.process
        if not member:
            return f"{self.identity.region}-{process}"
        return f"{member}/{process}" if process else member

    def require_certified(self, chain: bytes, authorities: Sequence[x509.Certificate]) -> None:
        """Raises ValueError unless a certificate (PEM) is for this key and member, by its issuer, which follows."""
        with readable():
            certificate, *issuers = x509.load_pem_x509_certificates(chain)
            if len(issuers) != 1 or issuing_region(issuers[0], self.identity.federation) != self.issuer:
                raise Unfit("no issuer that renews such members stands behind it", "其后没有为此类成员续期的签发者")
            if not any(has_issued(each, issuers[0]) for each in authorities):
                raise Unfit("another authority has certified its issuer", "其签发者由其他机构认证")
            own = certificate.public_bytes(Encoding.PEM)
            _require_certified(own, self.key, issuers, self.identity)
            if self.identity.role != Role.ROLE_ADMIN:  # an administrator serves nothing, and has no such name
                _require_name(certificate, self.identity)


@contextmanager
def readable() -> Iterator[None]:
    """Raises ValueError for certificates of others that the library cannot read, whatever it raises itself."""
    try:
        yield
    except ValueError:
        raise
    except UNREADABLE as error:
        raise Unfit("it cannot be read", "无法读取") from error


def _require_certified(pem: bytes, key: PublicKey, authorities: Sequence[x509.Certificate], identity: Identity) -> None:
    certificate, *behind = x509.load_pem_x509_certificates(pem)
    if behind:
        raise Unfit("there are several", "包含多份")
    if _spki(certificate.public_key()) != _spki(key):
        raise Unfit("it is for another key", "属于其他密钥")
    if not any(has_issued(each, certificate) for each in authorities):
        raise Unfit("another authority has issued it", "由其他机构签发")
    if uris_of(certificate) != [identity.uri]:
        raise Unfit(f"it does not name {identity.uri} alone", f"不是仅以{identity.uri}为名称")


def _require_name(certificate: x509.Certificate, identity: Identity) -> None:
    name = server_name(identity.role, identity.region, identity.federation)
    if name not in dns_names_of(certificate):
        raise Unfit(f"the certificate for TLS does not prove the name {name}", f"TLS证书不能证明名称{name}")


def _tls_key(key: object) -> ec.EllipticCurvePublicKey:
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Unfit("the key for TLS is no ECDSA key on P-256", "TLS密钥不是P-256曲线的ECDSA密钥")
    return key


def _requested_key(der: bytes, identity: Identity) -> object:
    try:
        request = x509.load_der_x509_csr(der)
        is_proven = request.is_signature_valid
        uris = uris_of(request)
        key = request.public_key()
    except UNREADABLE as error:
        raise Unfit("it cannot be read", "无法读取") from error
    if not is_proven:
        raise Unfit("its signature is not by its key", "其签名与密钥不符")
    if uris != [identity.uri]:
        raise Unfit(f"it does not name {identity.uri} alone", f"不是仅以{identity.uri}为名称")
    return key


def _spki(key: object) -> bytes:
    assert hasattr(key, "public_bytes")
    encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert isinstance(encoded, bytes)
    return encoded
