"""How far an import is, and which lines were not taken."""

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Generic, Protocol, Self, TypeVar

import click

from gateway.api.region.v1.customer_service_pb2 import RejectedLine
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import reason_name, text
from gateway.process.files import open_private
from gateway.values.plain_text import spreadsheet_row
from gateway.wording.languages import in_language, translated
from region_node.cli.imports.column_map import Problem
from region_node.cli.imports.line_file import Line, LineFile
from region_node.cli.progress import LineProgress

_SHOWN = 10  # rejected lines printed with their reasons; the file of rejects has them all
_COLUMNS = ("line", "reason", "zh_cn", "en")


class Answer(Protocol):
    """The node's response to a piece of a file."""

    @property
    def last_line(self) -> int:
        """The number of the last line that is done; 0 where none is."""
        ...

    @property
    def created(self) -> int:
        """How many were new, of the whole file so far."""
        ...

    @property
    def existing(self) -> int:
        """How many were there."""
        ...

    @property
    def rejected(self) -> Iterable[RejectedLine]:
        """The lines that were not taken: of this piece, or of before."""
        ...

    @property
    def rejected_total(self) -> int:
        """How many were not taken, of the whole file so far."""
        ...


M = TypeVar("M")
R = TypeVar("R", bound=Answer)


def require_other_file(rejects: Path | None, file: Path) -> None:
    """Raises UsageError where the file of rejects would overwrite its source."""
    if rejects is not None and rejects.resolve() == file.resolve():
        raise click.UsageError(translated("--rejects: is FILE itself"))


class ImportReport(Generic[M, R]):
    """Receives the node's responses: shows a bar on a terminal, writes the file of rejects, and counts."""

    def __init__(self, file: LineFile, rejects: Path | None) -> None:
        """Raises UsageError where the file of rejects cannot be written, or is the file itself."""
        require_other_file(rejects, file.path)
        self.rejected = 0
        self._file = file
        self._created = self._existing = 0
        self._last_line = self._began_at = 0
        self._reasons: Counter[str] = Counter()
        self._shown: list[str] = []
        self._rejects: IO[str] | None = None
        if rejects is not None:
            try:
                # With a mark of its encoding, which spreadsheets need for Chinese.
                self._rejects = open_private(rejects, encoding="utf-8-sig", newline="")
            except OSError as error:
                raise click.UsageError(f"{rejects}: {error.strerror}") from error
        self.progress = LineProgress(file.path.name, file.count)

    def __enter__(self) -> Self:
        self.progress.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.__exit__()
        if self._rejects is not None:
            self._rejects.close()

    def begin(self, answer: R) -> None:
        """Takes the node's progress at the beginning of a stream, which repeats all rejected lines."""
        if self._last_line == 0:
            self._began_at = answer.last_line
        self._reasons.clear()
        self._shown.clear()
        if self._rejects is not None:
            self._rejects.seek(0)
            self._rejects.truncate()
            header = (*_COLUMNS, *self._own(self._file.header))
            csv.writer(self._rejects).writerow(spreadsheet_row(header))
        self.count(answer)

    def count(self, answer: R) -> None:
        """Takes the node's progress."""
        self._last_line = answer.last_line
        self._created, self._existing, self.rejected = answer.created, answer.existing, answer.rejected_total
        self.progress.reached(max(self._last_line - 1, 0))

    def accept(self, line: Line[M]) -> None:
        """Counts an accepted line, in the order of the file."""

    def reject(self, line: Line[M], told: RejectedLine) -> None:
        """Counts a rejected line, in the order of the file."""
        reason, message = told.reason, told.message
        if line.problem is not None:
            # A problem found by the map: the node has only the number of the line.
            reason, message = Reason.REASON_REQUEST_INVALID, _text(line.problem)
        self._reasons[reason_name(reason)] += 1
        if len(self._shown) < _SHOWN:
            shown = translated("line {line}: {problem}", line=line.row, problem=in_language(message))
            self._shown.append(shown)
        if self._rejects is not None:
            row = (line.row, reason_name(reason), message.zh_cn, message.en, *self._own(line.cells))
            csv.writer(self._rejects).writerow(spreadsheet_row(row))

    def _own(self, cells: Sequence[str]) -> Sequence[str]:
        """The cells of a row without the columns that an earlier file of rejects has added."""
        return cells[len(_COLUMNS) :] if tuple(self._file.header[: len(_COLUMNS)]) == _COLUMNS else cells

    def plain(self) -> dict[str, object]:
        """The summary for programs."""
        return {
            "file": str(self._file.path),
            "sha256": self._file.sha256.hex(),
            "lines": self._file.count,
            "done": max(self._last_line - 1, 0),
            "created": self._created,
            "existing": self._existing,
            "rejected": self.rejected,
            "reasons": dict(self._reasons),
            "seconds": round(self.progress.seconds, 3),
            "per_second": None if (rate := self._rate()) is None else round(rate, 1),
        }

    def show(self) -> None:
        """Prints the results of the lines, for people."""
        click.echo(self.summary())

    def summary(self) -> str:
        """The summary for people."""
        return "\n".join(
            [
                self._pace(),
                *self._taken(),
                translated("rejected: {count}", count=f"{self.rejected:,}"),
                *(f"  {reason} {count:,}" for reason, count in self._reasons.most_common()),
                *(f"  {each}" for each in self._shown),
            ]
        )

    def _taken(self) -> Sequence[str]:
        """The results of accepted lines, a line each."""
        return (
            translated("new: {count}", count=f"{self._created:,}"),
            translated("there with the same content: {count}", count=f"{self._existing:,}"),
        )

    def _pace(self) -> str:
        """The progress, and the rate of this run if it had work."""
        done = {
            "file": self._file.path.name,
            "done": f"{max(self._last_line - 1, 0):,}",
            "lines": f"{self._file.count:,}",
        }
        if (rate := self._rate()) is None:
            return translated("{file}: {done} of {lines} lines, all of them done by an earlier run", **done)
        seconds = f"{self.progress.seconds:.1f}"
        if round(rate) < 1:
            return translated("{file}: {done} of {lines} lines, in {seconds} s", **done, seconds=seconds)
        return translated(
            "{file}: {done} of {lines} lines, in {seconds} s, {rate} a second",
            **done,
            seconds=seconds,
            rate=f"{rate:,.0f}",
        )

    def _rate(self) -> float | None:
        """Lines a second, without earlier ones; None without any of this run."""
        before = max(self._began_at, 1)
        if 1 < before == self._last_line:
            return None
        return max(self._last_line - before, 0) / max(self.progress.seconds, 0.001)


def _text(problem: Problem) -> LocalizedText:
    def told(text_of_it: str) -> LocalizedText:
        return text(Reason.REASON_REQUEST_INVALID, {"field": problem.field, "problem": text_of_it})

    return LocalizedText(zh_cn=told(problem.zh_cn).zh_cn, en=told(problem.en).en)
