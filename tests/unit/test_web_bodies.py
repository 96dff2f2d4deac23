"""Bodies of requests by HTTPS on their way to a process: how many bytes of them there may be at a time."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import cast

import pytest
from aiohttp import web

from gateway.errors import Refused
from gateway.web.bodies import Room, whole_body
from gateway.web.json_bodies import LARGEST_BODY


def coming(parts: Sequence[bytes], end: asyncio.Event) -> web.Request:
    """A request whose body comes in parts; it has come whole at `end`."""

    async def each_part(_: int) -> AsyncIterator[bytes]:
        for part in parts:
            yield part
        await end.wait()

    return cast("web.Request", SimpleNamespace(content=SimpleNamespace(iter_chunked=each_part)))


def test_bodies_that_share_room_are_refused_beyond_it_until_another_one_has_come_or_is_given_up() -> None:
    async def scenario() -> None:
        room, end, never, now = Room(10), asyncio.Event(), asyncio.Event(), asyncio.Event()
        now.set()
        first = asyncio.create_task(whole_body(coming([b"123", b"456"], end), room))
        slow = asyncio.create_task(whole_body(coming([b"7"], never), room))
        await asyncio.sleep(0)
        with pytest.raises(Refused, match="TOO_BUSY"):
            await whole_body(coming([b"12", b"34"], now), room)
        assert await whole_body(coming([b"123"], now), room) == b"123"
        assert await whole_body(coming([b"1234"], now)) == b"1234", "others have no part in it"
        end.set()
        assert await first == b"123456"
        slow.cancel()
        await asyncio.wait([slow])
        assert await whole_body(coming([b"1234567890"], now), room) == b"1234567890"

    asyncio.run(scenario())


def test_a_body_that_is_too_large_gives_its_room_back() -> None:
    async def scenario() -> None:
        room, now = Room(2 * LARGEST_BODY), asyncio.Event()
        now.set()
        for _ in range(3):
            with pytest.raises(Refused, match="MESSAGE_TOO_LARGE"):
                await whole_body(coming([bytes(LARGEST_BODY), b"1"], now), room)

    asyncio.run(scenario())
