"""Tokens that an identity provider signs: claims that end soon (JWT, RFC 7519).

The algorithm follows from the key and never from the token (RFC 8725, 3.1), so no token chooses a weaker one.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from gateway.errors import Problem

LONGEST_TOKEN = timedelta(hours=1)
"""The longest life of an access token."""
SKEW = timedelta(seconds=30)
"""By so much the clock of whoever signs may be wrong, as that of a member."""
JWS = jwt.PyJWS(algorithms=["EdDSA", "ES256", "RS256"])
"""The algorithms that count."""
UNREADABLE = (jwt.PyJWTError, ValueError, TypeError, RecursionError, UnsupportedAlgorithm)
"""The errors of a token that nobody can read, or that its key has not signed."""
_LEAST_RSA = 2048  # bits
_LATEST = 2**40  # seconds: no token is for so late a time, and beyond it sums need care
_SCHEME = "bearer"

VerifyingKey: TypeAlias = EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey
Claims: TypeAlias = Mapping[str, object]


class TokenInvalid(Problem):
    """A token does not count."""


class TokenExpired(TokenInvalid):
    """A token has ended."""


@dataclass(frozen=True)
class VerifiedToken:
    """A token that its identity provider has signed, and that is in force. The token itself is not kept."""

    claims: Claims = field(repr=False)
    end: datetime


@dataclass(frozen=True)
class IdentityProvider:
    """An identity provider of a region, as one use of its tokens knows it."""

    issuer: str
    """The `iss` of its tokens."""
    audience: str
    """The `aud` of tokens for this use; no other use has the same one."""
    name_claim: str
    """The claim with the name of whoever is proven."""
    keys: Callable[[], Mapping[str, VerifyingKey]]
    """Its keys at present, by `kid`; another mapping once they have changed."""
    others: Collection[str] = ()
    """The audiences of other uses: a token that has one of them beside its own would prove a person and a system."""

    def verified(self, token: str, now: datetime, longest: timedelta) -> VerifiedToken:
        """The claims of a token for this use, which lives no longer than `longest`. `now` is aware.

        Raises TokenInvalid.
        """
        try:
            claims = signed_claims(token, self._key(jwt.get_unverified_header(token).get("kid")))
        except UNREADABLE as error:
            raise unreadable() from error
        if claims.get("iss") != self.issuer:
            raise TokenInvalid("it is of another issuer", "签发方不符")
        told = claims.get("aud")
        audiences = told if isinstance(told, list) else [told]
        if self.audience not in audiences:
            raise TokenInvalid("it is made for another node", "该证明是给其他节点的")
        if any(each in audiences for each in self.others):
            raise TokenInvalid("it is made for another use as well", "该令牌同时用于其他用途")
        return VerifiedToken(claims, end_of(claims, now, longest))

    def _key(self, named: object) -> VerifyingKey:
        """The key of a token. One without `kid` is by the only key."""
        keys = self.keys()
        key = keys.get(named) if isinstance(named, str) else next(iter(keys.values())) if len(keys) == 1 else None
        if key is None:
            raise TokenInvalid("its key is none of the identity provider", "其密钥不属于身份提供方")
        return key


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
            key = verifying_key(jwt.PyJWK(entry).key)
        except (jwt.PyJWTError, ValueError, TypeError, UnsupportedAlgorithm):
            continue  # a set may have keys of kinds that this version does not know
        name = entry.get("kid", "")
        if not isinstance(name, str) or name in found:
            raise ValueError("two keys have one kid")
        found[name] = key
    if not found:
        raise ValueError("it has no key for EdDSA, ES256 or RS256")
    return found


def bearer_token(authorizations: Sequence[object]) -> str:
    """The token of the one authorization that a caller has sent (RFC 6750). Raises TokenInvalid."""
    value = authorizations[0] if len(authorizations) == 1 else ""
    scheme, _, token = (value if isinstance(value, str) else "").partition(" ")
    if scheme.lower() != _SCHEME or not token:
        raise TokenInvalid("authorization is not one Bearer token", "authorization不是单一的Bearer令牌")
    return token.strip()


def verifying_key(key: object) -> VerifyingKey:
    """A public key that may sign tokens. Raises ValueError for another one, and a private or a weak one."""
    if isinstance(key, EllipticCurvePublicKey) and not isinstance(key.curve, SECP256R1):
        raise ValueError("the curve of the key is not P-256")
    if isinstance(key, RSAPublicKey) and key.key_size < _LEAST_RSA:
        raise ValueError(f"the RSA key has less than {_LEAST_RSA} bits")
    if not isinstance(key, Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey):
        raise ValueError("the key is none for EdDSA, ES256 or RS256")
    return key


def algorithm_of(key: VerifyingKey) -> str:
    """The one algorithm of a key."""
    if isinstance(key, Ed25519PublicKey):
        return "EdDSA"
    return "ES256" if isinstance(key, EllipticCurvePublicKey) else "RS256"


def signed_claims(token: str, key: VerifyingKey) -> Claims:
    """The claims that the key has signed. Raises one of UNREADABLE, also where they are no object."""
    signed = JWS.decode_complete(token, key, [algorithm_of(key)])
    claims: object = json.loads(signed["payload"])
    if not isinstance(claims, dict):
        raise ValueError("the claims are no object")
    return claims


def end_of(claims: Claims, now: datetime, longest: timedelta) -> datetime:
    """The time until which claims count that live no longer than `longest`. Raises TokenInvalid."""
    begin, end = _seconds(claims, "iat"), _seconds(claims, "exp")
    if not begin < end <= begin + longest.total_seconds():
        minutes = f"{longest.total_seconds() / 60:.0f}"
        raise TokenInvalid(f"it lives longer than {minutes} minutes", f"有效期超过{minutes}分钟")
    latest = (now + SKEW).timestamp()
    if begin > latest or ("nbf" in claims and _seconds(claims, "nbf") > latest):
        raise TokenInvalid("it begins in the future", "尚未生效")
    if end < (now - SKEW).timestamp():
        raise TokenExpired("it has expired", "已过期")
    return datetime.fromtimestamp(end, UTC) + SKEW


def unreadable() -> TokenInvalid:
    """A token that nobody can read. The text of a library is for its authors, and no answer to a caller."""
    return TokenInvalid("it cannot be read, or its signature is wrong", "无法读取，或签名有误")


def _seconds(claims: Claims, name: str) -> int:
    """A time (RFC 7519, 2), cut to seconds. Raises TokenInvalid."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LATEST:
        raise TokenInvalid(f"it has no {name}", f"缺少{name}")
    return int(value)
