"""An identity provider for a federation on one machine: authorization codes with PKCE, and signed ID tokens.

It serves HTTPS at 127.0.0.1 with a certificate of its own, and asks nobody for a password.
"""

import base64
import hashlib
import http.client
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit
from uuid import uuid4

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.process.files import replace_file
from gateway.web.settings import SignInSettings

_DAY = timedelta(days=1)
_LIFE = 300  # seconds of a token
_NAME = "provider"


@dataclass(frozen=True)
class Answer:
    """An answer to a browser."""

    status: int
    headers: Mapping[str, str]
    text: str = ""


@dataclass
class IdentityProvider:
    """The provider. Its clients are consoles, each with a secret and a role of people who may sign in there."""

    directory: Path
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    port: int = 0
    codes: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """The requests for authorization by their codes, each for one token."""

    @property
    def issuer(self) -> str:
        """The issuer, which is also its address."""
        return f"https://127.0.0.1:{self.port}"

    def client(self, name: str) -> SignInSettings:
        """The settings of the client of a name, which is also the role of its people."""
        return SignInSettings(
            issuer=self.issuer,
            client_id=name,
            client_secret=self._secret_file(name),
            keys=self.directory / "keys.json",
            authorization_endpoint=f"{self.issuer}/authorize?realm=staff",
            token_endpoint=f"{self.issuer}/token",
            role=name,
            authority=self.directory / f"{_NAME}.crt",
        )

    def write(self, *clients: str, valid: timedelta = _DAY) -> None:
        """Writes the certificate, which is valid so long, and the files that these clients need."""
        self_signed(self.directory, _NAME, valid)
        told = jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        replace_file(self.directory / "keys.json", json.dumps({"keys": [told]}).encode())
        for client in clients:
            replace_file(self._secret_file(client), f"{uuid4().hex}/of-the+client\n".encode())

    def _secret_file(self, client: str) -> Path:
        return self.directory / f"{client}.secret"

    def signed(self, claims: Mapping[str, object]) -> str:
        """A token with these claims."""
        now = int(datetime.now(UTC).timestamp())
        return jwt.encode({"iss": self.issuer, "iat": now, "exp": now + _LIFE, **claims}, self.key, "ES256")

    def person_at(self, client: str, headers: Message) -> str | None:
        """The person whom a browser stands for at a client; None for one that is not known."""
        raise NotImplementedError

    def opened(self, address: str, headers: Message) -> Answer:
        """The answer to a browser at the authorization endpoint."""
        query = dict(parse_qsl(urlsplit(address).query))
        name = self.person_at(query.get("client_id", ""), headers)
        if name is None or (query["response_type"], query["code_challenge_method"]) != ("code", "S256"):
            return Answer(http.client.FORBIDDEN, {}, "This provider does not know who you are.")
        code = uuid4().hex
        self.codes[code] = {**query, "name": name}
        told = urlencode({"code": code, "state": query["state"], "iss": self.issuer})
        return Answer(http.client.FOUND, {"Location": f"{query['redirect_uri']}?{told}"})

    def answer(self, form: Mapping[str, str], authorization: str) -> tuple[int, Mapping[str, str]]:
        """The answer to a code."""
        proof = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        asked = self.codes.pop(form["code"], None)
        if asked is None or not self._is_proven(asked["client_id"], proof):
            return http.client.UNAUTHORIZED, {"error": "invalid_client"}
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode()
        if (asked["code_challenge"], asked["redirect_uri"]) != (challenge.rstrip("="), form["redirect_uri"]):
            return http.client.BAD_REQUEST, {"error": "invalid_grant"}
        token = self.signed(self.claims(asked))
        return http.client.OK, {"token_type": "Bearer", "access_token": "-", "id_token": token}

    def claims(self, asked: Mapping[str, str]) -> Mapping[str, object]:
        """The claims of the ID token for a request for authorization."""
        client = asked["client_id"]
        return {
            "aud": client,
            "nonce": asked["nonce"],
            "preferred_username": asked["name"],
            "groups": ["others", client],
        }

    def _is_proven(self, client: str, proof: str) -> bool:
        return proof == f"{client}:{quote(self._secret_file(client).read_text().strip(), safe='')}"

    def server(self, port: int = 0) -> ThreadingHTTPServer:
        """A server of the provider that listens at a port, or at any free one."""
        server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.directory / f"{_NAME}.crt", self.directory / f"{_NAME}.key")
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = server.server_address[1]
        return server


@contextmanager
def serving(provider: IdentityProvider) -> Iterator[None]:
    """A provider, whose files are written, serves meanwhile."""
    server = provider.server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(provider: IdentityProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = provider.opened(self.path, self.headers)
            self._send(answer.status, answer.headers, answer.text.encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: value for name, (value,) in parse_qs(body).items()}
            status, told = provider.answer(form, self.headers["Authorization"])
            self._send(status, {"Content-Type": "application/json"}, json.dumps(told).encode())

        def _send(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            """Logs nothing."""

    return Handler


def self_signed(directory: Path, stem: str, valid: timedelta = _DAY) -> tuple[Path, Path]:
    """The paths of a certificate of 127.0.0.1, which is valid so long, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, stem)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + valid)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key_file, path = directory / f"{stem}.key", directory / f"{stem}.crt"
    replace_file(key_file, private)
    replace_file(path, certificate.public_bytes(serialization.Encoding.PEM))
    return path, key_file
