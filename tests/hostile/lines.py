"""Requests of HTTP written by hand, over HTTPS, so that a client may send what no library lets it."""

import asyncio
import re
import socket
import ssl
import struct
from contextlib import suppress
from dataclasses import dataclass

from gateway.security.tls import Credentials

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


async def dial_https(port: int, context: ssl.SSLContext) -> Line:
    """A connection to a port of this machine."""
    return Line(*await asyncio.open_connection("127.0.0.1", port, ssl=context))


def client_context(own: Credentials) -> ssl.SSLContext:
    """The settings of TLS for a client with these credentials."""
    context = ssl.create_default_context(cafile=str(own.authority))
    context.check_hostname = False
    context.load_cert_chain(own.certificate, own.key)
    return context


def request_of(path: str, *headers: str) -> bytes:
    """A request of a page."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: node", *headers, "", ""]).encode()


def statuses(answers: bytes) -> list[int]:
    """The statuses of answers."""
    return [int(each) for each in _STATUS.findall(answers)]
