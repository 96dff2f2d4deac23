"""The certificates that a peer proves itself by: whose they are, and what their issuers may have issued.

TLS has verified the chain up to the authority; `peer_of_chain` verifies one that came otherwise. The name constraints
of a region's issuer end at the host of a URI (RFC 5280, 4.2.1.10), which is the federation: the region and the role
behind it are checked here.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, Unfit
from gateway.security.alternative_names import uris_of
from gateway.security.identity import Identity, from_auth_context, parse, trust_domain
from gateway.security.issuers import issuer_of, may_issue

_CERTIFICATE = "x509_pem_cert"
_CHAIN = "x509_pem_cert_chain"
# A chain has one issuer, and perhaps the authority; what is longer is no chain of this federation.
LONGEST_CHAIN = 16 * 1024  # bytes of PEM
_REMEMBERED = 1024
# RFC 5280, 4.2: a certificate with a critical extension that the reader does not process must be refused.
_PROCESSED = (x509.BasicConstraints.oid, x509.KeyUsage.oid, x509.SubjectAlternativeName.oid)


@dataclass(frozen=True)
class IssuedNumber:
    """A certificate as the revocation lists of its issuer name it: the same in each encoding of its signature."""

    issuer: bytes
    """Name of the issuer (DER)."""
    serial: int

    @classmethod
    def of(cls, certificate: x509.Certificate) -> "IssuedNumber":
        """The number of a certificate."""
        return cls(certificate.issuer.public_bytes(), certificate.serial_number)


Certificates: TypeAlias = Sequence[tuple[IssuedNumber, x509.Certificate]]
"""The certificates of a peer with their numbers."""


def pem_of(certificates: Certificates) -> bytes:
    """The certificates as a chain in PEM, to be stored; empty for none."""
    return b"".join(each.public_bytes(Encoding.PEM) for _, each in certificates)


@dataclass(frozen=True)
class Peer:
    """A peer: its identity, and its certificate with those of the region's issuers behind it."""

    identity: Identity
    certificates: Certificates
    """Several may have one number: a peer can send a decoy under that of its issuer."""
    end: datetime
    """The end of these certificates; the first of them counts."""

    def require_not_expired(self, now: datetime) -> None:
        """Raises Refused with CERTIFICATE_EXPIRED after the end. `now` is aware.

        TLS looks at the time in a whole handshake alone: not on an open connection, nor where a session is resumed.
        """
        if now > self.end:
            raise Refused(Reason.REASON_CERTIFICATE_EXPIRED)


Caller: TypeAlias = Peer | Mapping[str, Iterable[bytes]]
"""A caller: the certificates of its connection in the form of gRPC's `auth_context()`, or a peer that is proven."""


def peer_of(auth_context: Mapping[str, Iterable[bytes]], federation: str) -> Peer:
    """The peer of a call that mTLS secured, from its `auth_context()`.

    Raises Refused(UNAUTHENTICATED) as `from_auth_context`, and for a certificate by the issuer of a region that is no
    operator or staff of this region.
    """
    identity = from_auth_context(auth_context, federation)
    chain = b"".join(auth_context.get(_CHAIN, ()))
    if len(chain) > LONGEST_CHAIN:
        raise Refused(Reason.REASON_UNAUTHENTICATED)
    try:
        return _proven(identity, b"".join(auth_context.get(_CERTIFICATE, ())), chain)
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion) as error:
        raise Refused(Reason.REASON_UNAUTHENTICATED) from error


def joiner(_: Mapping[str, Iterable[bytes]], federation: str) -> Peer:
    """The peer of a call at a port for those who have no certificate yet: nobody in particular."""
    return without_certificate(Identity(federation, Role.ROLE_JOINER, "", ""))


def without_certificate(identity: Identity) -> Peer:
    """The peer of one request, which has proven its identity by something else than a certificate."""
    return Peer(identity, (), datetime.max.replace(tzinfo=UTC))


