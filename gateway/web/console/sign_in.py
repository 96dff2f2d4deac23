"""The sign-in of people without a certificate, by an identity provider (OpenID Connect Core, authorization code flow).

A browser that sets out has a secret in a cookie. `state`, `nonce` and the verifier of PKCE (RFC 7636) follow from it.
An answer counts in that browser alone, and the process keeps nothing of people who never come back.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from http.client import HTTPException
from urllib.parse import quote, urlencode

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.security.http_post import PostTarget, secret_in
from gateway.security.identity import Identity
from gateway.security.identity_provider import ProviderKeys
from gateway.security.provider_tokens import Claims, TokenInvalid
from gateway.security.staff_proofs import invalid
from gateway.values import base64url
from gateway.web.console.fields import Fields
from gateway.web.settings import SignInSettings

LONGEST_WAY = 600
"""Seconds from the page that leads to the identity provider until its answer."""
_LONGEST_ID_TOKEN = timedelta(days=1)  # it counts at once or never, and providers differ
_SECONDS = 10.0  # of the request for tokens
_LARGEST = 64 * 1024  # bytes of its answer
_MOST_REQUESTS = 4  # at a time: a stranger can cause them, and each occupies a thread
_ERROR = re.compile(r"[a-z_]{1,40}")
_TEXT = re.compile(r"[\x21-\x7e]{1,1024}", re.ASCII)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SignedInElsewhere:
    """The answer of an identity provider, as the browser brings it."""

    query: Fields = field(repr=False)
    secret: str = field(repr=False)
    """The secret of the browser; empty where it has none."""
    redirect_uri: str
    """The address that the answer came to."""


class SignInByProvider:
    """Leads people to their identity provider, and finds out who has come back."""

    def __init__(self, keys: ProviderKeys, settings: SignInSettings, person: Callable[[object], Identity]) -> None:
        """The audience of the provider of `keys` is the client.

        `person` makes a person of the claim with the name. It raises Refused with STAFF_PROOF_INVALID.
        """
        self.keys = keys
        """They are to be followed while people sign in."""
        self._provider = keys.provider
        self._registered = settings
        self._person = person
        self._asking = asyncio.Semaphore(_MOST_REQUESTS)

    def address(self, secret: str, redirect_uri: str) -> str:
        """Where a browser with this secret goes, to come back to `redirect_uri`."""
        challenge = hashlib.sha256(_derived(secret, "verifier").encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self._registered.client_id,
            "redirect_uri": redirect_uri,
            "scope": "openid profile",
            "state": _derived(secret, "state"),
            "nonce": _derived(secret, "nonce"),
            "code_challenge": base64url.encoded(challenge),
            "code_challenge_method": "S256",
        }
        endpoint = self._registered.authorization_endpoint
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    async def person(self, answer: SignedInElsewhere, now: datetime) -> Identity:
        """The person who has come back. `now` is aware.

        Raises Refused with STAFF_PROOF_INVALID, with TOO_BUSY, and with IDENTITY_PROVIDER_UNREACHABLE.
        """
        code = self._code(answer)
        if self._asking.locked():
            raise Refused(Reason.REASON_TOO_BUSY)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": answer.redirect_uri,
            "code_verifier": _derived(answer.secret, "verifier"),
        }
        async with self._asking:
            told = await asyncio.to_thread(self._redeem, form)
        token = told.get("id_token")
        try:
            if not isinstance(token, str):
                raise TokenInvalid("the identity provider gave no ID token", "身份提供方未返回ID令牌")
            claims = self._provider.verified(token, now, _LONGEST_ID_TOKEN).claims
            self._require_own(claims, answer.secret)
        except TokenInvalid as error:
            raise invalid(error.told.en, error.told.zh_cn) from None
        return self._person(claims.get(self._provider.name_claim))

    def _code(self, answer: SignedInElsewhere) -> str:
        """The code of an answer. Raises Refused for one that this browser has not asked for."""
        query = answer.query
        if not answer.secret or not _equal(query.text("state"), _derived(answer.secret, "state")):
            raise invalid("this browser has not begun the sign-in, or too long ago", "本浏览器未发起该登录，或已超时")
        if query.text("iss") not in ("", self._provider.issuer):  # RFC 9207
            raise invalid("the answer is of another identity provider", "该应答来自其他身份提供方")
        if error := query.text("error"):
            told = error if _ERROR.fullmatch(error) else "-"
            raise invalid(f"the identity provider refuses: {told}", f"身份提供方拒绝：{told}")
        if not _TEXT.fullmatch(code := query.text("code")):
            raise invalid("the identity provider gave no code", "身份提供方未返回授权码")
        return code

    def _require_own(self, claims: Claims, secret: str) -> None:
        """Raises TokenInvalid for the token of another sign-in or client, and for people without the role."""
        nonce = claims.get("nonce")
        if not isinstance(nonce, str) or not _equal(nonce, _derived(secret, "nonce")):
            raise TokenInvalid("it is of another sign-in", "属于另一次登录")
        if claims.get("azp", self._registered.client_id) != self._registered.client_id:
            raise TokenInvalid("it was given to another client", "该令牌是给其他客户端的")
        held = claims.get(self._registered.role_claim)
        if self._registered.role not in (held if isinstance(held, list) else [held]):
            raise TokenInvalid("it does not have the role that may sign in", "不具备登录所需的角色")

    def _redeem(self, form: Mapping[str, str]) -> Mapping[str, object]:
        """The answer of the token endpoint to a code. Raises Refused. No redirect is followed, and no proxy asked."""
        target = PostTarget(self._registered.token_endpoint, self._registered.authority)
        try:
            status, content = target.post(self._headers(), urlencode(form).encode(), _SECONDS, _LARGEST)
            told = json.loads(content)
        except (OSError, HTTPException, ValueError, RecursionError) as failure:
            _log.warning("the identity provider cannot be asked: %s", type(failure).__name__)
            raise Refused(Reason.REASON_IDENTITY_PROVIDER_UNREACHABLE) from None
        if status == HTTPStatus.OK and isinstance(told, dict):
            return told
        error = str(told.get("error", "")) if isinstance(told, dict) else ""
        _log.warning("the identity provider answered %d: %s", status, error if _ERROR.fullmatch(error) else "-")
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Refused(Reason.REASON_IDENTITY_PROVIDER_UNREACHABLE)
        raise invalid("the identity provider does not accept the sign-in", "身份提供方不接受该登录")

    def _headers(self) -> Mapping[str, str]:
        """The headers with the proof of the client (RFC 6749, 2.3.1). Raises OSError or ValueError for its file."""
        secret = secret_in(self._registered.client_secret)
        proof = f"{quote(self._registered.client_id, safe='')}:{quote(secret, safe='')}"
        return {
            "Accept": "application/json",
            "Authorization": f"Basic {base64.b64encode(proof.encode()).decode()}",
            "Content-Type": "application/x-www-form-urlencoded",
        }


def _derived(secret: str, use: str) -> str:
    """A value for one use, from which nobody finds the secret or another value."""
    return base64url.encoded(hmac.digest(secret.encode(), use.encode(), hashlib.sha256))


def _equal(told: str, known: str) -> bool:
    return hmac.compare_digest(told.encode(), known.encode())
