"""Streams of requests: each message is checked as a request of its own is, and none is read once the server drains."""

import asyncio
from collections.abc import AsyncIterator

from google.protobuf.message import Message

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused

REQUEST_LIMIT = (
    4 * 1024 * 1024
)  # bytes of a request; the transport's own limit is higher, so that the refusal has a reason


class Unreadable:
    """Stands for a request whose bytes are not the message."""


def require_fair(request: object, limit: int = REQUEST_LIMIT) -> None:
    """Raises Refused for a request that is unreadable, or of more bytes than the limit."""
    if isinstance(request, Unreadable):
        raise Refused(Reason.REASON_REQUEST_INVALID, field="request", problem="the bytes are not the message")
    if isinstance(request, Message) and request.ByteSize() > limit:
        raise Refused(Reason.REASON_MESSAGE_TOO_LARGE, limit=str(limit))


class RequestStreams:
    """All streams of requests that one server reads."""

    def __init__(self) -> None:
        self.closing = False
        self.reads: set[asyncio.Timeout] = set()
        """The reads that wait for a message."""

    def close(self) -> None:
        """Nothing more is read: who reads is refused with TOO_BUSY, and answers what was read before."""
        self.closing = True
        for read in self.reads:
            read.reschedule(asyncio.get_running_loop().time())

    def checked(self, requests: AsyncIterator[Message]) -> AsyncIterator[Message]:
        """The messages of a stream. Raises Refused for one that is not fair, and once the server drains."""
        return _Checked(self, requests)


class _Checked(AsyncIterator[Message]):
    def __init__(self, streams: RequestStreams, requests: AsyncIterator[Message]) -> None:
        self._streams = streams
        self._requests = requests

    async def __anext__(self) -> Message:
        if self._streams.closing:
            raise Refused(Reason.REASON_TOO_BUSY)
        try:
            async with asyncio.timeout(None) as read:
                self._streams.reads.add(read)
                try:
                    message = await anext(self._requests)
                finally:
                    self._streams.reads.discard(read)
        except TimeoutError:
            raise Refused(Reason.REASON_TOO_BUSY) from None
        require_fair(message)
        return message
