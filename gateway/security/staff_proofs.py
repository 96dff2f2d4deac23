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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import jwt
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.security.alternative_names import uris_of
from gateway.security.identity import SCHEME, Identity, parse
from gateway.security.peers import Peer, peer_of_chain
from gateway.security.private_keys import pem_key
from gateway.security.revocations import Revocations
from gateway.security.tls import Credentials
from gateway.values.requesters import SELF_SERVICE

LARGEST_PROOF = 6 * 1024
"""Bytes of a token: gRPC takes 8 KiB of metadata with a call."""
LONGEST_STATEMENT = timedelta(minutes=10)
"""The longest life of a statement."""
LONGEST_TOKEN = timedelta(hours=1)
"""The longest life of a token of the identity provider."""
SKEW = timedelta(seconds=30)
"""By so much the clock of whoever signs may be wrong, as that of a member."""
_TYPE = "staff-statement+jwt"  # RFC 8725, 3.11: nothing else that the key signs can be taken for a statement
_LONGEST_CHAIN = 3  # certificates
_REMEMBERED = 1024  # proofs
_LEAST_RSA = 2048  # bits
_LATEST = 2**40  # seconds: no token is for so late a time, and beyond it sums need care
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TOKEN_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{0,128}")
_JWS = jwt.PyJWS(algorithms=["EdDSA", "ES256", "RS256"])

VerifyingKey: TypeAlias = EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey
_Claims: TypeAlias = Mapping[str, object]


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


@dataclass(frozen=True)
class IdentityProvider:
    """The identity provider of a region, whose access tokens prove members of staff (RFC 9068)."""

    issuer: str
    """The `iss` of its tokens."""
    audience: str
    """The `aud` of tokens for the region's node."""
    name_claim: str
    """The claim with the staff id."""
    keys: Callable[[], Mapping[str, VerifyingKey]]
    """Its keys at present, by `kid`; another mapping once they have changed."""


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
        if len(token) > LARGEST_PROOF:
            raise invalid(f"it has more than {LARGEST_PROOF} bytes", f"超过{LARGEST_PROOF}字节")
        self._forget_if_trust_changed()
        digest = hashlib.sha256(token.encode()).hexdigest()
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
        """Raises Refused with STAFF_PROOF_INVALID for a certificate that was revoked."""
        try:
            self._revocations.require_in_force(peer)
        except Refused:
            raise invalid("the certificate of the member of staff was revoked", "该员工的证书已被吊销") from None

    def _forget_if_trust_changed(self) -> None:
        trusted = (self._revocations.authorities, None if self._provider is None else self._provider.keys())
        if any(now is not before for now, before in zip(trusted, self._trusted, strict=True)):
            self._known.clear()
            self._trusted = trusted

    def _verify(self, token: str, digest: str, operator: Identity, client_id: str, now: datetime) -> StaffProof:
        try:
            header = jwt.get_unverified_header(token)
            if header.get("typ") == _TYPE:
                return self._of_statement(token, digest, header, operator, now)
            if self._provider is None:
                raise invalid("it is no statement, and no identity provider is set", "不是员工声明，且未配置身份提供方")
            return self._of_provider(self._provider, token, digest, header, client_id, now)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError, UnsupportedAlgorithm) as error:
            raise _unreadable() from error
        except (
            x509.DuplicateExtension,
            x509.ExtensionNotFound,
            x509.InvalidVersion,
            x509.UnsupportedGeneralNameType,
        ) as error:
            raise _unreadable() from error

    def _of_statement(self, token: str, digest: str, header: _Claims, operator: Identity, now: datetime) -> StaffProof:
        """Raises Refused, or ValueError and those of the libraries for what nobody can read."""
        chain = _chain(header.get("x5c"))
        try:
            peer = peer_of_chain(chain, self._revocations.authorities, self._node.federation, now)
        except ValueError as error:
            raise invalid(f"its certificate: {error}", "其证书不可信") from error
        identity = peer.identity
        if identity.role != Role.ROLE_STAFF or identity.region != self._node.region:
            raise invalid(f"{identity.path} is no member of this region's staff", f"{identity.path}不是本地区员工")
        self.require_not_revoked(peer)
        claims = _verified_claims(token, _verifying(chain[0].public_key()))
        if {claims.get("iss"), claims.get("sub")} != {identity.uri}:
            raise invalid("it does not speak for the owner of its certificate", "声明人与证书所有人不一致")
        if claims.get("aud") not in (self._node.uri, [self._node.uri]):
            raise invalid("it is made for another node", "该证明是给其他节点的")
        if claims.get("azp") != operator.uri:
            raise _of_another_operator()
        if not _token_id(claims):
            raise invalid("it has no jti", "缺少jti")
        issuer = f"certificate {chain[0].serial_number:x}"
        end = min(_end(claims, now, LONGEST_STATEMENT), peer.end)
        return StaffProof(_staff_id(identity.name), issuer, _token_id(claims), digest, end, peer)

    def _of_provider(
        self, provider: IdentityProvider, token: str, digest: str, header: _Claims, client_id: str, now: datetime
    ) -> StaffProof:
        """Raises as `_of_statement`."""
        keys = provider.keys()
        named = header.get("kid")
        key = keys.get(named) if isinstance(named, str) else next(iter(keys.values())) if len(keys) == 1 else None
        if key is None:
            raise invalid("its key is none of the identity provider", "其密钥不属于身份提供方")
        claims = _verified_claims(token, key)
        if claims.get("iss") != provider.issuer:
            raise invalid("it is of another issuer", "签发方不符")
        audience = claims.get("aud")
        if provider.audience not in (audience if isinstance(audience, list) else [audience]):
            raise invalid("it is made for another node", "该证明是给其他节点的")
        # RFC 9068 names the client by `client_id`, OpenID Connect by `azp`; a token that has both says the same.
        if {claims[each] for each in ("client_id", "azp") if each in claims} != {client_id}:
            raise _of_another_operator()
        end = _end(claims, now, LONGEST_TOKEN)
        return StaffProof(
            _staff_id(claims.get(provider.name_claim)), provider.issuer, _token_id(claims), digest, end, None
        )


