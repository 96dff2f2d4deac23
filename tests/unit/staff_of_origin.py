"""Li of the origin region's staff, whose certificate is revoked."""

from datetime import UTC, datetime

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.api.federation.v1.federation_pb2 import RevocationList
from gateway.api.types.v1.access_pb2 import Role
from gateway.security.authority import Authority
from gateway.security.identity import Identity
from gateway.security.peers import Certificates, IssuedNumber
from gateway.security.revocations import Revocations
from tests.unit.reconciling import ORIGIN

_LIFE = (datetime(2030, 6, 1, tzinfo=UTC), datetime(2030, 9, 1, tzinfo=UTC))
_AUTHORITY = Authority.create("china", *_LIFE)
_ISSUER = _AUTHORITY.issue_issuer(ORIGIN, *_LIFE)
_LI = _ISSUER.issue_tls(Identity("china", Role.ROLE_STAFF, ORIGIN, "li"), *_LIFE).certificate
CERTIFICATES: Certificates = ((IssuedNumber.of(_LI), _LI),)


def no_revocations() -> Revocations:
    """Those of the authority of Li's issuer: none yet."""
    return Revocations(_AUTHORITY.certificate_pem, "china")


def revoke(revocations: Revocations) -> None:
    """Revokes Li's certificate."""
    crl = _ISSUER.revocation_list([_LI.serial_number], 1, _LIFE[0]).public_bytes(Encoding.DER)
    revocations.take(RevocationList(crl=crl, issuer_certificate=_ISSUER.certificate.public_bytes(Encoding.DER)))
