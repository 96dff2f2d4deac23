"""The addresses behind the names of callbacks, looked up beside all other work of the process.

A name server of somebody else may never answer, and nothing ends the thread that asks it.
"""

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from gateway.process.turns import Places

if TYPE_CHECKING:
    from aiohttp.abc import ResolveResult

NAMES_AT_ONCE = 16
"""Names that are looked up at a time, by the operator systems of a process in turns."""


class Names:
    """Looks names up, also for the connections of aiohttp, as its `AbstractResolver`."""

    def __init__(self) -> None:
        self._places = Places(NAMES_AT_ONCE)
        self._threads = ThreadPoolExecutor(NAMES_AT_ONCE, thread_name_prefix="names")

    async def addresses(self, host: str, port: int) -> Sequence[tuple[socket.AddressFamily, int, str]]:
        """Family, protocol and address of each; at least one. Raises OSError or UnicodeError.

        A caller may give up. The name keeps its place until it is answered.
        """
        await self._places.acquire()
        look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        asked = asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        asked.add_done_callback(lambda _: self._places.release())
        return [(family, protocol, str(place[0])) for family, _, protocol, _, place in await asyncio.shield(asked)]

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> "list[ResolveResult]":
        """See aiohttp; of any family."""
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": each,
                "proto": protocol,
                "flags": socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            }
            for each, protocol, address in await self.addresses(host, port)
        ]

    async def close(self) -> None:
        """See aiohttp. Other connections go on to look names up."""
