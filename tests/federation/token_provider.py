"""An identity provider that also gives access tokens to operator systems, and does wrong where a test wants it."""

import asyncio
import http.client
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from deploy.local.identity_provider import IdentityProvider, serving
from gateway.web.settings import SignInSettings
from region_node.node.settings import AuthorizationServerSettings

CLIENT, AUDIENCE = "console", "systems"
_LIFE = 300  # seconds
_SECONDS = 60.0


@dataclass
class TokenProvider(IdentityProvider):
    """The provider, with what it does wrong in its next answers. It believes each browser who its person is."""

    changes: Mapping[str, object] = field(default_factory=dict)
    """Claims of ID tokens that differ; None leaves one out."""
    signing: ec.EllipticCurvePrivateKey | None = None
    """Another key than its own, which signs."""
    algorithm: str = "ES256"
    status: int = 200
    """Of the answers to codes."""

    @property
    def console(self) -> SignInSettings:
        """The console of Sichuan as its client."""
        return self.client(CLIENT)

    @property
    def systems(self) -> AuthorizationServerSettings:
        """The operator systems of Sichuan as its clients."""
        return AuthorizationServerSettings(self.issuer, AUDIENCE, self.directory / "keys.json")

    def behave(self) -> None:
        """Ends all that it does wrong."""
        self.changes, self.signing, self.algorithm, self.status = {}, None, "ES256", http.client.OK

    def token(self, **claims: object) -> str:
        """An access token of an operator system."""
        return self.signed({"aud": AUDIENCE, **claims})

    def signed(self, claims: Mapping[str, object]) -> str:
        """A token with these claims; None leaves one out."""
        now = int(datetime.now(UTC).timestamp())
        told = {"iss": self.issuer, "iat": now, "exp": now + _LIFE, **claims}
        kept = {name: value for name, value in told.items() if value is not None}
        key = "" if self.algorithm == "none" else self.signing or self.key
        return jwt.encode(kept, key, self.algorithm)

    def person_at(self, client: str, headers: Message) -> str | None:
        """See IdentityProvider: the person whom the browser itself names."""
        return headers["X-Person"]

    def claims(self, asked: Mapping[str, str]) -> Mapping[str, object]:
        """See IdentityProvider."""
        return {**super().claims(asked), **self.changes}

    def answer(self, form: Mapping[str, str], authorization: str) -> tuple[int, Mapping[str, str]]:
        """See IdentityProvider."""
        if self.status != http.client.OK:
            return self.status, {"error": "server_error"}
        return super().answer(form, authorization)

    async def sign_in(self, address: str, name: str) -> str:
        """Where a person is led who signs in at this address."""
        return await asyncio.to_thread(self._sign_in, address, name)

    def _sign_in(self, address: str, name: str) -> str:
        url = urlsplit(address)
        context = ssl.create_default_context(cafile=str(self.directory / "provider.crt"))
        connection = http.client.HTTPSConnection("127.0.0.1", url.port, timeout=_SECONDS, context=context)
        try:
            connection.request("GET", f"{url.path}?{url.query}", headers={"X-Person": name})
            return connection.getresponse().headers["Location"]
        finally:
            connection.close()


@contextmanager
def token_provider(directory: Path) -> Iterator[TokenProvider]:
    """A provider that serves meanwhile; its files are in the directory."""
    provider = TokenProvider(directory)
    provider.write(CLIENT)
    with serving(provider):
        yield provider
