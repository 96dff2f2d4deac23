"""Proofs of the member of staff who acts through an operator system: signed tokens that end soon (JWT, RFC 7519).

A statement is signed by the member of staff, and carries the certificate of the key. A token of the region's identity
provider is signed by a key of that provider. The algorithm follows from the key and never from the token (RFC 8725,
3.1), so no token chooses a weaker one.
"""

import base64
import binascii
import hashlib
import json
import re
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning

from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.security.alternative_names import uris_of
from gateway.security.identity import SCHEME, Identity, parse
from gateway.security.peers import Peer, peer_of_chain
from gateway.security.private_keys import pem_key
from gateway.security.provider_tokens import (
    JWS,
    LONGEST_TOKEN,
    UNREADABLE,
    Claims,
    IdentityProvider,
    TokenExpired,
    TokenInvalid,
    algorithm_of,
    end_of,
    signed_claims,
    unreadable,
    verifying_key,
)
from gateway.security.revocations import Revocations
from gateway.security.tls import Credentials
from gateway.values.requesters import SELF_SERVICE

LARGEST_PROOF = 6 * 1024
"""Bytes of a token: gRPC takes 8 KiB of metadata with a call."""
LONGEST_STATEMENT = timedelta(minutes=10)
"""The longest life of a statement."""
_TYPE = "staff-statement+jwt"  # RFC 8725, 3.11: nothing else that the key signs can be taken for a statement
_LONGEST_CHAIN = 3  # certificates
_REMEMBERED = 1024  # proofs
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TOKEN_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{0,128}")


@dataclass(frozen=True)
class StaffProof:
    """A verified proof. The token itself is not kept."""

    staff_id: str
    """The proven member of staff."""
    issuer: str
    """Who vouches: the certificate by its serial number, or the identity provider."""
    token_id: str
    """The `jti` of the token; empty where its issuer gives none."""
    digest: str
    """SHA-256 of the token in hexadecimal."""
    end: datetime
    peer: Peer | None
    """The certificate of a statement; None for a token of the identity provider."""

    @property
    def told(self) -> str:
        """The member of staff and the proof, as the audit chain keeps them."""
        return f"staff {self.staff_id} by {self.issuer}, token {self.token_id or '-'}, SHA-256 {self.digest}"


class StaffProofs:
    """Verifies proofs at the node of a region, each once. Used on one event loop."""

    def __init__(self, node: Identity, revocations: Revocations, provider: IdentityProvider | None = None) -> None:
        self._node = node
        self._revocations = revocations
        self._provider = provider
        self._known: OrderedDict[tuple[str, str], StaffProof] = OrderedDict()
        self._trusted: tuple[object, object] = (None, None)

    def verified(self, token: str, operator: Identity, client_id: str, now: datetime) -> StaffProof:
        """The proof in a token that was made for this operator system, as `require_in_force`.

        `client_id` is the operator system's name at the identity provider. `now` is aware. Raises Refused with
        STAFF_PROOF_INVALID or STAFF_PROOF_EXPIRED.
        """
        require_size(token)
        self._forget_if_trust_changed()
        digest = _digest(token)
        key = (digest, f"{operator.path} {client_id}")
        proof = self._known.get(key)
        if proof is None:
            proof = self._verify(token, digest, operator, client_id, now)
            self._known[key] = proof
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        self.require_in_force(proof, now)
        return proof

    def require_in_force(self, proof: StaffProof, now: datetime) -> None:
        """Raises Refused with STAFF_PROOF_EXPIRED, or STAFF_PROOF_INVALID where the certificate was revoked."""
        if now > proof.end:
            raise Refused(Reason.REASON_STAFF_PROOF_EXPIRED)
        if proof.peer is not None:
            self.require_not_revoked(proof.peer)

    def require_not_revoked(self, peer: Peer) -> None:
        """As `require_not_revoked`."""
        require_not_revoked(self._revocations, peer)

    def _forget_if_trust_changed(self) -> None:
        trusted = (self._revocations.authorities, None if self._provider is None else self._provider.keys())
        if any(now is not before for now, before in zip(trusted, self._trusted, strict=True)):
            self._known.clear()
            self._trusted = trusted

    def _verify(self, token: str, digest: str, operator: Identity, client_id: str, now: datetime) -> StaffProof:
        with refusing():
            if jwt.get_unverified_header(token).get("typ") == _TYPE:
                return self._of_statement(token, operator, now)
            if self._provider is None:
                raise invalid("it is no statement, and no identity provider is set", "不是员工声明，且未配置身份提供方")
            return self._of_provider(self._provider, token, digest, client_id, now)

    def _of_statement(self, token: str, operator: Identity, now: datetime) -> StaffProof:
        """Raises as `proof_of_staff`."""
        claims, proof = proof_of_staff(token, self._node, self._node.uri, self._revocations, now, LONGEST_STATEMENT)
        if claims.get("azp") != operator.uri:
            raise _of_another_operator()
        return proof

    def _of_provider(
        self, provider: IdentityProvider, token: str, digest: str, client_id: str, now: datetime
    ) -> StaffProof:
        """Raises as `_of_statement`."""
        found = provider.verified(token, now, LONGEST_TOKEN)
        claims = found.claims
        # RFC 9068 names the client by `client_id`, OpenID Connect by `azp`; a token that has both says the same.
        if {claims[each] for each in ("client_id", "azp") if each in claims} != {client_id}:
            raise _of_another_operator()
        staff_id = staff_id_of(claims.get(provider.name_claim))
        return StaffProof(staff_id, provider.issuer, _token_id(claims), digest, found.end, None)


