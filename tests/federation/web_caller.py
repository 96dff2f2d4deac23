"""A system that speaks HTTP to the node of its region, with its certificate."""

import asyncio
import http.client
import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from gateway.security.tls import Credentials
from tests.federation.counter import REQUESTER
from tests.federation.running import Federation

SECONDS = 60.0
NO_CONNECTION = (ssl.SSLError, ConnectionError)
"""The errors of a caller whose connection a server refuses: an alert of TLS, or an end before one is read."""
CLERK = {"Requester-Staff-Id": REQUESTER.staff_id, "Requester-Channel": "counter"}
API = "/tmf-api/productOrderingManagement/v4"
_PLACES = {
    "requester.staff_id": "Requester-Staff-Id",
    "request_id": "Idempotency-Key",
    "report.description": "description",
    "complaint.description": "description",
    "alarm_ids": "alarmPattern",
    "field text ": "field note.text ",
}
ORDERS, CANCELLATIONS = f"{API}/productOrder", f"{API}/cancelProductOrder"


@dataclass(frozen=True)
class WebAnswer:
    """An answer of HTTP."""

    status: int
    headers: Mapping[str, str]
    """By names in lower case."""
    text: str
    cookies: Sequence[str] = ()
    """The headers `Set-Cookie`."""

    @property
    def body(self) -> dict[str, object]:
        """The JSON object in it."""
        made = json.loads(self.text)
        assert isinstance(made, dict), made
        return made

    @property
    def bodies(self) -> list[dict[str, object]]:
        """The JSON objects of a list."""
        made = json.loads(self.text)
        assert isinstance(made, list), made
        return made


@dataclass(frozen=True)
class WebCaller:
    """Whoever has these credentials, at the port in a file; None has no certificate at all."""

    port_file: Path
    authority: Path
    credentials: Credentials | None
    headers: Mapping[str, str]

    async def ask(
        self, verb: str, path: str, body: Mapping[str, object] | bytes | None = None, **headers: str
    ) -> WebAnswer:
        """One request on a connection of its own. Names of headers have `_` for `-`; a body is JSON, or as it is."""
        said = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        data = json.dumps(body).encode() if isinstance(body, Mapping) else body
        if data is not None:
            said.setdefault("Content-Type", "application/json")
        return await asyncio.to_thread(self._ask, verb, path, data, said)

    def saying(self, headers: Mapping[str, str]) -> "WebCaller":
        """The same caller with these headers in each request."""
        return replace(self, headers={**self.headers, **headers})

    def _ask(self, verb: str, path: str, data: bytes | None, headers: Mapping[str, str]) -> WebAnswer:
        context = ssl.create_default_context(cafile=str(self.authority))
        context.check_hostname = False
        if self.credentials is not None:
            context.load_cert_chain(self.credentials.certificate, self.credentials.key)
        port = int(self.port_file.read_text())
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=SECONDS, context=context)
        try:
            connection.request(verb, path, data, dict(headers))
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.headers.items()}
            cookies = tuple(answer.headers.get_all("Set-Cookie", []))
            return WebAnswer(answer.status, told, answer.read().decode(), cookies)
        finally:
            connection.close()


def web_caller(
    federation: Federation, path: str, headers: Mapping[str, str] = CLERK, member: str = "guangdong"
) -> WebCaller:
    """Whoever has the certificate of `path`, at a member; a clerk unless the headers say otherwise."""
    web, own = federation.web[member], federation.certificates.credentials(path)
    assert web.port_file is not None
    return WebCaller(web.port_file, own.authority, own, headers)


def without_certificate(
    federation: Federation, member: str, token: str = "", headers: Mapping[str, str] = CLERK
) -> WebCaller:
    """A caller of a member without a certificate; with an access token, if there is one."""
    said = {**headers, **({"Authorization": f"Bearer {token}"} if token else {})}
    return replace(web_caller(federation, f"region/{member}/staff/nobody", said, member), credentials=None)


def order_path(order_id: str) -> str:
    """Where an order is read."""
    return below(ORDERS, order_id)


def below(path: str, name: str) -> str:
    """Where a resource is read, by its id."""
    return f"{path}/{quote(name, safe='')}"


def by_http_places(told: str) -> str:
    """The text of a refusal by gRPC as it is over HTTP, which names the places that become these fields."""
    for field, place in _PLACES.items():
        told = told.replace(field, place)
    return told
