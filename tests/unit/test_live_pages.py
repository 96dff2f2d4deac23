"""Live parts of pages without a server: one reading for all who watch, and what a change or a refusal tells them."""

import asyncio
import weakref
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import cast

import pytest
from aiohttp.abc import AbstractStreamWriter
from aiohttp.test_utils import make_mocked_request
from google.protobuf.message import Message
from multidict import CIMultiDict

from coordinator.console import board
from coordinator.console.console import console
from gateway.api.coordinator.v1.administration_pb2 import (
    ListOrderSummariesResponse,
    ListRegionsResponse,
)
from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.region.v1.alarm_pb2 import Alarm
from gateway.api.region.v1.alarm_service_pb2 import ListAlarmsRequest, ListAlarmsResponse
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.time.clock import SystemClock
from gateway.web.console.assets import FRAMES
from gateway.web.console.live import (
    COMMENT_SECONDS,
    LOOK_SECONDS,
    MOST,
    WHOLE_SECONDS,
    Answers,
    Event,
    Feed,
    Streams,
    Watcher,
)
from gateway.web.console.pages import Calling, Rpc
from gateway.web.html_pages import HtmlPages
from region_node.console import rpcs
from region_node.console.lists import pages_of
from tests.simulation.virtual_time import VirtualLoop
from tests.unit.console_pages import M, visit
from tests.unit.test_console import Seconds
from tests.unit.test_coordinator_console import ADMIN, orders, regions


class Counted(Calling):
    """RPCs that count their calls. Those that are not open wait."""

    def __init__(self) -> None:
        self.calls: Counter[type[Message]] = Counter()
        self.answers: dict[type[Message], Message | Exception] = {
            ListRegionsResponse: regions(),
            ListOrderSummariesResponse: orders(),
        }
        self.are_open = asyncio.Event()
        self.are_open.set()

    async def ask(self, rpc: Rpc[M], request: Message) -> M:
        self.calls[rpc.answer] += 1
        if rpc.answer is not ListRegionsResponse:
            await self.are_open.wait()
        answer = self.answers.get(rpc.answer, rpc.answer())
        if isinstance(answer, Exception):
            raise answer
        return cast("M", answer)


class Scene:
    """The feed of a board on a clock that the test sets."""

    def __init__(self) -> None:
        self.clock, self.calling = Seconds(), Counted()
        served = replace(console(SystemClock()), steady=self.clock)
        assert board.VIEW.live is not None
        self.feed = Feed(served, board.VIEW, board.VIEW.live, HtmlPages(served.templates, FRAMES))

    async def newest(self, language: str = "en", query: str = "") -> Event:
        """The event for a watcher in a language."""

        async def is_open() -> bool:
            return True

        watcher = Watcher("admin/root", language, query, visit(query, ADMIN), self.calling, is_open)
        return await self.feed.newest(watcher)

    def suspend(self) -> None:
        """Suspends a region."""
        answer = regions()
        answer.members[1].state, answer.members[1].state_note = MemberState.MEMBER_STATE_SUSPENDED, "under suspicion"
        self.calling.answers[ListRegionsResponse] = answer


def test_all_who_watch_share_one_reading_in_both_languages() -> None:
    async def watch() -> None:
        scene = Scene()
        found = [await scene.newest(language) for language in ("en", "zh", "en")]
        assert (found[0], found[0].id != found[1].id) == (found[2], True)
        assert ("Regions" in found[0].data, "地区" in found[1].data) == (True, True)
        assert scene.calling.calls[ListRegionsResponse] == 1
        scene.clock.now += LOOK_SECONDS
        assert await scene.newest() == found[0]
        assert scene.calling.calls == Counter({**scene.calling.calls, ListRegionsResponse: 2})

    asyncio.run(watch())


def test_streams_of_ever_new_addresses_leave_no_more_parts_behind_than_a_console_has_streams() -> None:
    async def watch() -> None:
        scene = Scene()
        first = weakref.ref(await scene.newest(query="?region=0"))
        for number in range(1, MOST + 1):
            await scene.newest(query=f"?region={number}")
        assert first() is None

    asyncio.run(watch())


def test_a_change_of_a_state_is_told_at_the_next_look_while_regions_do_not_answer() -> None:
    async def watch() -> None:
        scene = Scene()
        before = await scene.newest()
        scene.calling.are_open.clear()
        for _ in range(int(WHOLE_SECONDS / LOOK_SECONDS)):
            scene.clock.now += LOOK_SECONDS
            assert await scene.newest() == before
        scene.suspend()
        scene.clock.now += LOOK_SECONDS
        told = await scene.newest()
        assert ("under suspicion" in told.data, told.id != before.id) == (True, True)
        scene.calling.answers[ListOrderSummariesResponse] = ListOrderSummariesResponse()
        scene.calling.are_open.set()
        while (await scene.newest()) == told:
            scene.clock.now += LOOK_SECONDS
            await asyncio.sleep(0)
        assert "flow calm" not in (await scene.newest()).data

    asyncio.run(watch())


def test_whoever_comes_after_nobody_has_watched_is_told_nothing_old() -> None:
    async def watch() -> None:
        scene = Scene()
        assert 'class="flow' in (await scene.newest()).data
        scene.calling.answers[ListOrderSummariesResponse] = ListOrderSummariesResponse()
        before = scene.calling.calls[ListOrderSummariesResponse]
        scene.clock.now += WHOLE_SECONDS
        await scene.newest()
        assert scene.calling.calls[ListOrderSummariesResponse] == 2 * before

    asyncio.run(watch())


