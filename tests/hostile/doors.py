"""Requests of HTTP written by hand, at a port of HTTPS, so that a client may send what no library lets it."""

import asyncio
import os
import re
import socket
import ssl
import struct
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.process.resident import resident_bytes
from gateway.security.tls import Credentials
from tests.bench.chain import credentials_in

ANSWER_SECONDS = 120.0  # in which an honest request is answered on a busy machine
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
_AT_ONCE = struct.pack("ii", 1, 0)  # of SO_LINGER: closing resets


@dataclass
class Line:
    """A connection of a client."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> bool:
        """Sends bytes as soon as the server takes them; returns whether the connection still stands."""
        try:
            self.writer.write(data)
            await self.writer.drain()
        except OSError:
            return False
        return not self.reader.at_eof()

    async def rest(self) -> bytes:
        """All that comes until the connection ends."""
        told = bytearray()
        with suppress(OSError):
            while part := await self.reader.read(1 << 16):
                told += part
        return bytes(told)

    def pause(self) -> None:
        """Reads nothing more."""
        self.writer.transport.pause_reading()  # type: ignore[attr-defined]

    def cut(self) -> None:
        """Closes it."""
        self.writer.transport.abort()

    def reset(self) -> None:
        """Resets it."""
        raw: socket.socket = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.cut()


class Door:
    """A port of HTTPS under attack."""

    def __init__(self, port: int, pid: int, attacker: Path, honest: Path, path: str, cookie: str = "") -> None:
        """`path` is the page that the honest caller reads."""
        self._port = port
        self._pid = pid
        self._attacker, self._honest = _context(credentials_in(attacker)), _context(credentials_in(honest))
        self.path = path
        self.cookie = cookie

    @property
    def memory(self) -> int:
        """Bytes of the server."""
        return resident_bytes(self._pid)

    @property
    def files(self) -> int:
        """The open files of the server."""
        return len(os.listdir(f"/proc/{self._pid}/fd"))

    def get(self, path: str = "", *headers: str) -> bytes:
        """A request of a page."""
        lines = [f"GET {path or self.path} HTTP/1.1", "Host: node", f"Cookie: {self.cookie}", *headers]
        return "\r\n".join([*lines, "", ""]).encode()

    async def connect(self) -> Line:
        """A connection of the attacker."""
        return Line(*await asyncio.open_connection("127.0.0.1", self._port, ssl=self._attacker))

    async def told(self, data: bytes) -> bytes:
        """The answers to what the attacker sends, until the connection ends."""
        line = await self.connect()
        await line.send(data)
        answers = await line.rest()
        line.cut()
        return answers

    async def ask(self) -> int:
        """The status that the honest caller gets, on a connection of its own."""
        async with asyncio.timeout(ANSWER_SECONDS):
            line = Line(*await asyncio.open_connection("127.0.0.1", self._port, ssl=self._honest))
            await line.send(self.get("", "Connection: close"))
            (status,) = statuses(await line.rest())
        line.cut()
        return status

    async def beside(self, harm: Awaitable[None]) -> int:
        """Has harm done while the honest caller asks, and thereafter; the most bytes of the server meanwhile."""
        doing, most = asyncio.ensure_future(harm), 0
        while not doing.done():
            assert await self.ask() == 200
            most = max(most, self.memory)
        doing.result()
        assert await self.ask() == 200
        return max(most, self.memory)


def statuses(answers: bytes) -> list[int]:
    """The statuses of answers."""
    return [int(each) for each in _STATUS.findall(answers)]


def _context(own: Credentials) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(own.authority))
    context.check_hostname = False
    context.load_cert_chain(own.certificate, own.key)
    return context
