"""Ports of HTTPS under attack, with an honest caller at each."""

import os
from collections.abc import Awaitable
from pathlib import Path

from tests.bench.chain import credentials_in
from tests.hostile.caller import HTTPS, PAUSE, HonestCaller
from tests.hostile.lines import Line, client_context, dial_https, request_of
from tests.hostile.served import Served, beside

ANSWER_SECONDS = 120.0  # in which a request is answered on a busy machine


class Door:
    """A port of HTTPS under attack."""

    def __init__(self, port: int, pid: int, attacker: Path, honest: Path, path: str, log: Path) -> None:
        """`path` is the page that the honest caller reads, `log` the file of its output."""
        self._port, self._pid = port, pid
        self._attacker = client_context(credentials_in(attacker))
        self._honest = HonestCaller(HTTPS, f"127.0.0.1:{port}", path, honest, pid, log)
        self._honest.call(1)
        self.path = path
        self.cookie = ""
        """Of the attacker."""

    def close(self) -> None:
        """Ends the honest caller."""
        self._honest.close()

    @property
    def files(self) -> int:
        """The open files of the server."""
        return len(os.listdir(f"/proc/{self._pid}/fd"))

    def get(self, path: str = "", *headers: str) -> bytes:
        """A request of a page by the attacker."""
        return request_of(path or self.path, f"Cookie: {self.cookie}", *headers)

    async def connect(self) -> Line:
        """A connection of the attacker."""
        return await dial_https(self._port, self._attacker)

    async def told(self, data: bytes) -> bytes:
        """The answers to what the attacker sends, until the connection ends."""
        line = await self.connect()
        await line.send(data)
        answers = await line.rest()
        line.cut()
        return answers

    async def beside(self, harm: Awaitable[None]) -> Served:
        """Has harm done while the honest caller asks, and before and after it."""
        async with beside(self._honest, self._pid, PAUSE, PAUSE) as served:
            await harm
            await served.end()
        return served
