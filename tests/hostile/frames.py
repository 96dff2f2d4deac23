"""HTTP/2 frames written by hand (RFC 9113, RFC 7541), so that a client may send what no library lets it."""

import asyncio
import itertools
import ssl
import struct
from collections.abc import Iterable, Sequence
from contextlib import suppress

from gateway.security.tls import Credentials

DATA, HEADERS, RST_STREAM, SETTINGS, PING, CONTINUATION = 0x0, 0x1, 0x3, 0x4, 0x6, 0x9
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4
CANCEL = struct.pack(">I", 0x8)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEAD = 9
SETTINGS_SECONDS = 60.0  # in which a server sends its settings
_LITERAL = b"\x00"  # never indexed, with a name of its own
_SEVEN_BITS = 0x7F


def frame(kind: int, stream: int, payload: bytes = b"", flags: int = 0) -> bytes:
    """One frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def block(headers: Iterable[tuple[str, str]]) -> bytes:
    """A header block without any compression."""
    return b"".join(_LITERAL + _text(name) + _text(value) for name, value in headers)


def call_headers(path: str, *more: tuple[str, str]) -> bytes:
    """The header block of a gRPC call."""
    return block(
        [
            (":method", "POST"),
            (":scheme", "https"),
            (":path", path),
            (":authority", "node"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("grpc-timeout", "200S"),
            *more,
        ]
    )


def _text(text: str) -> bytes:
    data = text.encode("ascii")
    length = len(data)
    if length < _SEVEN_BITS:
        return bytes([length]) + data
    head, length = bytearray([_SEVEN_BITS]), length - _SEVEN_BITS
    while length > _SEVEN_BITS:
        head.append(length & _SEVEN_BITS | 0x80)
        length >>= 7
    head.append(length)
    return bytes(head) + data


class Connection:
    """A connection of a client, which reads what comes and keeps little of it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.kinds: dict[int, int] = {}
        """How many frames of each kind have come."""
        self.streams = itertools.count(1, 2)
        """The ids of its streams that come next."""
        self._settled = asyncio.Event()
        self._is_amid_headers = False
        self.ended = asyncio.get_running_loop().create_task(self._read())
        """Ends with the connection."""

    @classmethod
    async def open(cls, endpoint: str, name: str, credentials: Credentials, stranger: str = "") -> "Connection":
        """Connects, by TLS and the preface of HTTP/2. A stranger comes from an address, and shows no certificate."""
        host, _, port = endpoint.rpartition(":")
        context = ssl.create_default_context(cafile=str(credentials.authority))
        if not stranger:
            context.load_cert_chain(credentials.certificate, credentials.key)
        context.set_alpn_protocols(["h2"])
        local = (stranger, 0) if stranger else None
        reader, writer = await asyncio.open_connection(
            host, int(port), ssl=context, server_hostname=name, local_addr=local
        )
        connection = cls(reader, writer)
        await connection.send(PREFACE + frame(SETTINGS, 0))
        return connection

    async def send(self, data: bytes) -> bool:
        """Sends bytes as soon as the server takes them; returns whether the connection still stands."""
        if self.ended.done():
            return False
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError:
            return False
        return True

    async def begin_headers(self, stream: int, block: bytes) -> bool:
        """Sends headers that do not end: from then on no frame may come between them, not even an acknowledgement."""
        async with asyncio.timeout(SETTINGS_SECONDS):
            await self._settled.wait()
        self._is_amid_headers = True
        return await self.send(frame(HEADERS, stream, block))

    async def send_all(self, parts: Sequence[bytes]) -> bool:
        """Sends parts one after the other, until the connection ends."""
        for part in parts:
            if not await self.send(part):
                return False
        return True

    async def close(self) -> None:
        """Cuts it."""
        self._writer.transport.abort()
        await asyncio.wait([self.ended])

    async def _read(self) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await self._reader.readexactly(_HEAD)
                payload = await self._reader.readexactly(int.from_bytes(head[:3]))
                self.kinds[head[3]] = self.kinds.get(head[3], 0) + 1
                if head[4] & ACK or self._is_amid_headers:
                    continue
                if head[3] == SETTINGS:
                    self._writer.write(frame(SETTINGS, 0, flags=ACK))
                    self._settled.set()
                elif head[3] == PING:
                    self._writer.write(frame(PING, 0, payload, flags=ACK))
