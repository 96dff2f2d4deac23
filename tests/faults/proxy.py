"""A TCP proxy that breaks connections on demand and counts its actions.

It copies bytes and understands none of them, so that TLS passes through untouched. "Requests" are the bytes from the
connecting side, "answers" those to it. Counts begin anew with every fault, so that a test can prove the effect of its
fault.
"""

import asyncio
import socket
import struct
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from tests.faults.background import Background

_CHUNK = 64 * 1024  # bytes read at once
_PATIENCE = 10.0  # seconds for the loop to take over a fault


class Fault(Enum):
    """The proxy's treatment of the bytes."""

    NONE = auto()
    CUT = auto()
    """Connections are reset; new ones are taken and reset at once."""
    BLACKHOLE = auto()
    """Nothing gets through in either direction, without an error."""
    ANSWERS_DROPPED = auto()
    """Requests get through; their answers are swallowed."""
    HELD = auto()
    """Nothing gets through for now: it waits for the end of the fault, or is lost when the link is cut."""
    ANSWERS_HELD = auto()
    """Requests get through; their answers wait."""
    DELAYED = auto()
    """Every chunk is late."""


_LOSES_REQUESTS = frozenset({Fault.BLACKHOLE})
_LOSES_ANSWERS = frozenset({Fault.BLACKHOLE, Fault.ANSWERS_DROPPED})
_HOLDS_REQUESTS = frozenset({Fault.HELD})
_HOLDS_ANSWERS = frozenset({Fault.HELD, Fault.ANSWERS_HELD})


@dataclass
class Bytes:
    """The bytes of one direction of a connection since the present fault began."""

    passed: int = 0
    lost: int = 0
    held: int = 0

    def reset(self) -> None:
        """Counts from zero."""
        self.passed = self.lost = self.held = 0


@dataclass(eq=False)
class Connection:
    """A connection through the proxy."""

    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    requests: Bytes = field(default_factory=Bytes)
    answers: Bytes = field(default_factory=Bytes)
    damaged: bool = False
    """Bytes of it are lost: it can never be used again."""
    hung_up: bool = False
    """Whether one side has closed it in order."""

    def abort(self) -> None:
        """Resets both halves."""
        for writer in self.writers:
            _reset(writer)


class FaultProxy:
    """Listens on the loopback and connects to `target()`, which may change from connection to connection."""

    def __init__(self, background: Background, target: Callable[[], str]) -> None:
        self._background = background
        self._target = target
        self._fault = Fault.NONE
        self._delay = 0.0
        self._live: set[Connection] = set()
        self._counted: list[Connection] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._turned_away = 0
        self._changed = asyncio.Event()
        self._server = background.run(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.endpoint = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def connections(self) -> list[Connection]:
        """The connections during the present fault, closed ones too."""
        return list(self._counted)

    @property
    def turned_away(self) -> int:
        """How many connections were reset as they came in, since the present fault began."""
        return self._turned_away

    def most(self, count: Callable[[Connection], int]) -> int:
        """The largest count of any one connection during the present fault."""
        return max(map(count, self.connections), default=0)

    def cut(self) -> None:
        """Resets all connections, and new ones as they come."""
        self._begin(Fault.CUT)

    def blackhole(self) -> None:
        """Swallows everything, without a word."""
        self._begin(Fault.BLACKHOLE)

    def drop_answers(self) -> None:
        """Forwards requests and swallows their answers."""
        self._begin(Fault.ANSWERS_DROPPED)

    def hold(self) -> None:
        """Keeps everything back until the fault ends."""
        self._begin(Fault.HELD)

    def hold_answers(self) -> None:
        """Forwards requests and keeps their answers back until the fault ends."""
        self._begin(Fault.ANSWERS_HELD)

    def delay(self, seconds: float) -> None:
        """Forwards every chunk that much later."""
        self._begin(Fault.DELAYED, seconds)

    def heal(self) -> None:
        """Ends the fault: what was held goes on its way, connections that lost bytes are reset."""
        self._begin(Fault.NONE)

    def close(self) -> None:
        """Stops listening and resets everything."""
        self._run(self._close())

    def _begin(self, fault: Fault, delay: float = 0.0) -> None:
        self._run(self._change(fault, delay))

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._background.start(coroutine).result(_PATIENCE)

    async def _change(self, fault: Fault, delay: float) -> None:
        self._fault, self._delay, self._turned_away = fault, delay, 0
        if fault in (Fault.CUT, Fault.NONE):
            for connection in list(self._live):
                if fault is Fault.CUT or connection.damaged:
                    connection.abort()
        self._counted = list(self._live)
        for connection in self._counted:
            connection.requests.reset()
            connection.answers.reset()
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _close(self) -> None:
        self._server.close()
        for connection in list(self._live):
            connection.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._fault is Fault.CUT:
            self._turned_away += 1
            _reset(writer)
            return
        # Known before its task begins: a cut that comes first must find it.
        connection = Connection([writer])
        self._live.add(connection)
        self._counted.append(connection)
        task = asyncio.get_running_loop().create_task(self._serve(connection, reader))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: Connection, reader: asyncio.StreamReader) -> None:
        (writer,) = connection.writers
        try:
            if self._fault is Fault.BLACKHOLE:
                connection.damaged = True
                await self._swallow(connection, reader)
                return
            host, _, port = self._target().rpartition(":")
            target_reader, target_writer = await asyncio.open_connection(host, int(port))
            connection.writers.append(target_writer)
            async with asyncio.TaskGroup() as group:
                for way in (
                    _Way(connection, connection.requests, reader, target_writer, _LOSES_REQUESTS, _HOLDS_REQUESTS),
                    _Way(connection, connection.answers, target_reader, writer, _LOSES_ANSWERS, _HOLDS_ANSWERS),
                ):
                    group.create_task(self._take(way))
                    group.create_task(self._pass_on(way))
        except* OSError:
            pass  # one side is gone, and with it the connection
        finally:
            connection.abort()
            self._live.discard(connection)

    async def _swallow(self, connection: Connection, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(_CHUNK):
            connection.requests.lost += len(data)

    async def _take(self, way: "_Way") -> None:
        while data := await way.reader.read(_CHUNK):
            if self._fault in way.holds:
                way.counted.held += len(data)
            way.waiting.put_nowait(data)
        way.waiting.put_nowait(b"")

    async def _pass_on(self, way: "_Way") -> None:
        while data := await way.waiting.get():
            while self._fault in way.holds:
                await self._changed.wait()
            if self._fault is Fault.DELAYED:
                await asyncio.sleep(self._delay)
            if self._fault in way.loses:
                way.connection.damaged = True
                way.counted.lost += len(data)
                continue
            try:
                way.writer.write(data)
                await way.writer.drain()
            except ConnectionError:
                if not way.connection.hung_up:
                    raise
                return  # whoever has hung up is told nothing more; what it said last is still on its way
            way.counted.passed += len(data)
        # Whoever cannot hear the other side does not hear it hang up either.
        while self._fault in way.loses or self._fault in way.holds:
            await self._changed.wait()
        # Not the hard way, which loses what the other end has not read yet.
        way.connection.hung_up = True
        way.writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Resets a connection: the peer learns that its bytes are lost."""
    connection = writer.get_extra_info("socket")
    if not writer.transport.is_closing():
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@dataclass
class _Way:
    """A direction of a connection."""

    connection: Connection
    counted: Bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    loses: frozenset[Fault]
    holds: frozenset[Fault]
    waiting: "asyncio.Queue[bytes]" = field(default_factory=asyncio.Queue)
