"""Requests as bytes, parsed only after the border has admitted their caller.

A parsed message takes up to a hundred times its bytes. So each RPC declares the size of its requests
(`gateway.rpc.access`), and the elements of a request are counted in its bytes (`gateway.rpc.element_counts`).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.rpc.admission import current_place, elsewhere
from gateway.rpc.element_counts import most_elements, require_few
from gateway.rpc.message_checks import require_plain
from gateway.rpc.shares import HeldBytes

# The timeout of an admitted call's only request, and the least rate of the largest request in bytes per second.
PATIENCE = 10.0
BYTES_PER_SECOND = 64 * 1024
SOON = 0.05  # seconds after which a call whose request does not come makes room for others


class RequestReader:
    """Reads the requests of one RPC."""

    def __init__(self, largest: int, kind: Descriptor | None, deserialize: Callable[[bytes], Message]) -> None:
        """`largest` is the size in bytes of a request, or of a stream's message.

        `kind` is that of its message; None for a service of gRPC itself, whose requests have no elements.
        """
        self._largest = largest
        self._kind = kind
        self._most = most_elements(largest)
        self._deserialize = deserialize

    async def read_only(self, coming: Awaitable[object], held: HeldBytes | None = None) -> Message:
        """The request of a call that has one, which gRPC gives. Raises Refused as `read` and `arrived`."""
        return await self.read(await arrived(coming, self._largest), held)

    async def read(self, data: bytes, held: HeldBytes | None = None) -> Message:
        """Parses a message; `held` counts it for its caller, where that one has a bound, and says how long it waits.

        Raises Refused, before it parses, for a message that is too large or has too many elements, and as `held.hold`;
        then for one that is unreadable or has forbidden content.
        """
        if len(data) > self._largest:
            raise Refused(Reason.REASON_MESSAGE_TOO_LARGE, limit=str(self._largest))
        if held is not None:
            seconds = held.hold(len(data), asyncio.get_running_loop().time())
            if seconds:
                with elsewhere():
                    await asyncio.sleep(seconds)
        if self._kind is not None:
            require_few(data, self._kind, self._most)
        try:
            message = self._deserialize(data)
        except DecodeError:
            raise invalid("request", "the bytes are not the message", "字节不是该消息") from None
        refused = _fault(message)
        if refused is not None:
            del message
            raise refused
        return message


def patience_for(largest: int) -> float:
    """The seconds in which a request of at most so many bytes has to come."""
    return PATIENCE + largest / BYTES_PER_SECOND


async def arrived(coming: Awaitable[object], largest: int) -> bytes:
    """The bytes of a call's only request, of `largest` bytes at most. Raises Refused where none comes in time."""
    patience = patience_for(largest)
    loop, is_late, is_away = asyncio.get_running_loop(), False, False
    timer: asyncio.TimerHandle
    reading, place = cast("asyncio.Task[object]", asyncio.current_task(loop)), current_place()

    def give_up() -> None:
        nonlocal is_late
        is_late = True
        reading.cancel()

    def give_way() -> None:
        nonlocal timer, is_away
        if place is not None:
            is_away = True
            place.pause()
        timer = loop.call_later(patience - SOON, give_up)

    # Every call waits here: `asyncio.timeout` costs twice as much.
    timer = loop.call_later(SOON, give_way)
    try:
        data = await coming
    except asyncio.CancelledError:
        if not is_late or reading.uncancel():
            raise  # the caller has gone away
        raise Refused(Reason.REASON_REQUEST_NOT_SENT, seconds=f"{patience:.0f}") from None
    finally:
        timer.cancel()
        if place is not None and is_away:
            place.resume()
    if not isinstance(data, bytes):
        raise invalid("request", "there is none", "没有请求")
    return data


def _fault(message: Message) -> Refused | None:
    """The refusal of a message with forbidden content, without any trace of the message.

    A traceback would keep the message, which may be large, until its caller's task is collected.
    """
    try:
        require_plain(message)
    except Refused as refused:
        return refused.with_traceback(None)
    return None


class RequestStreams:
    """All streams of requests that one server reads."""

    def __init__(self) -> None:
        self.closing = False
        self.reads: set[asyncio.Timeout] = set()
        """The reads that wait for a message."""

    def close(self) -> None:
        """Stops reading: the reader receives TOO_BUSY, and responds to the messages read before."""
        self.closing = True
        for read in self.reads:
            read.reschedule(asyncio.get_running_loop().time())

    def read(
        self,
        requests: AsyncIterator[bytes],
        reader: RequestReader,
        take: Callable[[Message], Message],
        held: HeldBytes | None,
    ) -> AsyncIterator[Message]:
        """The messages of a stream, each as `take` gives it. Each one is held until the next is read.

        Raises Refused for a message that breaks a limit, as `take`, and once the server drains.
        """
        return _Read(self, requests, reader, take, held)


class _Read(AsyncIterator[Message]):
    def __init__(
        self,
        streams: RequestStreams,
        requests: AsyncIterator[bytes],
        reader: RequestReader,
        take: Callable[[Message], Message],
        held: HeldBytes | None,
    ) -> None:
        self._streams = streams
        self._requests = requests
        self._reader = reader
        self._take = take
        self._held = held

    async def __anext__(self) -> Message:
        if self._held is not None:
            self._held.release()
        if self._streams.closing:
            raise Refused(Reason.REASON_TOO_BUSY)
        try:
            async with asyncio.timeout(None) as read:
                self._streams.reads.add(read)
                try:
                    data = await anext(self._requests)
                finally:
                    self._streams.reads.discard(read)
        except TimeoutError:
            raise Refused(Reason.REASON_TOO_BUSY) from None
        return self._take(await self._reader.read(data, self._held))
