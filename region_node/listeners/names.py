"""The addresses behind the names of callbacks, looked up beside all other work of the process.

A name server of somebody else may never answer, and nothing ends the thread that asks it.
"""

import asyncio
import socket
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process.turns import Places

if TYPE_CHECKING:
    from aiohttp.abc import ResolveResult

NAMES_AT_ONCE = 16
"""Names that are looked up at a time, by the operator systems of a process in turns."""
SHARE = 4
"""Of these, for one operator system: its silent name servers hold nobody else up."""
PLACE_SECONDS = 5.0
"""The time for which a name waits for its place: half of what a callback has."""


class Names:
    """Looks names up."""

    def __init__(self) -> None:
        self._places = Places(NAMES_AT_ONCE)
        self._shares: defaultdict[str, Places] = defaultdict(partial(Places, SHARE))
        self._threads = ThreadPoolExecutor(NAMES_AT_ONCE, thread_name_prefix="names")

    async def addresses(self, host: str, port: int, operator: str) -> Sequence[tuple[socket.AddressFamily, int, str]]:
        """Family, protocol and address of each; at least one, for an operator system. An address needs no place.

        Raises OSError or UnicodeError, and Refused with CALLBACK_NAME_AWAITED for a name that got no place in time. A
        caller may give up. The name keeps its place until it is answered.
        """
        look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        try:
            found = look_up(flags=socket.AI_NUMERICHOST)
        except socket.gaierror:
            await self._take_place(host, operator)
            asked = asyncio.get_running_loop().run_in_executor(self._threads, look_up)
            asked.add_done_callback(lambda _: self._give_back(operator))
            found = await asyncio.shield(asked)
        return [(family, protocol, str(place[0])) for family, _, protocol, _, place in found]

    async def _take_place(self, host: str, operator: str) -> None:
        share = self._shares[operator]
        try:
            async with asyncio.timeout(PLACE_SECONDS):
                await share.acquire(operator)
                try:
                    await self._places.acquire(operator)
                except asyncio.CancelledError:
                    share.release()
                    raise
        except TimeoutError:
            raise Refused(Reason.REASON_CALLBACK_NAME_AWAITED, host=host) from None

    def _give_back(self, operator: str) -> None:
        self._places.release()
        self._shares[operator].release()


@dataclass(frozen=True)
class NamesOf:
    """The names of one operator system, for the connections of aiohttp: its `AbstractResolver`."""

    names: Names
    operator: str

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> "list[ResolveResult]":
        """See aiohttp; of any family. Raises Refused, too."""
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": each,
                "proto": protocol,
                "flags": socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            }
            for each, protocol, address in await self.names.addresses(host, port, self.operator)
        ]

    async def close(self) -> None:
        """See aiohttp. Other connections go on to look names up."""
