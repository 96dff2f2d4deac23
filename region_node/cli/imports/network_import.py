"""Sends a file of alarms or measurements to a node on a stream, from the node's progress on."""

import asyncio
import csv
import itertools
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Concatenate, Generic, Protocol, TypeVar

import click
import grpc

from gateway.api.region.v1.alarm_service_pb2 import RejectedItem
from gateway.cli.asking import exit_codes
from gateway.cli.exits import REFUSED
from gateway.errors import reason_name
from gateway.process.files import open_private
from gateway.values.plain_text import spreadsheet_row
from gateway.wording.languages import in_language, translated
from region_node.cli.asking import NODE, Asking
from region_node.cli.connection import patience_option
from region_node.cli.imports.import_report import require_other_file
from region_node.cli.imports.network_file import Item, M, NetworkFile, NetworkFileUnusable
from region_node.cli.imports.reconnecting import Note, ended, keep_trying
from region_node.cli.options import summary_json_option
from region_node.cli.outcome import Stalled

_rejects_option = click.option(
    "--rejects",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the lines that were not taken here, as CSV: line, reason, why, and the line.",
)
_source_option = click.option(
    "--source",
    default="",
    help="Known to the node by this name and not by its content: a file to which lines are added goes on where it was.",
)
_EXITS = exit_codes(
    "all lines were taken",
    "some lines were not taken, or it was refused; the text says why",
    "the command line, the credentials or the file cannot be used",
    "the node went away before the end: run it again",
)
_SHOWN = 10  # rejected lines that are printed; the file of rejects has them all


class Answer(Protocol):
    """The node's response to a piece."""

    @property
    def last_sequence(self) -> int:
        """The number of the last item that is done."""
        ...

    @property
    def rejected(self) -> Sequence[RejectedItem]:
        """The rejected items of the piece."""
        ...


Q = TypeVar("Q")
A = TypeVar("A", bound=Answer)


@dataclass(frozen=True)
class Kind(Generic[M, Q, A]):
    """How items of one kind are sent."""

    piece: int
    """Items in a message."""
    opening: Callable[[str], Q]
    request: Callable[[int, Sequence[M]], Q]
    """A message with items, by the number of the first."""
    nothing: Callable[[], M]
    """The message for an invalid line: the node rejects it."""
    call: Callable[[grpc.aio.Channel, AsyncIterator[Q]], AsyncIterator[A]]


@dataclass
class Report:
    """The results of a file's lines."""

    path: Path
    lines: int
    done: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    shown: list[str] = field(default_factory=list)
    rows: list[tuple[int, str, str, str]] = field(default_factory=list)

    def reject(self, item: Item[M], told: RejectedItem) -> None:
        """Counts a rejected line."""
        problem = item.problem or in_language(told.message)
        reason = reason_name(told.reason)
        self.rejected += 1
        self.reasons[reason] += 1
        self.rows.append((item.row, reason, problem, item.text))
        if len(self.shown) < _SHOWN:
            self.shown.append(translated("line {line}: {problem}", line=item.row, problem=problem))

    def plain(self) -> dict[str, object]:
        """The summary for programs."""
        return {
            "file": str(self.path),
            "lines": self.lines,
            "done": self.done,
            "rejected": self.rejected,
            "reasons": dict(self.reasons),
        }

    def summary(self) -> str:
        """The summary for people."""
        done = translated(
            "{file}: {done} of {lines} lines", file=self.path.name, done=f"{self.done:,}", lines=f"{self.lines:,}"
        )
        return "\n".join(
            [done, translated("rejected: {count}", count=f"{self.rejected:,}"), *(f"  {each}" for each in self.shown)]
        )


