"""A browser at a console: certificate, cookies, pages, and forms of pages."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.cookies import SimpleCookie
from urllib.parse import urlencode

from tests.federation.running import Federation
from tests.federation.web_caller import WebAnswer, WebCaller, web_caller

ROOT = "/console"
COOKIE = "__Host-crossregion"
BOUNDARY = "----of-a-form"
_HIDDEN = re.compile(r'<input type="hidden" name="([a-z0-9_.]+)" value="([^"]*)">')


@dataclass
class Browser:
    """The browser of a person, for example of `region/guangdong/staff/wang`."""

    caller: WebCaller
    cookies: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, federation: Federation, path: str, member: str = "guangdong") -> "Browser":
        """A browser at the console of a member with the certificate of `path`, and without cookies."""
        return cls(web_caller(federation, path, {}, member))

    @property
    def origin(self) -> str:
        """The origin of the console."""
        assert self.caller.port_file is not None
        return f"https://127.0.0.1:{int(self.caller.port_file.read_text())}"

    async def open(self, path: str, **headers: str) -> WebAnswer:
        """A page; a path without a leading slash is below the console."""
        return await self.ask("GET", path, **headers)

    async def ask(self, verb: str, path: str, **headers: str) -> WebAnswer:
        """The answer to a request without a body."""
        return self._kept(await self.caller.ask(verb, _below(path), None, **self._with_cookies(headers)))

    async def send(self, path: str, fields: Mapping[str, str | list[str]], **headers: str) -> WebAnswer:
        """Sends a form as browsers do."""
        said = {"Content_Type": "application/x-www-form-urlencoded", "Origin": self.origin, **headers}
        body = urlencode(fields, doseq=True).encode()
        return self._kept(await self.caller.ask("POST", _below(path), body, **self._with_cookies(said)))

    async def upload(self, path: str, file: bytes, token: str | None = None) -> WebAnswer:
        """Sends a file to a page as browsers do, with the token of the page unless another one is given."""
        said = hidden_fields((await self.open(path)).text, "")["token"] if token is None else token
        body = b"".join(
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + content + b"\r\n"
            for name, more, content in (("token", "", said.encode()), ("file", '; filename="r.bin"', file))
        )
        return await self.send_body(path, body + f"--{BOUNDARY}--\r\n".encode())

    async def send_body(self, path: str, body: bytes, **headers: str) -> WebAnswer:
        """Sends the body of a form with a file, whatever it is."""
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        said = {"Content_Type": kind, "Origin": self.origin, **headers}
        return self._kept(await self.caller.ask("POST", _below(path), body, **self._with_cookies(said)))

    async def sign_in(self) -> WebAnswer:
        """Signs in, and returns the page that it leads to."""
        answer = await self.send("sign-in", {})
        assert answer.status == HTTPStatus.SEE_OTHER, answer.text
        return await self.open(answer.headers["location"])

    async def fill_in(self, path: str, act: str, fields: Mapping[str, str | list[str]]) -> WebAnswer:
        """Opens a page and sends one of its forms, with its hidden fields."""
        return await self.send(path, {**hidden_fields((await self.open(path)).text, act), **fields})

    def _with_cookies(self, headers: Mapping[str, str]) -> dict[str, str]:
        told = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {**headers, **({"Cookie": told} if told else {})}

    def _kept(self, answer: WebAnswer) -> WebAnswer:
        for cookie in answer.cookies:
            self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(cookie).items()}
        return answer


def hidden_fields(page: str, act: str) -> dict[str, str]:
    """The hidden fields of the form of a page with the act; all forms have the same token."""
    for form in re.findall(r"<form method=\"post\".*?</form>", page, re.DOTALL):
        found = {name: html.unescape(value) for name, value in _HIDDEN.findall(form)}
        if found.get("act", "") == act:
            return found
    raise AssertionError(f"the page has no form {act!r}")


def _below(path: str) -> str:
    return path if path.startswith("/") else f"{ROOT}/{path}"
