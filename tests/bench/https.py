"""A connection to the HTTPS listener of a process, as the load of a bench uses it."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import NamedTuple

from gateway.security.tls import Credentials


class NotAsExpected(Exception):
    """A request was refused: the run measures nothing."""


class Answer(NamedTuple):
    """The answer to a request; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def https_context(credentials: Credentials) -> ssl.SSLContext:
    """A client's side of mutual TLS."""
    context = ssl.create_default_context(cafile=str(credentials.authority))
    context.load_cert_chain(credentials.certificate, credentials.key)
    return context


class HttpCaller:
    """A connection of HTTP/1.1 that stays open. It reads what a process answers, and no more of the protocol."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext, name: str) -> None:
        self._place = (host, port)
        self._context = context
        self._name = name
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, verb: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """The answer to a request. Raises NotAsExpected for a refusal."""
        if self._connection is None:
            self._connection = await asyncio.open_connection(
                *self._place, ssl=self._context, server_hostname=self._name
            )
        reader, writer = self._connection
        length = {"Content-Length": str(len(body))} if verb == "POST" else {}
        lines = "".join(f"{name}: {value}\r\n" for name, value in {"Host": self._name, **length, **headers}.items())
        writer.write(f"{verb} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body)
        first, *told = (await reader.readuntil(b"\r\n\r\n")).decode().rstrip().split("\r\n")
        found = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in told)}
        answer = Answer(int(first.split(" ", 2)[1]), found, await reader.readexactly(int(found["content-length"])))
        if answer.status >= 400:
            raise NotAsExpected(f"{path}: {first}: {answer.body.decode()}")
        return answer