class Pages(Calling):
    """A list of alarms with a page for each text in `tokens`, the first without a token."""

    def __init__(self) -> None:
        self.tokens = ["", "second", "third"]
        self.asked: list[str] = []

    async def ask(self, rpc: Rpc[M], request: Message) -> M:
        assert isinstance(request, ListAlarmsRequest)
        self.asked.append(request.page_token)
        following = dict(pairwise([*self.tokens, ""])).get(request.page_token, "")
        return cast("M", ListAlarmsResponse(alarms=[Alarm(id=f"page {request.page_token}")], next_page_token=following))


def test_each_page_of_a_list_is_asked_for_by_its_own_request_and_only_the_first_one_at_each_look() -> None:
    async def watch() -> None:
        answers, calling = Answers(), Pages()
        answers.calling = calling

        async def read() -> list[str]:
            pages = await answers.read(pages_of(answers, rpcs.LIST_ALARMS, ListAlarmsRequest(page_size=1), 8))
            return [each.alarms[0].id for each in pages]

        whole = ["page ", "page second", "page third"]
        assert await read() == whole
        await answers.renew_first(calling, rpcs.LIST_ALARMS.path)
        assert calling.asked == ["", "second", "third", ""]
        assert await read() == whole
        calling.tokens = ["", "third"]
        await answers.renew(calling, lambda _: True)
        assert await read() == ["page ", "page third"]
        calling.asked.clear()
        await answers.renew(calling, lambda _: True)
        assert calling.asked == ["", "third"], "what the page has no use for any more is not asked"

    asyncio.run(watch())


def test_a_refusal_is_told_in_the_language_of_the_watcher_and_passes() -> None:
    async def watch() -> None:
        scene = Scene()
        scene.calling.answers[ListRegionsResponse] = Refused(Reason.REASON_TOO_BUSY)
        found = [await scene.newest(language) for language in ("en", "zh")]
        assert [(each.name, each.id) for each in found] == [("refused", "")] * 2
        assert "节点繁忙" in found[1].data
        assert found[0].encoded().decode() == f"event: refused\ndata: {found[0].data}\n\n"
        scene.calling.answers[ListRegionsResponse] = regions()
        scene.clock.now += LOOK_SECONDS
        assert (await scene.newest()).name == "message"

    asyncio.run(watch())


def test_a_defect_while_a_page_is_read_is_told_once_and_the_page_goes_on() -> None:
    async def watch() -> None:
        scene = Scene()
        await scene.newest()
        scene.calling.answers[ListOrderSummariesResponse] = ZeroDivisionError()

        async def look_on() -> None:
            for _ in range(2 * int(WHOLE_SECONDS / LOOK_SECONDS)):
                scene.clock.now += LOOK_SECONDS
                await scene.newest()
                await asyncio.sleep(0)

        with pytest.raises(ZeroDivisionError):
            await look_on()
        scene.calling.answers[ListOrderSummariesResponse] = orders()
        scene.clock.now += LOOK_SECONDS
        assert (await scene.newest()).name == "message"

    asyncio.run(watch())


class Sent(AbstractStreamWriter):
    """The bytes that a browser is sent, each piece with its time. It goes away after so many pieces."""

    def __init__(self, most: float = float("inf")) -> None:
        self._most = most
        self.pieces: list[tuple[float, bytes]] = []

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        if len(self.pieces) >= self._most:
            raise ConnectionResetError
        self.pieces.append((asyncio.get_running_loop().time(), bytes(chunk)))

    async def write_eof(self, chunk: bytes = b"") -> None: ...

    async def drain(self) -> None: ...

    def enable_compression(self, encoding: str = "deflate", strategy: int | None = None) -> None: ...

    def enable_chunking(self) -> None: ...

    async def write_headers(self, status_line: str, headers: CIMultiDict[str]) -> None: ...


def followed(sent: Sent, seconds: float) -> float:
    """How long a stream of a board that does not change goes on, of a session that lasts so many seconds."""

    async def follow() -> float:
        loop, scene = asyncio.get_running_loop(), Scene()
        begun = loop.time()

        async def is_open() -> bool:
            return loop.time() - begun < seconds

        watcher = Watcher("admin/root", "en", "", visit("", ADMIN), scene.calling, is_open)
        await Streams().follow(make_mocked_request("GET", "/board/events", writer=sent), scene.feed, watcher)
        return loop.time() - begun

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(follow())


def test_a_stream_without_a_change_has_comments_so_that_no_proxy_ends_it() -> None:
    sent = Sent()
    followed(sent, 4 * COMMENT_SECONDS)
    kinds = [data.partition(b"\n")[0] for _, data in sent.pieces]
    assert kinds == [b"retry: 1000", b"event: message", b":", b":", b":", b"event: ended"]
    times = [time for time, data in sent.pieces if not data.startswith(b"event: ended")][1:]
    assert all(COMMENT_SECONDS <= later - before < COMMENT_SECONDS + 1 for before, later in pairwise(times))


def test_a_browser_that_has_gone_is_found_by_a_comment_and_keeps_no_place() -> None:
    assert followed(Sent(most=2), 100 * COMMENT_SECONDS) < 2 * COMMENT_SECONDS
