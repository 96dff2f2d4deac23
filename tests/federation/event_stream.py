"""A stream of Server-Sent Events at a console, as a browser reads it."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from tests.federation.browser import ROOT, Browser
from tests.federation.web_caller import SECONDS


@dataclass(frozen=True)
class Told:
    """An event."""

    name: str
    id: str
    data: str


class EventStream:
    """The events of an open stream."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer

    async def next(self) -> Told:
        """The next event."""
        while True:
            fields: dict[str, list[str]] = {}
            while line := (await self.answer.content.readline()).decode().rstrip("\n"):
                name, _, value = line.partition(": ")
                fields.setdefault(name, []).append(value)
            if "event" in fields:
                return Told(fields["event"][0], fields.get("id", [""])[0], "\n".join(fields["data"]))
            assert not self.answer.content.at_eof(), "the stream has ended"


@asynccontextmanager
async def event_stream(browser: Browser, path: str, known: str = "") -> AsyncIterator[EventStream]:
    """A stream at a path below the console. `known` is the id of the last event that the browser has."""
    own = browser.caller.credentials
    assert own is not None
    context = ssl.create_default_context(cafile=str(browser.caller.authority))
    context.check_hostname = False
    context.load_cert_chain(own.certificate, own.key)
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items())}
    headers |= {"Last-Event-ID": known} if known else {}
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS)) as session,
        session.get(f"{browser.origin}{ROOT}/{path}", headers=headers, ssl=context, allow_redirects=False) as answer,
    ):
        yield EventStream(answer)
