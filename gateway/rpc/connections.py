"""Closes connections that fill the memory of a server with bytes that never become a whole message.

gRPC bounds each frame of a call's metadata and not all of them. It keeps the part of a message that has come, of any
number of calls, and shows it to nobody. It shows a server none of its connections, and lets it close none. So this
module looks at the sockets of the process, by what Linux knows of them.
"""

import asyncio
import logging
import os
import socket
import stat
import struct
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import unquote

from gateway.process.resident import Growth, give_back, resident_bytes
from gateway.rpc.shares import BYTES
from gateway.values.sizes import MIB

_log = logging.getLogger(__name__)
LOOK = 0.25  # seconds between two looks at the memory, each of which costs 50 microseconds
GROWTH = 64 * MIB  # in ten seconds, from which the connections are looked at: a node grows so in a burst of work
LARGE = 512 * MIB  # memory from which they are looked at in any case: half of what the shipped descriptions allow
SELDOM = 1.0  # seconds between two looks at them then: a look examines each open file
# Bytes of a caller that are part of no whole message: as many as a server serves at a time (`gateway.rpc.shares`). Of a
# connection without a call, which may have many from before, half of it.
MOST = BYTES
MOST_OF_JOINER = 2 * MIB  # the same of a stranger, whose requests are small
# Bytes beside those of a message: metadata with a proof of who acts, and frames. A caller that hides others among them
# needs a served call for each such part.
OF_CALL, OF_MESSAGE, OF_FRAMES = 4096, 128, 64  # the last one is the part of a message that its frames add at most
SETTLED = 1.0  # seconds after a closing, until gRPC has freed the memory of the connection and it is given back
_OPEN_FILES = Path("/proc/self/fd")
_TCP_INFO_BYTES, _BYTES_RECEIVED = 136, 128  # Linux's struct tcp_info up to tcpi_bytes_received, and where that stands


Callers = Callable[[], Mapping[str, str]]
"""Gives the caller of each connection with an open call, by the names that gRPC has for the other end."""


class _HasPeer(Protocol):
    def peer(self) -> str: ...


