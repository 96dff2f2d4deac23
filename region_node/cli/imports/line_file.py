"""Import files: CSV or TSV with a header, read by a map."""

import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from gateway.values.plain_text import typed_cell
from gateway.wording.languages import translated
from region_node.cli.imports.column_map import Problem

M = TypeVar("M")


class LineFileUnusable(Exception):
    """The file as a whole cannot be read; the text has the reason."""


@dataclass(frozen=True)
class Line(Generic[M]):
    """A line: its message, or the problem without one.

    `number` is the line's number at the node, from 2; `row` its place in the file, whose header is 1.
    """

    number: int
    row: int
    cells: Sequence[str]
    content: M | None
    problem: Problem | None = None


class LineFile:
    """A file as it was at opening: the hash of its whole input, its header, its rows.

    A line is a row. A row whose cells hold line breaks counts as one, an empty row not at all.
    """

    def __init__(self, path: Path, encoding: str, delimiter: str, map_content: bytes, settings: str = "") -> None:
        """Reads the whole file once. Raises LineFileUnusable. `settings` is the rest of the input, besides the map."""
        self.path = path
        self._encoding = encoding
        self._delimiter = delimiter
        try:
            self.sha256 = self._hash(map_content, settings)
            rows = self._with_header()
            self.header = next(rows, [])
            self.count = sum(1 for _ in rows)
        except OSError as error:
            raise LineFileUnusable(f"{path}: {error.strerror}") from error
        except (UnicodeError, LookupError, csv.Error) as error:
            raise LineFileUnusable(f"{path}: {error}") from error
        if not self.header:
            raise LineFileUnusable(translated("{path}: it is empty", path=path))

    @property
    def last_line(self) -> int:
        """The number of the last line."""
        return self.count + 1

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """The number of each row below the header, and its cells. Raises LineFileUnusable."""
        try:
            rows = self._with_header()
            next(rows)
            yield from enumerate(rows, 2)
        except (OSError, UnicodeError, csv.Error) as error:
            raise LineFileUnusable(f"{self.path}: {error}") from error

    def _with_header(self) -> Iterator[list[str]]:
        with self.path.open(encoding=self._encoding, newline="") as file:
            for row in csv.reader(file, delimiter=self._delimiter, strict=True):
                if row:
                    yield [typed_cell(cell) for cell in row]

    def _hash(self, map_content: bytes, settings: str) -> bytes:
        with self.path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").digest()
        return hashlib.sha256(content + hashlib.sha256(map_content).digest() + settings.encode()).digest()
