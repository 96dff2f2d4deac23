"""Live parts of pages, as Server-Sent Events.

All who watch a page share one reading of it. The first to look after a pause asks the RPCs, in the own name; the others
are given the same. Each event is the whole live part, with its hash as the id. So a browser that comes back after a cut
needs the newest event alone, and none where it has that.
"""

import asyncio
import copy
import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TypeVar, cast

from aiohttp import web
from google.protobuf.message import Message

from gateway.api.federation.v1.terms_pb2 import Terms
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.request_streams import PATIENCE
from gateway.web.console.fields import Fields
from gateway.web.console.frames import refusal_of
from gateway.web.console.pages import A, Calling, Live, Rpc, View, Visit, WebConsole, unless_refused
from gateway.web.console.requests import see
from gateway.web.html_pages import HtmlPages

T = TypeVar("T")
LOOK_SECONDS = 0.5  # between two looks for a change
WHOLE_SECONDS = 10.0  # between two readings of the whole page
MOST_OF_A_PERSON = 4  # streams: a browser has six connections to an origin, and needs some for pages
MOST = 64  # streams of a console
COMMENT_SECONDS = 15.0  # without an event: proxies end idle streams, and only what is sent finds a browser gone
_AGAIN_MS = 1_000  # after which a browser comes back
_DIGITS = 16  # of the SHA-256 in an id
_STREAM = "text/event-stream"
_HEADERS = {"Content-Type": f"{_STREAM}; charset=utf-8"}


@dataclass(frozen=True)
class Event:
    """An event of a stream: a live part, or the text of a refusal, which has no id."""

    name: str
    data: str = field(repr=False)
    id: str = ""

    def encoded(self) -> bytes:
        """The event on the wire."""
        told = [f"event: {self.name}", *([f"id: {self.id}"] if self.id else [])]
        return "\n".join([*told, *(f"data: {each}" for each in self.data.splitlines()), "", ""]).encode()


_ENDED = Event("ended", "ended")
_COMMENT = b":\n\n"


@dataclass(frozen=True)
class Watcher:
    """A person who watches a page."""

    person: str
    """The path of the identity."""
    language: str
    address: str = field(repr=False)
    """The address of the stream, by whose query the part is shown."""
    visit: Visit
    calling: Calling
    is_open: Callable[[], Awaitable[bool]]
    """Whether the person may still watch."""