def peer_of_chain(
    chain: Sequence[x509.Certificate], authorities: Iterable[x509.Certificate], federation: str, now: datetime
) -> Peer:
    """The peer whose certificate begins a chain that no handshake has verified; the issuer of a region may follow.

    `now` is aware. Raises ValueError unless an authority certifies the chain, it is in force, and its first certificate
    has one URI, whose owner its issuer may certify. Revocation is the caller's question.
    """
    own, issuers = chain[0], list(chain[1:2])
    path = [own, *issuers]
    # Of a certificate that nobody has signed, only the signature is looked at.
    root = next((each for each in authorities if has_issued(each, path[-1])), None)
    if root is None:
        raise Unfit("the authority of the federation has not certified it", "未经联盟的证书颁发机构认证")
    if not all(signs_certificates(each) and has_issued(each, own) for each in issuers):
        raise Unfit("the second certificate is not that of the issuer", "第二份证书不是签发者的证书")
    require_signing(own)
    uris = uris_of(own)
    if len(uris) != 1:
        raise Unfit("the certificate does not name one member", "证书未指明唯一成员")
    identity = parse(uris[0], federation)
    if not all(each.not_valid_before_utc <= now <= each.not_valid_after_utc for each in (*path, root)):
        raise Unfit("a certificate has expired, or is not valid yet", "证书已过期或尚未生效")
    return Peer(
        identity, tuple(_checked(identity, own, issuers)), min(each.not_valid_after_utc for each in (*path, root))
    )


def require_signing(certificate: x509.Certificate) -> None:
    """Raises ValueError for an authority, a key that may not sign, or an unknown critical extension."""
    if signs_certificates(certificate):
        raise Unfit("an authority's certificate signs for no member", "证书颁发机构的证书不能为成员签名")
    for extension in certificate.extensions:
        if extension.critical and extension.oid not in _PROCESSED:
            raise Unfit(
                f"has the critical extension {extension.oid.dotted_string}",
                f"含有关键扩展{extension.oid.dotted_string}",
            )
        if isinstance(extension.value, x509.KeyUsage) and not extension.value.digital_signature:
            raise Unfit("the key is not for signatures", "密钥不用于签名")


def issuing_region(certificate: x509.Certificate, federation: str) -> str:
    """The region whose issuer has this certificate, NODES or COORDINATORS; empty for the authority, and without a URI.

    Raises ValueError for any other URI.
    """
    uris = uris_of(certificate)
    if not uris or uris == [trust_domain(federation)]:
        return ""
    if len(uris) != 1:
        raise Unfit("the issuer has several names", "签发者有多个名称")
    return issuer_of(uris[0], federation)


def has_issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Whether the key of the issuer has signed a certificate, under the issuer's name."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def signs_certificates(certificate: x509.Certificate) -> bool:
    """Whether a certificate says that it is one of an authority or an issuer."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


@lru_cache(_REMEMBERED)
def _proven(identity: Identity, own_pem: bytes, chain_pem: bytes) -> Peer:
    own = x509.load_pem_x509_certificate(own_pem)
    if signs_certificates(own):
        raise Unfit("the certificate of an issuer is no member's", "签发者的证书不是成员证书")
    chain = x509.load_pem_x509_certificates(chain_pem) if chain_pem else []
    issuers = [each for each in chain if has_issued(each, own)]
    end = min(each.not_valid_after_utc for each in (own, *issuers))
    return Peer(identity, tuple(_checked(identity, own, issuers)), end)


def _checked(
    identity: Identity, own: x509.Certificate, issuers: Iterable[x509.Certificate]
) -> Iterator[tuple[IssuedNumber, x509.Certificate]]:
    """A certificate and its issuers, with numbers. Raises ValueError where one of them may not have issued it.

    TLS needs the issuer of a region among the certificates that the peer sends. So that one counts, and whatever the
    peer adds to it can only take rights away.
    """
    yield IssuedNumber.of(own), own
    for issuer in issuers:
        region = issuing_region(issuer, identity.federation)
        if not region:
            continue
        if not may_issue(region, identity):
            raise Unfit(
                f"the issuer of {region} may not have issued {identity.path}",
                f"{region}的签发者无权签发{identity.path}",
            )
        yield IssuedNumber.of(issuer), issuer
