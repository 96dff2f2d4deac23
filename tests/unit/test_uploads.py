"""Files for pages of a console: how many come and are kept at a time."""

import asyncio
from typing import cast
from unittest.mock import Mock

import pytest
from aiohttp import StreamReader, web
from aiohttp.multipart import MultipartReader
from multidict import CIMultiDict

from gateway.errors import Refused
from gateway.web.console.sessions import MOST_FILES, NO_CERTIFICATE, SMALL_BYTES, Session, Sessions
from gateway.web.console.uploads import Uploads

LARGEST = 1_000
TOKEN = "a-token"


def session() -> Session:
    return Session("admin/root", NO_CERTIFICATE, TOKEN, 0.0, 0.0)


class Coming:
    """The body of a form with a file, which comes in parts."""

    def __init__(self) -> None:
        self._content = StreamReader(Mock(_reading_paused=False), 2**16)
        self._reader = MultipartReader(CIMultiDict({"Content-Type": "multipart/form-data; boundary=b"}), self._content)

    async def multipart(self) -> MultipartReader:
        return self._reader

    def field(self, name: str, content: bytes) -> None:
        self._content.feed_data(f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + content)
        self._content.feed_data(b"\r\n")

    def end(self) -> None:
        self._content.feed_data(b"--b--\r\n")
        self._content.feed_eof()

    @property
    def request(self) -> web.Request:
        return cast("web.Request", self)


def whole(content: bytes, token: str = TOKEN) -> Coming:
    """A form that has come whole."""
    coming = Coming()
    coming.field("token", token.encode())
    coming.field("file", content)
    coming.end()
    return coming


def test_files_beyond_those_that_are_on_their_way_are_refused_until_one_has_come() -> None:
    async def scenario() -> None:
        uploads, slow = Uploads(), [Coming(), Coming()]
        takes = [asyncio.create_task(uploads.take(each.request, session(), LARGEST)) for each in slow]
        await asyncio.sleep(0)
        with pytest.raises(Refused, match="TOO_BUSY"):
            await uploads.take(whole(b"x").request, session(), LARGEST)
        slow[0].field("token", TOKEN.encode())
        slow[0].field("file", b"first")
        slow[0].end()
        assert await takes[0] == b"first"
        assert await uploads.take(whole(b"x").request, session(), LARGEST) == b"x"
        takes[1].cancel()
        await asyncio.wait(takes)

    asyncio.run(scenario())


def test_a_file_of_the_largest_size_comes_whole_and_one_byte_more_is_refused() -> None:
    async def scenario() -> None:
        uploads = Uploads()
        content = bytes(LARGEST)
        assert await uploads.take(whole(content).request, session(), LARGEST) == content
        assert await uploads.take(whole(b"").request, session(), LARGEST) == b""
        with pytest.raises(Refused, match="MESSAGE_TOO_LARGE"):
            await uploads.take(whole(content + b"1").request, session(), LARGEST)

    asyncio.run(scenario())


def test_a_file_without_the_token_of_its_session_is_refused_before_it_has_come() -> None:
    async def scenario() -> None:
        coming = Coming()
        coming.field("token", b"of-another")
        coming.field("file", bytes(200_000))
        with pytest.raises(Refused, match="FORM_UNTRUSTED"):
            await uploads.take(coming.request, session(), LARGEST)

    uploads = Uploads()
    asyncio.run(scenario())


def large(name: str) -> bytes:
    return name.encode() * SMALL_BYTES


def test_a_process_keeps_the_newest_large_files_of_its_sessions_and_each_session_its_last_one() -> None:
    now = iter(range(100))
    sessions = Sessions(lambda: float(next(now)))
    people = [sessions.begin(f"admin/{number}", NO_CERTIFICATE) for number in range(MOST_FILES + 1)]
    found = [sessions.require(each, None, NO_CERTIFICATE) for each in people]
    names = [sessions.keep(each, large(each.person)) for each in found]
    kept = [each.file_of(name) for each, name in zip(found, names, strict=True)]
    assert kept == [None, *(large(each.person) for each in found[1:])]
    later = sessions.keep(found[1], b"later")
    assert (found[1].file_of(names[1]), found[1].file_of(later)) == (None, b"later")
    assert found[2].file_of(later) is None, "a file of another session"
    assert found[2].file_of(names[2]) is not None
