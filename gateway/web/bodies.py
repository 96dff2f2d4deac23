"""Bodies of requests as bytes, read up to a limit."""

from aiohttp import web

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.web.json_bodies import LARGEST_BODY

_PART = 64 * 1024  # bytes that are read at a time


async def whole_body(request: web.Request) -> bytes:
    """The bytes of a body. Raises Refused for one that is too large, or has not come whole."""
    data = bytearray()
    try:
        async for part in request.content.iter_chunked(_PART):
            data += part
            if len(data) > LARGEST_BODY:
                raise Refused(Reason.REASON_MESSAGE_TOO_LARGE, limit=str(LARGEST_BODY))
    except (OSError, web.RequestPayloadError):
        raise invalid("body", "has not come whole", "未完整到达") from None
    return bytes(data)