class _Import(Generic[M, Q, A]):
    """The import of one file into one node."""

    def __init__(self, file: NetworkFile[M], kind: Kind[M, Q, A], report: Report) -> None:
        self._file = file
        self._kind = kind
        self._report = report
        self._unreadable: OSError | ValueError | None = None

    async def attempt(self, channel: grpc.aio.Channel, patience: float, note: Note) -> None:
        """Sends over one connection. Raises AioRpcError where it ended before the file."""
        begun: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        waiting: dict[int, Item[M]] = {}
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(patience) as end:
                async for answer in self._kind.call(channel, self._requests(begun, waiting)):
                    self._take(answer, waiting)
                    if begun.done():
                        note()
                    elif answer.last_sequence > self._file.count:
                        raise NetworkFileUnusable(_is_another(self._file, answer.last_sequence))
                    else:
                        begun.set_result(answer.last_sequence)
                    end.reschedule(loop.time() + patience)
        except TimeoutError:
            raise Stalled(translated("the node takes no lines")) from None
        if self._unreadable is not None:
            raise self._unreadable
        if self._report.done < self._file.count:
            raise Stalled(translated("the node ended the stream"))

    async def _requests(self, begun: asyncio.Future[int], waiting: dict[int, Item[M]]) -> AsyncIterator[Q]:
        yield self._kind.opening(self._file.source)
        done = await begun
        try:
            async for request in self._pieces(done, waiting):
                yield request
        except (OSError, ValueError) as error:  # the file has changed, or was removed, since its opening
            self._unreadable = error

    async def _pieces(self, done: int, waiting: dict[int, Item[M]]) -> AsyncIterator[Q]:
        items = itertools.islice(self._file.items(), done, self._file.count)
        while piece := list(itertools.islice(items, self._kind.piece)):
            waiting.update({each.sequence: each for each in piece})
            contents = [each.content if each.content is not None else self._kind.nothing() for each in piece]
            yield self._kind.request(piece[0].sequence, contents)
            await asyncio.sleep(0)  # reading the file must not delay responses

    def _take(self, answer: A, waiting: dict[int, Item[M]]) -> None:
        for each in answer.rejected:
            self._report.reject(waiting[each.sequence], each)
        for sequence in [number for number in waiting if number <= answer.last_sequence]:
            del waiting[sequence]
        self._report.done = answer.last_sequence


def import_options(command: Callable[Concatenate[Asking, Path, ...], None]) -> Callable[..., None]:
    """The options of commands that send a file: FILE, the handling of rejected lines, and patience."""
    options = (_rejects_option, _source_option, summary_json_option, patience_option)
    file_argument = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
    return NODE.asking(*options, exits=_EXITS, with_json=False)(file_argument(command))


def run_import(
    asking: Asking, file: NetworkFile[M], kind: Kind[M, Q, A], rejects: Path | None, patience: float
) -> None:
    """Sends a file and prints the result. Ends the command after an incomplete transfer, or rejected lines."""
    require_other_file(rejects, file.path)
    report = Report(file.path, file.count)
    work = _Import(file, kind, report)
    again = translated("Run the same command again: it goes on after the last line that is done.")

    async def run(channel: grpc.aio.Channel) -> None:
        await keep_trying(lambda note: work.attempt(channel, patience, note), patience, asking.link.tell_away)

    failure, code = ended(asking.link, run, again, OSError, ValueError)
    if rejects is not None:
        _write_rejects(rejects, report)
    click.echo(json.dumps(report.plain(), ensure_ascii=False) if asking.as_json else report.summary())
    if failure:
        click.echo(failure, err=True)
    if code or report.rejected:
        sys.exit(code or REFUSED)


def _write_rejects(path: Path, report: Report) -> None:
    try:
        with open_private(path, encoding="utf-8-sig", newline="") as file:
            csv.writer(file).writerows(map(spreadsheet_row, [("line", "reason", "problem", "text"), *report.rows]))
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}") from error


def _is_another(file: NetworkFile[M], last: int) -> str:
    return translated(
        "{path} has {lines} lines, and {last} of {source} are done: it is another file, name another source",
        path=file.path,
        lines=file.count,
        last=last,
        source=file.source,
    )