def statement_for(own: Credentials, operator: str, now: datetime, life: timedelta) -> str:
    """A statement of a member of staff, by their certificate and key, for one operator system of their region.

    `now` is aware. Raises CredentialsUnusable for the files, and ValueError for a life of more than LONGEST_STATEMENT,
    for somebody who is no member of staff, for a name that no operator system has, and a key that signs no statements.
    """
    if not timedelta(0) < life <= LONGEST_STATEMENT:
        raise ValueError(f"a statement lives {LONGEST_STATEMENT.total_seconds():.0f} seconds at most")
    loaded = own.load(now)
    chain, key = x509.load_pem_x509_certificates(loaded.certificate), pem_key(own.key, loaded.key)
    if not isinstance(key, EllipticCurvePrivateKey | Ed25519PrivateKey):
        raise ValueError("the key is none for EdDSA or ES256")
    (uri, *_) = (*uris_of(chain[0]), "")
    staff = parse(uri, uri.removeprefix(SCHEME).partition("/")[0])
    if staff.role != Role.ROLE_STAFF:
        raise ValueError(f"{staff.path} is no member of staff")
    begin = int(now.timestamp())
    claims = {
        "iss": staff.uri,
        "sub": staff.uri,
        "aud": Identity(staff.federation, Role.ROLE_REGION, staff.region, "").uri,
        "azp": Identity(staff.federation, Role.ROLE_OPERATOR, staff.region, operator).uri,
        "iat": begin,
        "exp": begin + int(life.total_seconds()),
        "jti": uuid.uuid4().hex,
    }
    x5c = [base64.b64encode(each.public_bytes(Encoding.DER)).decode() for each in chain]
    algorithm = _algorithm(_verifying(key.public_key()))
    return _JWS.encode(json.dumps(claims).encode(), key, algorithm, headers={"typ": _TYPE, "x5c": x5c})


