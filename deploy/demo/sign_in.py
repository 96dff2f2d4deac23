"""The identity provider of a demo that is left running: `python -m deploy.demo.sign_in`.

It knows people by one-time links, which the demo prints. Its keys are made with the demo, and it serves this machine
alone.
"""

import argparse
import http.client
import json
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from email.message import Message
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from deploy.local.federation import LocalFederation, Replica
from deploy.local.identity_provider import Answer, IdentityProvider
from deploy.local.ports import HeldPort
from deploy.local.process import LocalProcess, interrupted_once
from deploy.local.programs import beside
from deploy.local.settings_files import Value
from gateway.process.files import replace_file

_NAME = "identity-provider"
_LINK = "/link/"
_KEY, _LINKS = "key.pem", "links.json"
_BYTES = 24  # of randomness in a link and in a cookie


@dataclass(frozen=True)
class Link:
    """A person at a console, and the address of that."""

    client: str
    person: str
    console: str


@dataclass
class LinkProvider(IdentityProvider):
    """A provider that takes a browser for the person of the link that it has opened."""

    browsers: dict[str, Link] = field(default_factory=dict)
    """The links that were opened, by the secrets in the cookies of browsers."""
    opened_links: set[str] = field(default_factory=set)

    def opened(self, address: str, headers: Message) -> Answer:
        """See IdentityProvider; of a link, the way to its console. Each link counts once."""
        if not address.startswith(_LINK):
            return self._authorized(address, headers)
        name = address.removeprefix(_LINK)
        link = self._links().get(name)
        if link is None or name in self.opened_links:
            return Answer(http.client.GONE, {}, "This link was used already, or is of another demo.")
        self.opened_links.add(name)
        secret = secrets.token_urlsafe(_BYTES)
        self.browsers[secret] = link
        cookie = f"{_cookie(link.client)}={secret}; Secure; HttpOnly; SameSite=Lax; Path=/authorize"
        return Answer(http.client.SEE_OTHER, {"Location": link.console, "Set-Cookie": cookie})

    def _authorized(self, address: str, headers: Message) -> Answer:
        query = dict(parse_qsl(urlsplit(address).query))
        link = self._link_of(query.get("client_id", ""), headers)
        if link is not None and query.get("redirect_uri") != f"{link.console}/signed-in":
            return Answer(http.client.FORBIDDEN, {}, "This console is not the one of the link.")
        return super().opened(address, headers)

    def person_at(self, client: str, headers: Message) -> str | None:
        """See IdentityProvider."""
        link = self._link_of(client, headers)
        return None if link is None else link.person

    def _link_of(self, client: str, headers: Message) -> Link | None:
        morsel = SimpleCookie(headers.get("Cookie", "")).get(_cookie(client))
        link = None if morsel is None else self.browsers.get(morsel.value)
        return link if link is not None and link.client == client else None

    def _links(self) -> Mapping[str, Link]:
        found = json.loads((self.directory / _LINKS).read_text("utf-8"))
        return {name: Link(**each) for name, each in found.items()}


def add(federation: LocalFederation, replicas: Sequence[Replica]) -> None:
    """Adds a provider to a federation, by which people sign in at the consoles of processes. Start it before use.

    Counts from the federation's start on.
    """
    directory, port = _directory(federation), HeldPort()
    directory.mkdir(parents=True)
    provider = LinkProvider(directory, port=port.number)
    provider.write(*(each.name for each in replicas), valid=federation.valid)
    private = provider.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    replace_file(directory / _KEY, private)
    for each in replicas:
        settings: dict[str, Value] = {key: str(value) for key, value in asdict(provider.client(each.name)).items()}
        federation.web[each.name] = {**federation.web[each.name], "oidc": settings}
    program = beside(federation.directory, _NAME, "deploy.demo.sign_in", f"--port={port.number}")
    federation.beside.append(Replica(_NAME, 0, port, LocalProcess(program)))


def links(federation: LocalFederation, people: Sequence[Link]) -> Sequence[str]:
    """An address for each of these people, by which a browser becomes theirs. Former ones end."""
    named = {secrets.token_urlsafe(_BYTES): each for each in people}
    told = json.dumps({name: asdict(each) for name, each in named.items()})
    replace_file(_directory(federation) / _LINKS, told.encode())
    (provider,) = federation.beside
    return [f"https://{provider.endpoint}{_LINK}{name}" for name in named]


def _directory(federation: LocalFederation) -> Path:
    return federation.directory / "certificates" / _NAME


def _cookie(client: str) -> str:
    return f"demo-{client}"


def main() -> int:
    """Serves until it is told to stop."""
    parser = argparse.ArgumentParser(prog="python -m deploy.demo.sign_in", description=__doc__)
    parser.add_argument("--directory", type=Path, required=True, help="its key, certificate and links")
    parser.add_argument("--port", type=int, required=True, help="of 127.0.0.1")
    parser.add_argument("--port-file", type=Path, required=True, help="holds the port while it serves")
    options = parser.parse_args()
    key = load_pem_private_key((options.directory / _KEY).read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    server = LinkProvider(options.directory, key).server(options.port)
    with interrupted_once():
        options.port_file.write_text(f"{options.port}", "ascii")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
