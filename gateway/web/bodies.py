"""Bodies of requests as bytes, read up to a limit."""

from collections.abc import AsyncIterable

from aiohttp import web

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.web.json_bodies import LARGEST_BODY

BYTES_OF_STRANGERS = 32 * LARGEST_BODY  # of their forms at a time
PART = 64 * 1024
"""Bytes that are read at a time."""


class Room:
    """Bytes of bodies that several callers together may have on the way to a process."""

    def __init__(self, size: int) -> None:
        self._left = size

    def take(self, size: int) -> None:
        """Raises Refused with TOO_BUSY where so many bytes have no room."""
        if size > self._left:
            raise Refused(Reason.REASON_TOO_BUSY)
        self._left -= size

    def give(self, size: int) -> None:
        """Gives bytes back."""
        self._left += size


async def whole_body(request: web.Request, room: Room | None = None) -> bytes:
    """The bytes of a body. Raises Refused as `whole`."""
    return await whole(request.content.iter_chunked(PART), LARGEST_BODY, room)


async def whole(parts: AsyncIterable[bytes], largest: int, room: Room | None = None) -> bytes:
    """The bytes of some parts of a body, which take room until they have come whole.

    Raises Refused for more bytes than `largest`, for which there is no room, or that have not come whole.
    """
    data = bytearray()
    try:
        async for part in parts:
            if room is not None:
                room.take(len(part))
            data += part
            if len(data) > largest:
                raise Refused(Reason.REASON_MESSAGE_TOO_LARGE, limit=str(largest))
    except (OSError, web.RequestPayloadError):
        raise invalid("body", "has not come whole", "未完整到达") from None
    finally:
        if room is not None:
            room.give(len(data))
    return bytes(data)
