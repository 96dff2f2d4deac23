"""Closes connections that fill the memory of a server with bytes that never become a call.

gRPC bounds each frame of a call's metadata and not all of them, shows a server none of its connections, and lets it
close none. So this module looks at the sockets of the process, by what Linux knows of them.
"""

import asyncio
import logging
import os
import socket
import stat
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

from gateway.process.resident import Growth, give_back, resident_bytes
from gateway.values.sizes import MIB

_log = logging.getLogger(__name__)
LOOK = 0.25  # seconds between two looks at the memory, each of which costs 50 microseconds
GROWTH = 64 * MIB  # in ten seconds, from which the connections are looked at: a node grows so in a burst of work
LARGE = 1024 * MIB  # memory from which they are looked at in any case
SELDOM = 1.0  # seconds between two looks at them then: a look examines each open file
# Bytes of a connection since a call of it began or went on: many requests of the largest size may be on their way.
MOST = 64 * MIB
MOST_OF_JOINER = MIB  # the same of a stranger, whose requests are small
SETTLED = 1.0  # seconds after a closing, until gRPC has freed the memory of the connection and it is given back
_OPEN_FILES = Path("/proc/self/fd")
_TCP_INFO_BYTES, _BYTES_RECEIVED = 136, 128  # Linux's struct tcp_info up to tcpi_bytes_received, and where that stands


class _HasPeer(Protocol):
    def peer(self) -> str: ...


class ConnectionWatch:
    """Watches the connections of one server while the memory of its process grows. Used on one event loop."""

    def __init__(self, growth: int = GROWTH, most: int = MOST) -> None:
        """Bytes: the growth from which it watches, and the most that a connection may send without a call."""
        self._growth = growth
        self._most = most
        self._lately = Growth()
        self._counted: dict[str, int] | None = None
        """The bytes of each connection at its last call, while they are watched."""
        self._heard: set[str] = set()
        """The connections with a call since the last look."""
        self._scanned = 0.0
        """When the connections were looked at last."""
        self._closed = 0.0
        """When a connection was closed last."""
        self._due: float | None = None
        """When the memory of closed connections is to be given back."""

    def heard(self, call: _HasPeer) -> None:
        """A call has begun, or a message of it has come."""
        if self._counted is not None:
            self._heard.add(unquote(call.peer()))

    async def run(self, port: int) -> None:
        """Looks again and again, and closes connections of the port. Ends on another system than Linux."""
        told, loop = "", asyncio.get_running_loop()
        while sys.platform == "linux":
            try:
                self.look(port, loop.time())
            except OSError as error:  # a sandbox hides the process from itself, or it may open no more files
                if told != str(error):
                    told = str(error)
                    _log.error("cannot look at the connections: %s", error)
            await asyncio.sleep(LOOK)

    def look(self, port: int, now: float) -> None:
        """Looks once, at `now` of the event loop."""
        size = resident_bytes()
        grows = self._lately.note(size, now) >= self._growth
        if not grows and size < LARGE:
            self._counted = None
        elif grows or now - self._scanned >= SELDOM:
            self._scanned = now
            if self._close_silent(port):
                self._closed = now
                self._due = self._due or now + SETTLED
        if self._due is not None and now >= self._due:
            later = self._closed + SETTLED
            self._due = later if later > now else None
            give_back()

    def _close_silent(self, port: int) -> bool:
        """Closes connections that have sent too much without a call since they were watched; whether there were any."""
        before, heard, has_closed = self._counted or {}, self._heard, False
        self._counted, self._heard = {}, set()
        for connection, peer, received in _connections(port):
            # A new connection from the same end has sent less than the one before.
            counted = received if peer in heard else min(received, before.get(peer, received))
            if received - counted <= self._most:
                self._counted[peer] = counted
                continue
            told = "closes the connection of %s, which has sent %d MiB without a call while the memory grew"
            _log.warning(told, peer, (received - counted) // MIB)
            with suppress(OSError):  # it has ended by itself
                connection.shutdown(socket.SHUT_RDWR)  # `close` would end this descriptor alone, and not gRPC's
            has_closed = True
        return has_closed


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