class ConnectionWatch:
    """Watches the connections of one server while the memory of its process grows. Used on one event loop."""

    def __init__(self, growth: int = GROWTH, most: int = MOST) -> None:
        """Bytes: the growth from which it watches, and the most that the connections of a caller leave unfinished."""
        self._growth = growth
        self._most = most
        self._lately = Growth()
        self._sent: dict[str, _Sent] | None = None
        """What each connection had sent at the last look, while they are watched."""
        self._whole: Counter[str] = Counter()
        """The bytes of each connection since the last look that belong to whole messages."""
        self._scanned = 0.0
        """When the connections were looked at last."""
        self._closed = 0.0
        """When a connection was closed last."""
        self._due: float | None = None
        """When the memory of closed connections is to be given back."""

    def heard(self, call: _HasPeer, size: int, *, begins: bool) -> None:
        """A message of so many bytes has come whole, perhaps with the beginning of its call."""
        if self._sent is not None:
            around = OF_CALL if begins else OF_MESSAGE
            self._whole[unquote(call.peer())] += size + size // OF_FRAMES + around

    async def run(self, port: int, callers: Callers) -> None:
        """Looks again and again, and closes connections of the port. Ends on another system than Linux."""
        told, loop = "", asyncio.get_running_loop()
        while sys.platform == "linux":
            try:
                self.look(port, callers, loop.time())
            except OSError as error:  # a sandbox hides the process from itself, or it may open no more files
                if told != str(error):
                    told = str(error)
                    _log.error("cannot look at the connections: %s", error)
            await asyncio.sleep(LOOK)

    def look(self, port: int, callers: Callers, now: float) -> None:
        """Looks once, at `now` of the event loop."""
        size = resident_bytes()
        grows = self._lately.note(size, now) >= self._growth
        if not grows and size < LARGE:
            self._sent = None
        elif grows or now - self._scanned >= SELDOM:
            self._scanned = now
            if self._close_full(port, callers()):
                self._closed = now
                self._due = self._due or now + SETTLED
        if self._due is not None and now >= self._due:
            later = self._closed + SETTLED
            self._due = later if later > now else None
            give_back()

    def _close_full(self, port: int, callers: Mapping[str, str]) -> bool:
        """Closes connections of callers that have left too much unfinished; whether there were any."""
        before, whole = self._sent, self._whole
        self._sent, self._whole = {}, Counter()
        unfinished: dict[str, dict[str, int]] = {}
        for _, peer, received in _connections(port):
            sent = _Sent.first(received) if before is None else before.get(peer, _NOTHING).then(received, whole[peer])
            self._sent[peer] = sent
            unfinished.setdefault(callers.get(peer, peer), {})[peer] = sent.unfinished
        # Without a call a connection has metadata alone that do not end.
        most = defaultdict(lambda: self._most // 2, dict.fromkeys(callers.values(), self._most))
        full = {peer: size for each, sizes in unfinished.items() for peer, size in _beyond(sizes, most[each])}
        if full:
            for connection, peer, _ in _connections(port):
                if peer in full:
                    told = "closes the connection of %s, which has left %d MiB unfinished while the memory grew"
                    _log.warning(told, peer, full[peer] // MIB)
                    with suppress(OSError):  # it has ended by itself
                        connection.shutdown(socket.SHUT_RDWR)  # `close` would end this descriptor alone, not gRPC's
                    self._sent.pop(peer, None)
        return bool(full)


class _Sent(NamedTuple):
    """What a connection has sent: bytes since it began, and those among them that belong to no whole message."""

    received: int
    unfinished: int

    @classmethod
    def first(cls, received: int) -> "_Sent":
        """At the first look: nobody knows what messages came before."""
        return cls(received, 0)

    def then(self, received: int, whole: int) -> "_Sent":
        """At the next look, after so many bytes of whole messages, of which earlier ones may be a part."""
        # A new connection from the same end has sent less than the one before.
        last = self if received >= self.received else _NOTHING
        return _Sent(received, max(0, last.unfinished + received - last.received - whole))


_NOTHING = _Sent(0, 0)


def _beyond(unfinished: Mapping[str, int], most: int) -> Iterator[tuple[str, int]]:
    """The connections of a caller to close, those with the most bytes first, until the rest is few enough."""
    left = sum(unfinished.values())
    for peer, size in sorted(unfinished.items(), key=lambda each: each[1], reverse=True):
        if left <= most:
            return
        left -= size
        yield peer, size


def _connections(port: int) -> Iterator[tuple[socket.socket, str, int]]:
    """The connections to a port of this process: each with its other end, and the bytes that have come since it began.

    A socket lasts until the next one.
    """
    for name in os.listdir(_OPEN_FILES):
        with suppress(OSError):  # gRPC has closed it meanwhile, or it is no connection
            if not stat.S_ISSOCK(os.stat(int(name)).st_mode):
                continue
            with socket.socket(fileno=os.dup(int(name))) as found:
                is_tcp = found.family in (socket.AF_INET, socket.AF_INET6) and found.type == socket.SOCK_STREAM
                if is_tcp and found.getsockname()[1] == port:
                    yield found, _peer(found), _received(found)


def _peer(connection: socket.socket) -> str:
    """The other end, as gRPC names it to the server of a call."""
    host, port = connection.getpeername()[:2]
    is_mapped = host.startswith("::ffff:")
    if is_mapped or connection.family == socket.AF_INET:
        return f"ipv4:{host.removeprefix('::ffff:')}:{port}"
    return f"ipv6:[{host}]:{port}"


def _received(connection: socket.socket) -> int:
    told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    return int(struct.unpack_from("=Q", told, _BYTES_RECEIVED)[0])