@contextmanager
def refusing() -> Iterator[None]:
    """Raises Refused with STAFF_PROOF_INVALID or STAFF_PROOF_EXPIRED for a token that does not count."""
    try:
        yield
    except TokenExpired:
        raise Refused(Reason.REASON_STAFF_PROOF_EXPIRED) from None
    except TokenInvalid as error:
        raise invalid(error.told.en, error.told.zh_cn) from error
    except (
        *UNREADABLE,
        x509.DuplicateExtension,
        x509.ExtensionNotFound,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
    ) as error:
        known = unreadable()
        raise invalid(known.told.en, known.told.zh_cn) from error


def proof_of_staff(
    token: str, region: Identity, audience: str, revocations: Revocations, now: datetime, longest: timedelta
) -> tuple[Claims, StaffProof]:
    """The claims that a member of staff of a region has signed for an audience, and their proof.

    `now` is aware. Raises Refused or TokenInvalid, or ValueError and those of the libraries for what nobody can read.
    """
    chain = _chain(jwt.get_unverified_header(token).get("x5c"))
    try:
        peer = peer_of_chain(chain, revocations.authorities, region.federation, now)
    except ValueError as error:
        raise invalid(f"its certificate: {error}", "其证书不可信") from error
    identity = peer.identity
    if identity.role != Role.ROLE_STAFF or identity.region != region.region:
        path, at = identity.path, region.region
        raise invalid(f"{path} is no member of the staff of {at}", f"{path}不是{at}员工")
    require_not_revoked(revocations, peer)
    claims = signed_claims(token, verifying_key(chain[0].public_key()))
    if {claims.get("iss"), claims.get("sub")} != {identity.uri}:
        raise invalid("it does not speak for the owner of its certificate", "声明人与证书所有人不一致")
    if claims.get("aud") not in (audience, [audience]):
        raise invalid("it is made for another node", "该证明是给其他节点的")
    if not _token_id(claims):
        raise invalid("it has no jti", "缺少jti")
    issuer = f"certificate {chain[0].serial_number:x}"
    end = min(end_of(claims, now, longest), peer.end)
    return claims, StaffProof(staff_id_of(identity.name), issuer, _token_id(claims), _digest(token), end, peer)


def require_size(token: str) -> None:
    """Raises Refused with STAFF_PROOF_INVALID for a token of more than LARGEST_PROOF bytes."""
    if len(token) > LARGEST_PROOF:
        raise invalid(f"it has more than {LARGEST_PROOF} bytes", f"超过{LARGEST_PROOF}字节")


def require_not_revoked(revocations: Revocations, peer: Peer) -> None:
    """Raises Refused with STAFF_PROOF_INVALID for a certificate that was revoked."""
    try:
        revocations.require_in_force(peer)
    except Refused:
        raise invalid("the certificate of the member of staff was revoked", "该员工的证书已被吊销") from None


