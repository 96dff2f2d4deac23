"""Files of customers: CSV with a header, read by a map."""

import csv
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.api.federation.v1.configuration_pb2 import Plan
from gateway.api.region.v1.customer_service_pb2 import Customer
from gateway.languages import translated
from region_node.cli.column_map import ColumnMap, LineInvalid, MapUnusable, Problem, Surroundings
from region_node.cli.number_ranges import NumberRange

_PIECE = 1024 * 1024  # bytes


class CustomerFileUnusable(Exception):
    """The file as a whole cannot be read; the text says why."""


@dataclass(frozen=True)
class Line:
    """One line: the customer that it describes, or the problem why it describes none. The header is line 1."""

    number: int
    cells: Sequence[str]
    customer: Customer | None
    problem: Problem | None = None


class CustomerFile:
    """A file as it was when it was opened, with its map: their hash, how many lines there are, and the lines.

    A line is a row: one whose cells hold line breaks counts as one, an empty one not at all.
    """

    def __init__(self, path: Path, columns: ColumnMap, ranges: Mapping[str, tuple[str, str]]) -> None:
        """Reads the whole file once. Raises CustomerFileUnusable or MapUnusable."""
        self.path = path
        self._map = columns
        self._ranges = ranges
        try:
            self.sha256 = self._hash()
            rows = self._rows()
            self.header = next(rows, [])
            self.count = sum(1 for _ in rows)
        except OSError as error:
            raise CustomerFileUnusable(f"{path}: {error.strerror}") from error
        except (UnicodeError, LookupError, csv.Error) as error:
            raise CustomerFileUnusable(f"{path}: {error}") from error
        if not self.header:
            raise CustomerFileUnusable(translated("{path}: it is empty", path=path))
        if self._unused_ranges():
            unused = ", ".join(self._unused_ranges())
            raise MapUnusable(translated("--numbers: the map asks for no range {ranges}", ranges=unused))
        columns.customers(self.header, self._around(()))

    @property
    def last_line(self) -> int:
        """The number of the last line."""
        return self.count + 1

    def lines(self, plans: Sequence[Plan]) -> Iterator[Line]:
        """All lines in order; a line gets the same numbers every time. Raises CustomerFileUnusable."""
        customers = self._map.customers(self.header, self._around(plans))
        try:
            rows = self._rows()
            next(rows)
            for number, cells in enumerate(rows, 2):
                try:
                    yield Line(number, cells, customers.customer(cells))
                except LineInvalid as invalid:
                    yield Line(number, cells, None, invalid.problem)
        except (OSError, UnicodeError, csv.Error) as error:
            raise CustomerFileUnusable(f"{self.path}: {error}") from error

    def _rows(self) -> Iterator[list[str]]:
        with self.path.open(encoding=self._map.encoding, newline="") as file:
            for row in csv.reader(file, delimiter=self._map.delimiter, strict=True):
                if row:
                    yield row

    def _hash(self) -> bytes:
        """Of all that decides what customers come out: the file, the map and the ranges."""
        digest = hashlib.sha256()
        with self.path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
        ranges = "".join(f"\n{name}={first}-{last}" for name, (first, last) in sorted(self._ranges.items()))
        return hashlib.sha256(digest.digest() + hashlib.sha256(self._map.content).digest() + ranges.encode()).digest()

    def _around(self, plans: Sequence[Plan]) -> Surroundings:
        return Surroundings({name: NumberRange(*ends) for name, ends in self._ranges.items()}, plans)

    def _unused_ranges(self) -> list[str]:
        return sorted(self._ranges.keys() - self._map.ranges_named)