class Answers(Calling):
    """The answers of RPCs and their refusals, kept from one look to the next."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, bytes], tuple[Rpc[Message], Message, Message | Refused]] = {}
        self._asked: set[tuple[str, bytes]] = set()
        self.calling: Calling | None = None
        """Who asks what is not kept."""

    def forget(self) -> None:
        """Forgets all answers."""
        self._kept.clear()

    async def ask(self, rpc: Rpc[A], request: Message) -> A:
        """See `Calling`: the answer that is kept, if there is one."""
        key = (rpc.path, request.SerializeToString(deterministic=True))
        self._asked.add(key)
        if key not in self._kept:
            assert self.calling is not None
            asked = copy.deepcopy(request)  # the page may go on to change it
            answer = await unless_refused(self.calling.ask(rpc, asked))
            self._kept[key] = (cast("Rpc[Message]", rpc), asked, answer)
        found = self._kept[key][2]
        if isinstance(found, Refused):
            raise found
        return cast("A", found)

    async def renew(self, calling: Calling, is_wanted: Callable[[str], bool]) -> None:
        """Asks the RPCs anew whose paths are wanted, at once: several may wait for the same region."""
        wanted = {key: each[:2] for key, each in self._kept.items() if is_wanted(key[0])}
        answers = await asyncio.gather(*(unless_refused(calling.ask(*each)) for each in wanted.values()))
        for (key, (rpc, request)), answer in zip(wanted.items(), answers, strict=True):
            if key in self._kept:
                self._kept[key] = (rpc, request, answer)

    async def renew_first(self, calling: Calling, path: str) -> None:
        """Renews the first answer of an RPC, and forgets its other ones, such as further pages of a list."""
        keys = [key for key in self._kept if key[0] == path]
        for key in keys[1:]:
            del self._kept[key]
        for key in keys[:1]:
            rpc, request, _ = self._kept[key]
            self._kept[key] = (rpc, request, await unless_refused(calling.ask(rpc, request)))

    async def read(self, reading: Awaitable[T]) -> T:
        """A reading of the page, which forgets the answers that it had no use for. Raises Refused as the reading."""
        self._asked.clear()
        found = await reading
        for key in self._kept.keys() - self._asked:
            del self._kept[key]
        return found

    def of(self, path: str) -> Collection[Message | Refused]:
        """The answers of an RPC."""
        return [answer for rpc, _, answer in self._kept.values() if rpc.path == path]


class Feed:
    """The live part of one page, for all who watch it."""

    def __init__(self, console: WebConsole, view: View, live: Live, pages: HtmlPages) -> None:
        self._console = console
        self._view = view
        self._live = live
        self._pages = pages
        self._turn = asyncio.Lock()
        self._answers = Answers()
        self._looked = self._renewed = float("-inf")
        self._renewing: asyncio.Task[None] | None = None
        self._marks: list[object] = []
        self._found: tuple[Visit, object, Terms] | Refused = Refused(Reason.REASON_TOO_BUSY)
        self._events: dict[tuple[str, str], Event] = {}
        """By language and address."""

    async def newest(self, watcher: Watcher) -> Event:
        """The event of the newest reading, which is made now where the last one is too old."""
        async with self._turn:
            if self._console.steady() - self._looked >= LOOK_SECONDS:
                await self._look(watcher)
                self._looked = self._console.steady()
            return self._written(watcher)

    async def _look(self, watcher: Watcher) -> None:
        """Reads the page where the RPC of changes tells another state, or the other RPCs have answered anew.

        These are asked beside: some of them wait for regions that do not answer.
        """
        now, calling, changes = self._console.steady(), watcher.calling, self._live.rpc.path
        is_fresh, renewing = False, self._renewing
        if renewing is not None and renewing.done():
            is_fresh, self._renewing = True, None
            renewing.result()  # a defect is told once: the next look renews again
        self._answers.calling = calling
        if self._renewing is None and now - self._looked >= WHOLE_SECONDS:  # nobody has watched
            self._answers.forget()
            is_fresh, self._renewed = True, now
        elif self._renewing is None and now - self._renewed >= WHOLE_SECONDS:
            self._renewed = now
            self._renewing = asyncio.create_task(self._answers.renew(calling, lambda path: path != changes))
        await self._answers.renew_first(calling, changes)
        if is_fresh or self._marked() != self._marks:
            self._found = await unless_refused(self._answers.read(self._read(watcher)))
            self._marks = self._marked()
            self._events.clear()

    async def _read(self, watcher: Watcher) -> tuple[Visit, object, Terms]:
        visit = replace(watcher.visit, query=Fields({}), now=self._console.now())
        read = self._live.read or self._view.read
        return visit, await read(visit, self._answers), await self._console.terms(self._answers)

    def _marked(self) -> list[object]:
        """The state that the first answer of the RPC of changes tells."""
        answers = list(self._answers.of(self._live.rpc.path))[:1]
        return [each.reason if isinstance(each, Refused) else self._live.mark(each) for each in answers]

    def _written(self, watcher: Watcher) -> Event:
        if isinstance(self._found, Refused):
            with self._console.reader(watcher.language, Terms()):
                return Event("refused", refusal_of(self._found).text)
        key = (watcher.language, watcher.address)
        if key not in self._events:
            if len(self._events) >= MOST:
                self._events.clear()  # most are of streams that have ended
            visit, data, terms = self._found
            with self._console.reader(watcher.language, terms):
                shown = self._view.show(replace(watcher.visit, now=visit.now), data)
                html = self._pages.written(self._live.template, shown.title, watcher.language, shown.page)
            self._events[key] = Event("message", html, hashlib.sha256(html.encode()).hexdigest()[:_DIGITS])
        return self._events[key]


def without_session(request: web.Request, sign_in: str) -> web.Response:
    """The answer to a reader without a session: the way to `sign_in`, or the end of a stream.

    A browser that comes back to a stream takes no page for one. After the end it loads the page, which leads there.
    """
    if request.headers.get("Accept") == _STREAM:
        return web.Response(body=_ENDED.encoded(), headers=_HEADERS)
    return see(sign_in)


class Streams:
    """The open streams of a console. Each person has few."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()
        self._stopping = asyncio.Event()

    async def stop(self, _: web.Application) -> None:
        """Ends all streams, because the process stops."""
        self._stopping.set()

    async def follow(self, request: web.Request, feed: Feed, watcher: Watcher) -> web.StreamResponse:
        """Writes the events of a feed until the person may watch no longer, goes away, or the process stops.

        Raises Refused with CALLS_TOO_MANY or SERVER_CALLS_TOO_MANY where there is no place.
        """
        with self._placed(watcher.person):
            event = await feed.newest(watcher)
            stream = web.StreamResponse(headers=_HEADERS)
            await stream.prepare(request)
            with suppress(ConnectionError, TimeoutError):  # a browser that has gone, or does not read
                await _write(stream, f"retry: {_AGAIN_MS}\n\n".encode())
                await self._write_all(stream, feed, watcher, event, request.headers.get("Last-Event-ID", ""))
        return stream

    async def _write_all(
        self, stream: web.StreamResponse, feed: Feed, watcher: Watcher, event: Event, known: str
    ) -> None:
        """`known` is the id of the event that the browser has."""
        loop = asyncio.get_running_loop()
        written, last = None, loop.time()
        while not self._stopping.is_set():
            if event != written and (not known or event.id != known):
                await _write(stream, event.encoded())
                written, known, last = event, "", loop.time()
            elif loop.time() - last >= COMMENT_SECONDS:
                await _write(stream, _COMMENT)
                last = loop.time()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._stopping.wait()
            if not await watcher.is_open():
                await _write(stream, _ENDED.encoded())
                return
            event = await feed.newest(watcher)

    @contextmanager
    def _placed(self, person: str) -> Iterator[None]:
        if self._open.total() >= MOST:
            raise Refused(Reason.REASON_SERVER_CALLS_TOO_MANY, calls=str(MOST))
        if self._open[person] >= MOST_OF_A_PERSON:
            raise Refused(Reason.REASON_CALLS_TOO_MANY, caller=person, calls=str(MOST_OF_A_PERSON))
        self._open[person] += 1
        try:
            yield
        finally:
            self._open[person] -= 1
            self._open += Counter()  # without those who have none


async def _write(stream: web.StreamResponse, data: bytes) -> None:
    """Raises TimeoutError where the browser does not read, and ConnectionError where it has gone."""
    async with asyncio.timeout(PATIENCE):
        await stream.write(data)
