"""Importing the lines of a file on a stream: from where the node is with it, over however many connections."""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import grpc

from gateway.api.region.v1.customer_service_pb2 import RejectedLine
from gateway.wording.languages import translated
from region_node.cli.imports.import_report import ImportReport, M, R
from region_node.cli.imports.line_file import Line, LineFile, LineFileUnusable
from region_node.cli.imports.reconnecting import Note, keep_trying
from region_node.cli.outcome import Stalled

_PIECE = 250  # lines in a message: one transaction, during which the node does nothing else

Q = TypeVar("Q")


@dataclass(frozen=True)
class LinesToImport(Generic[M, Q, R]):
    """The messages and calls for lines of one kind."""

    first: Q
    """The message that names the file."""
    lines: Callable[[], Awaitable[Iterator[Line[M]]]]
    """All lines in order. Raises LineFileUnusable while reading, and AioRpcError for queries to the node."""
    request: Callable[[Sequence[Line[M]]], Q]
    """A message with lines."""
    call: Callable[[AsyncIterator[Q]], AsyncIterator[R]]
    """A stream."""


class FileImport(Generic[M, Q, R]):
    """The import of one file into one node."""

    def __init__(self, file: LineFile, work: LinesToImport[M, Q, R], report: ImportReport[M, R]) -> None:
        self._file = file
        self._work = work
        self._report = report

    async def run(self, patience: float, tell: Callable[[grpc.aio.AioRpcError], None]) -> None:
        """Imports all lines. Raises AioRpcError where the node refuses, or is away for too long.

        Raises LineFileUnusable where the file has become unreadable.
        """

        async def attempt(note: Note) -> None:
            await self._attempt(patience, note)

        await keep_trying(attempt, patience, tell)

    async def _attempt(self, patience: float, note: Note) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(patience) as end:
                stream = _Stream(self._file, self._work, await self._work.lines(), self._report)
                async for answer in self._work.call(stream.requests()):
                    if stream.take(answer):
                        note()
                        end.reschedule(loop.time() + patience)
        except TimeoutError:
            raise Stalled(translated("the node takes no lines")) from None
        stream.require_whole()


class _Stream(Generic[M, Q, R]):
    """A connection of an import."""

    def __init__(
        self, file: LineFile, work: LinesToImport[M, Q, R], lines: Iterator[Line[M]], report: ImportReport[M, R]
    ) -> None:
        self._file = file
        self._work = work
        self._lines = lines
        self._report = report
        self._rejected: dict[int, RejectedLine] = {}
        self._waiting: deque[Line[M]] = deque()
        self._begun: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._done = 0
        self._unreadable: LineFileUnusable | None = None

    async def requests(self) -> AsyncIterator[Q]:
        """The file, and after the node's response with its progress, the rest of the lines."""
        yield self._work.first
        done = await self._begun
        try:
            while piece := list(itertools.islice(self._lines, _PIECE)):
                self._waiting.extend(piece)
                new = [each for each in piece if each.number > done]
                if new:
                    yield self._work.request(new)
                else:
                    self._settle(done)
                    await asyncio.sleep(0)
            self._settle(done)
        except LineFileUnusable as error:
            self._unreadable = error

    def take(self, answer: R) -> bool:
        """Handles a response; returns whether the import has advanced."""
        self._rejected.update({each.number: each for each in answer.rejected})
        if not self._begun.done():
            if len(self._rejected) < answer.rejected_total:
                return False
            self._report.begin(answer)
            self._begun.set_result(answer.last_line)
            self._done = answer.last_line
            return False
        self._done = answer.last_line
        self._report.count(answer)
        self._settle(answer.last_line)
        return True

    def require_whole(self) -> None:
        """Raises LineFileUnusable or AioRpcError where the stream ended before the file."""
        if self._unreadable is not None:
            raise self._unreadable
        if self._file.count and self._done < self._file.last_line:
            raise Stalled(translated("the node ended the stream"))

    def _settle(self, done: int) -> None:
        """Reports all lines up to one."""
        while self._waiting and self._waiting[0].number <= done:
            line = self._waiting.popleft()
            rejected = self._rejected.pop(line.number, None)
            if rejected is not None:
                self._report.reject(line, rejected)
            else:
                self._report.accept(line)
