"""A little identity provider: HTTPS with a certificate of its own, authorization codes with PKCE, and signed tokens."""

import asyncio
import base64
import hashlib
import http.client
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.web.settings import SignInSettings
from region_node.node.settings import AuthorizationServerSettings
from tests.webhook import self_signed

CLIENT, ROLE, AUDIENCE = "console", "staff", "systems"
_SECRET = "a-secret/of-the-client"
_LIFE = 300  # seconds
_SECONDS = 60.0


@dataclass
class TokenProvider:
    """The provider, with what it does wrong in its next answers."""

    directory: Path
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    port: int = 0
    codes: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """The requests for authorization by their codes, each for one token."""
    changes: Mapping[str, object] = field(default_factory=dict)
    """Claims of ID tokens that differ; None leaves one out."""
    signing: ec.EllipticCurvePrivateKey | None = None
    """Another key than its own, which signs."""
    algorithm: str = "ES256"
    status: int = 200
    """Of the answers to codes."""

    @property
    def issuer(self) -> str:
        """The issuer, which is also its address."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def console(self) -> SignInSettings:
        """The console of Sichuan as its client."""
        return SignInSettings(
            issuer=self.issuer,
            client_id=CLIENT,
            client_secret=self.directory / "client.secret",
            keys=self.directory / "keys.json",
            authorization_endpoint=f"{self.issuer}/authorize?realm=staff",
            token_endpoint=f"{self.issuer}/token",
            role=ROLE,
            authority=self.directory / "provider.crt",
        )

    @property
    def systems(self) -> AuthorizationServerSettings:
        """The operator systems of Sichuan as its clients."""
        return AuthorizationServerSettings(self.issuer, AUDIENCE, self.directory / "keys.json")

    def behave(self) -> None:
        """Ends all that it does wrong."""
        self.changes, self.signing, self.algorithm, self.status = {}, None, "ES256", http.client.OK

    def write(self) -> None:
        """Writes the files that its clients need."""
        told = jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        (self.directory / "keys.json").write_text(json.dumps({"keys": [told]}))
        (self.directory / "client.secret").write_text(f"{_SECRET}\n")

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

    def authorized(self, query: Mapping[str, str], name: str) -> str:
        """The address to which an authorization leads."""
        assert (query["response_type"], query["client_id"], query["code_challenge_method"]) == ("code", CLIENT, "S256")
        code = uuid4().hex
        self.codes[code] = {**query, "name": name}
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state'], 'iss': self.issuer})}"

    def answer(self, form: Mapping[str, str], authorization: str) -> tuple[int, Mapping[str, str]]:
        """The answer to a code."""
        proof = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        if self.status != http.client.OK:
            return self.status, {"error": "server_error"}
        asked = self.codes.pop(form["code"], None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode()
        if proof != f"{CLIENT}:{quote(_SECRET, safe='')}":
            return http.client.UNAUTHORIZED, {"error": "invalid_client"}
        if asked is None or (asked["code_challenge"], asked["redirect_uri"]) != (
            challenge.rstrip("="),
            form["redirect_uri"],
        ):
            return http.client.BAD_REQUEST, {"error": "invalid_grant"}
        claims = {
            "aud": CLIENT,
            "nonce": asked["nonce"],
            "preferred_username": asked["name"],
            "groups": ["others", ROLE],
            **self.changes,
        }
        return http.client.OK, {"token_type": "Bearer", "access_token": "-", "id_token": self.signed(claims)}


@contextmanager
def token_provider(directory: Path) -> Iterator[TokenProvider]:
    """A provider that serves meanwhile; its files are in the directory."""
    provider = TokenProvider(directory)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(provider))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed(directory, "provider"))
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    provider.port = server.server_address[1]
    provider.write()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(provider: TokenProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = dict(parse_qsl(urlsplit(self.path).query))
            self.send_response(http.client.FOUND)
            self.send_header("Location", provider.authorized(query, self.headers["X-Person"]))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: value for name, (value,) in parse_qs(body).items()}
            status, told = provider.answer(form, self.headers["Authorization"])
            content = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            """Logs nothing."""

    return Handler