def provider_keys(content: bytes) -> Mapping[str, VerifyingKey]:
    """The keys for signatures in a JWK set (RFC 7517), by `kid`. Raises ValueError for a set without a usable one."""
    told = json.loads(content)
    entries = told.get("keys") if isinstance(told, dict) else None
    if not isinstance(entries, list):
        raise ValueError("it is no JWK set")
    found: dict[str, VerifyingKey] = {}
    for entry in entries:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            continue
        try:
            key = _verifying(jwt.PyJWK(entry).key)
        except (jwt.PyJWTError, ValueError, TypeError, UnsupportedAlgorithm):
            continue  # a set may have keys of kinds that this version does not know
        name = entry.get("kid", "")
        if not isinstance(name, str) or name in found:
            raise ValueError("two keys have one kid")
        found[name] = key
    if not found:
        raise ValueError("it has no key for EdDSA, ES256 or RS256")
    return found


def invalid(problem: str, problem_zh_cn: str) -> Refused:
    """STAFF_PROOF_INVALID with the problem in both languages."""
    return Refused(Reason.REASON_STAFF_PROOF_INVALID, problem=problem, problem_zh_cn=problem_zh_cn)


def _unreadable() -> Refused:
    # The text of a library is for its authors, and no answer to a caller.
    return invalid("it cannot be read, or its signature is wrong", "无法读取，或签名有误")


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
        return [x509.load_der_x509_certificate(base64.b64decode(each, validate=True)) for each in x5c]
    except binascii.Error as error:
        raise ValueError("a certificate cannot be read") from error


def _verifying(key: object) -> VerifyingKey:
    """A public key that may sign proofs. Raises ValueError for another one, and a private or a weak one."""
    if isinstance(key, EllipticCurvePublicKey) and not isinstance(key.curve, SECP256R1):
        raise ValueError("the curve of the key is not P-256")
    if isinstance(key, RSAPublicKey) and key.key_size < _LEAST_RSA:
        raise ValueError(f"the RSA key has less than {_LEAST_RSA} bits")
    if not isinstance(key, Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey):
        raise ValueError("the key is none for EdDSA, ES256 or RS256")
    return key


def _algorithm(key: VerifyingKey) -> str:
    if isinstance(key, Ed25519PublicKey):
        return "EdDSA"
    return "ES256" if isinstance(key, EllipticCurvePublicKey) else "RS256"


def _verified_claims(token: str, key: VerifyingKey) -> _Claims:
    """The claims that the key has signed. Raises PyJWTError, or ValueError where they are no object."""
    signed = _JWS.decode_complete(token, key, [_algorithm(key)])
    claims: object = json.loads(signed["payload"])
    if not isinstance(claims, dict):
        raise ValueError("the claims are no object")
    return claims


def _end(claims: _Claims, now: datetime, longest: timedelta) -> datetime:
    """The time until which the claims count. Raises Refused."""
    begin, end = _seconds(claims, "iat"), _seconds(claims, "exp")
    if not begin < end <= begin + longest.total_seconds():
        minutes = f"{longest.total_seconds() / 60:.0f}"
        raise invalid(f"it lives longer than {minutes} minutes", f"有效期超过{minutes}分钟")
    latest = (now + SKEW).timestamp()
    if begin > latest or ("nbf" in claims and _seconds(claims, "nbf") > latest):
        raise invalid("it begins in the future", "尚未生效")
    if end < (now - SKEW).timestamp():
        raise Refused(Reason.REASON_STAFF_PROOF_EXPIRED)
    return datetime.fromtimestamp(end, UTC) + SKEW


def _seconds(claims: _Claims, name: str) -> int:
    """A time (RFC 7519, 2), cut to seconds. Raises Refused."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LATEST:
        raise invalid(f"it has no {name}", f"缺少{name}")
    return int(value)


def _staff_id(name: object) -> str:
    """The staff id in a proof. Raises Refused for what no member of staff is called."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name == SELF_SERVICE:
        raise invalid("it names no member of staff", "未载明员工")
    return name


def _token_id(claims: _Claims) -> str:
    """The `jti`; empty for none. Raises Refused for one that no audit row should hold."""
    told = claims.get("jti", "")
    if not isinstance(told, str) or not _TOKEN_ID.fullmatch(told):
        raise invalid("its jti has a form that is not kept", "jti格式无法留存")
    return told
