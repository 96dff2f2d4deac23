"""The stream of an import: pieces are submitted on arrival and answered in their order, each once it is durable."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

from gateway.api.region.v1.customer_service_pb2 import ImportFile, RejectedLine
from gateway.errors import invalid, text
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock
from region_node.requests.ahead import answered_in_order
from region_node.requests.auditing import AuditedCall
from region_node.requests.importing import progress
from region_node.requests.importing.progress import PIECE_LIMIT, Done, Numbered, Progress, Rejection, Taken, take_once

_HASH_BYTES = 32
_LAST_LINE = 2**62  # more than any file has

L = TypeVar("L", bound=Numbered)


@dataclass(frozen=True)
class Work(Generic[L]):
    """The processing of a piece's lines."""

    action: str
    """The action in the audit chain."""
    take: Callable[[Transaction, Sequence[L], AuditedCall], Taken]
    check: Callable[[Transaction, Sequence[L]], Taken]
    """The results of the lines in a dry run, without changes."""


def require_file(file: ImportFile) -> None:
    """Raises Refused for a file without the required fields."""
    if len(file.sha256) != _HASH_BYTES:
        raise invalid("file.sha256", f"not {_HASH_BYTES} bytes", f"须为{_HASH_BYTES}字节")
    if not 0 <= file.lines < _LAST_LINE:
        raise invalid("file.lines", "out of range", "超出范围")


def require_alone(*, holds_file: bool, lines: int) -> None:
    """Raises Refused unless the first message of a stream names a file, and nothing else."""
    if not holds_file or lines:
        raise invalid("file", "not in the first message, and alone there", "首条消息须仅含此项")


def require_piece(*, holds_file: bool, lines: int) -> None:
    """Raises Refused unless a message after the first one has lines, within the limit."""
    if holds_file or not 0 < lines <= PIECE_LIMIT:
        raise invalid("lines", f"not 1 to {PIECE_LIMIT}", f"须为1至{PIECE_LIMIT}行")


def rejected_lines(rejections: Sequence[Rejection]) -> Sequence[RejectedLine]:
    """Rejected lines as messages of the contract."""
    return [
        RejectedLine(number=each.number, reason=each.reason, message=text(each.reason, each.parameters))
        for each in rejections
    ]


class ImportStream(Generic[L]):
    """The import of one file by one caller."""

    def __init__(self, store: Store, clock: Clock, file: ImportFile, asked: AuditedCall, work: Work[L]) -> None:
        self._store = store
        self._clock = clock
        self._file = file
        self._asked = asked
        self._work = work
        self._checked_to = progress.FIRST_LINE - 1

    async def answers(self, pieces: AsyncIterator[Sequence[L]]) -> AsyncIterator[Done]:
        """The earlier result, then the result of each piece. Raises Refused for a piece that cannot be imported.

        Earlier pieces are answered; that piece, and all after it, have no effect.
        """
        async for answer in self._known_before():
            yield answer
        checked = Progress()
        async with aclosing(answered_in_order(pieces, self._submit)) as answers:
            async for done in answers:
                checked = checked.followed_by(done.progress)
                yield Done(checked, done.rejections) if self._file.validate_only else done

    async def _known_before(self) -> AsyncIterator[Done]:
        """How far the file is, with the lines that were not taken, in as many answers as they need."""
        if self._file.validate_only:
            await self._store.write(lambda tx: self._asked.record(tx, self._work.action, "-", "checked only"))
            yield Done(Progress(), [])
            return
        sha256 = self._file.sha256
        known = await self._store.read(lambda tx: progress.progress_of(tx, sha256))
        told, next_line = 0, progress.FIRST_LINE
        while True:
            rejections = await self._store.read(
                partial(progress.rejections_between, sha256=sha256, first=next_line, last=known.last_line)
            )
            yield Done(known, rejections)
            told += len(rejections)
            if told >= known.rejected or not rejections:
                return
            next_line = rejections[-1].number + 1

    def _submit(self, piece: Sequence[L]) -> Awaitable[Done]:
        file, work = self._file, self._work
        if file.validate_only:
            progress.require_next(piece, self._checked_to + 1)
            self._checked_to = piece[-1].number
            return self._store.read(lambda tx: _checked(work.check(tx, piece), piece))
        progress.require_next(piece, piece[0].number)
        asked = replace(self._asked, now=self._clock.now())
        return self._store.write(
            lambda tx: take_once(tx, file, piece, work.action, asked, lambda: work.take(tx, piece, asked))
        )


def _checked(taken: Taken, piece: Sequence[Numbered]) -> Done:
    return Done(taken.progress(piece), taken.rejections)
