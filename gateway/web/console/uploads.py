"""The files that forms of pages bring (RFC 7578): each is read up to a limit of its own."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import BadHttpMessage

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.rpc.request_streams import patience_for
from gateway.web.bodies import PART, whole
from gateway.web.console.framing import TOKEN
from gateway.web.console.sessions import Session

FILE = "file"
"""The field of a form with its file, and the name of a kept one in the address of a page."""
UPLOAD_TYPE = "multipart/form-data"
_MOST = 2  # at a time: each has as many bytes in memory as a large configuration
_LONGEST_TOKEN = 1_024
# The errors of the library for bytes of another form, and for a body that has not come whole.
_OF_OTHER_BYTES = (ValueError, KeyError, RuntimeError, BadHttpMessage, OSError, web.RequestPayloadError)


class Uploads:
    """The files on their way to a console."""

    def __init__(self) -> None:
        self._coming = asyncio.Semaphore(_MOST)

    async def take(self, request: web.Request, session: Session, largest: int) -> bytes:
        """The file of a form, of `largest` bytes at most. Its token comes first: the file is not read without it.

        Raises Refused with FORM_UNTRUSTED, with TOO_BUSY beside too many others, for a body of another form, and for
        one that is too large or does not come in time.
        """
        if self._coming.locked():
            raise Refused(Reason.REASON_TOO_BUSY)
        seconds = patience_for(largest)
        try:
            async with self._coming, asyncio.timeout(seconds):
                return await _file(request, session, largest)
        except TimeoutError:
            raise Refused(Reason.REASON_REQUEST_NOT_SENT, seconds=f"{seconds:.0f}") from None
        except _OF_OTHER_BYTES:
            raise _other_form() from None


async def _file(request: web.Request, session: Session, largest: int) -> bytes:
    parts = await request.multipart()
    token = await _content(await parts.next(), TOKEN, _LONGEST_TOKEN)
    session.require_token(token.decode("ascii", "replace"))
    file = await _content(await parts.next(), FILE, largest)
    if await parts.next() is not None:
        raise _other_form()
    return file


async def _content(part: object, name: str, largest: int) -> bytes:
    """The bytes of the part of a name. Raises Refused for another part."""
    if not isinstance(part, BodyPartReader) or part.name != name:
        raise _other_form()
    return await whole(_chunks(part), largest)


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while not part.at_eof():
        yield await part.read_chunk(PART)


def _other_form() -> Refused:
    return invalid("body", f"is no {UPLOAD_TYPE} with a file", f"不是含有文件的{UPLOAD_TYPE}")