def statement_for(own: Credentials, operator: str, now: datetime, life: timedelta) -> str:
    """A statement of a member of staff, by their certificate and key, for one operator system of their region.

    `now` is aware. Raises CredentialsUnusable for the files, and ValueError for a life of more than LONGEST_STATEMENT,
    for somebody who is no member of staff, for a name that no operator system has, and a key that signs no statements.
    """
    if not timedelta(0) < life <= LONGEST_STATEMENT:
        raise ValueError(f"a statement lives {LONGEST_STATEMENT.total_seconds():.0f} seconds at most")

    def claims(staff: Identity) -> Mapping[str, str]:
        return {
            "aud": Identity(staff.federation, Role.ROLE_REGION, staff.region, "").uri,
            "azp": Identity(staff.federation, Role.ROLE_OPERATOR, staff.region, operator).uri,
        }

    return signed_by_staff(own, _TYPE, claims, now, life)


def signed_by_staff(
    own: Credentials, kind: str, claims: Callable[[Identity], Mapping[str, str]], now: datetime, life: timedelta
) -> str:
    """A token of one kind with the claims of a member of staff, by their certificate and key.

    `now` is aware. Raises CredentialsUnusable, and ValueError, as `statement_for`.
    """
    loaded = own.load(now)
    chain, key = x509.load_pem_x509_certificates(loaded.certificate), pem_key(own.key, loaded.key)
    if not isinstance(key, EllipticCurvePrivateKey | Ed25519PrivateKey):
        raise ValueError("the key is none for EdDSA or ES256")
    staff = _owner_of(uris_of(chain[0]))
    if staff.role != Role.ROLE_STAFF:
        raise ValueError(f"{staff.path} is no member of staff")
    begin = int(now.timestamp())
    told = {
        "iss": staff.uri,
        "sub": staff.uri,
        **claims(staff),
        "iat": begin,
        "exp": begin + int(life.total_seconds()),
        "jti": uuid.uuid4().hex,
    }
    x5c = [base64.b64encode(each.public_bytes(Encoding.DER)).decode() for each in chain]
    algorithm = algorithm_of(verifying_key(key.public_key()))
    return JWS.encode(json.dumps(told).encode(), key, algorithm, headers={"typ": kind, "x5c": x5c})


def staff_name(own: Credentials) -> str:
    """The name of the member of staff whose certificate this is; empty for anybody else. Raises CredentialsUnusable."""
    try:
        owner = _owner_of(own.names())
    except ValueError:
        return ""
    return owner.name if owner.role == Role.ROLE_STAFF else ""


def staff_id_of(name: object) -> str:
    """The staff id in a proof. Raises Refused for what no member of staff is called."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name == SELF_SERVICE:
        raise invalid("it names no member of staff", "未载明员工")
    return name


def invalid(problem: str, problem_zh_cn: str) -> Refused:
    """STAFF_PROOF_INVALID with the problem in both languages."""
    return Refused(Reason.REASON_STAFF_PROOF_INVALID, problem=problem, problem_zh_cn=problem_zh_cn)


def _owner_of(uris: Sequence[str]) -> Identity:
    """The member that a certificate names first, in whatever federation. Raises ValueError."""
    (uri, *_) = (*uris, "")
    return parse(uri, uri.removeprefix(SCHEME).partition("/")[0])


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _of_another_operator() -> Refused:
    return invalid("it was given to another operator system", "该证明是给其他业务系统的")


def _chain(x5c: object) -> Sequence[x509.Certificate]:
    """The certificates of a header (RFC 7515, 4.1.6). Raises ValueError."""
    if (
        not isinstance(x5c, list)
        or not 1 <= len(x5c) <= _LONGEST_CHAIN
        or not all(isinstance(each, str) for each in x5c)
    ):
        raise ValueError("it carries no certificates")
    try:
        chain = [x509.load_der_x509_certificate(base64.b64decode(each, validate=True)) for each in x5c]
    except (binascii.Error, CryptographyDeprecationWarning) as error:  # the latter where warnings are errors
        raise ValueError("a certificate cannot be read") from error
    if any(each.serial_number <= 0 for each in chain):
        raise ValueError("a certificate has a serial number that none may have")
    return chain


def _token_id(claims: Claims) -> str:
    """The `jti`; empty for none. Raises Refused for one that no audit row should hold."""
    told = claims.get("jti", "")
    if not isinstance(told, str) or not _TOKEN_ID.fullmatch(told):
        raise invalid("its jti has a form that is not kept", "jti格式无法留存")
    return told
