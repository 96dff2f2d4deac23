"""Calls of callbacks: by TLS that is verified, and only to addresses that may be called."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from functools import cached_property
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, cast
from urllib.parse import SplitResult

from gateway.errors import Unreachable
from region_node.listeners.forms import Network, may_be_called, port_of, refused_callback
from region_node.listeners.names import Names, NamesOf
from region_node.node.settings import ListenerSettings

if TYPE_CHECKING:
    from aiohttp import AddrInfoType, ClientSession
    from aiohttp.abc import AbstractResolver

POST_SECONDS = 10.0  # for one event, with all that its connection takes
# Of an answer, in one step of the event loop: 256 KiB of interim answers take it 40 ms, again and again.
_READ_BYTES = 16 * 1024
_TAKEN = range(200, 300)  # everything else, a redirect too, is a failure


class Connection:
    """A connection to callbacks, on which events follow each other."""

    def __init__(self, session: "ClientSession") -> None:
        self._session = session

    async def post(self, url: SplitResult, headers: Mapping[str, str], body: bytes) -> None:
        """Posts a body. Raises Unreachable unless the callback has taken it, or Refused as `require_callable`."""
        from aiohttp import ClientError  # noqa: PLC0415
        from yarl import URL  # noqa: PLC0415

        target = URL(url.geturl(), encoded=True)  # the bytes that the signature names
        try:
            async with self._session.post(target, data=body, headers=headers, allow_redirects=False) as answer:
                status = answer.status
        except (ClientError, OSError, TimeoutError, ValueError) as failure:
            raise Unreachable(type(failure).__name__) from None  # its text may hold the address
        if status not in _TAKEN:
            raise Unreachable(f"HTTP {status}")


class Callbacks:
    """The way out to the callbacks of listeners."""

    def __init__(self, settings: ListenerSettings) -> None:
        self._settings = settings
        self._networks: Collection[Network] = [ip_network(each) for each in settings.networks]
        self._names = Names()

    async def require_callable(self, url: SplitResult, operator: str) -> None:
        """Raises Refused with CALLBACK_REFUSED for a host without an address, or with one that may not be called.

        Raises it with CALLBACK_NAME_AWAITED for a name that got no turn to be looked up: a later call may succeed.
        """
        host = url.hostname or ""
        try:
            async with asyncio.timeout(POST_SECONDS):
                found = await self._names.addresses(host, port_of(url), operator)
        except (OSError, UnicodeError):
            raise refused_callback(host) from None
        if not all(self._may_call(address) for _, _, address in found):
            raise refused_callback(host)

    @asynccontextmanager
    async def connected(self, operator: str) -> AsyncIterator[Connection]:
        """Connections of an operator system are opened at the first post, and closed at the end."""
        # A large import, needed only by nodes with a listener.
        from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector  # noqa: PLC0415

        names = cast("AbstractResolver", NamesOf(self._names, operator))
        connector = TCPConnector(
            ssl=self._trusted, limit=1, resolver=names, use_dns_cache=False, socket_factory=self._socket
        )
        async with ClientSession(
            connector=connector,
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(total=POST_SECONDS),
            headers={"User-Agent": "region-node"},
            auto_decompress=False,
        ) as session:
            yield Connection(session)

    @cached_property
    def _trusted(self) -> ssl.SSLContext:
        """Read once: a replaced authority counts from the next start."""
        return ssl.create_default_context(cafile=self._settings.authority)

    def _socket(self, address: "AddrInfoType") -> socket.socket:
        """The socket for one address, after the name was resolved: a name that leads elsewhere now is seen here."""
        family, kind, protocol, _, place = address
        if not self._may_call(str(place[0])):
            raise PermissionError("the address may not be called")
        opened = socket.socket(family, kind, protocol)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _READ_BYTES)
        return opened

    def _may_call(self, address: str) -> bool:
        return may_be_called(ip_address(address.partition("%")[0]), self._networks)
