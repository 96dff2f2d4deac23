"""Files of customers."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gateway.api.federation.v1.configuration_pb2 import Plan
from gateway.api.region.v1.customer_service_pb2 import Customer
from gateway.wording.languages import enumerated, translated
from region_node.cli.imports.column_map import ColumnMap, LineInvalid, MapUnusable, Surroundings
from region_node.cli.imports.line_file import Line, LineFile
from region_node.cli.imports.number_ranges import NumberRange


class CustomerFile(LineFile):
    """A file of customers with its map and the ranges of numbers for it."""

    def __init__(self, path: Path, columns: ColumnMap, ranges: Mapping[str, tuple[str, str]]) -> None:
        """Reads the whole file once. Raises LineFileUnusable or MapUnusable."""
        settings = "".join(f"\n{name}={first}-{last}" for name, (first, last) in sorted(ranges.items()))
        super().__init__(path, columns.encoding, columns.delimiter, columns.content, settings)
        self._map = columns
        self._ranges = ranges
        if self._unused_ranges():
            unused = enumerated(self._unused_ranges())
            raise MapUnusable(translated("--numbers: the map asks for no range {ranges}", ranges=unused))
        columns.customers(self.header, self._around(()))

    def lines(self, plans: Sequence[Plan]) -> Iterator[Line[Customer]]:
        """All lines in order; a line gets the same numbers every time. Raises LineFileUnusable."""
        customers = self._map.customers(self.header, self._around(plans))
        for row, cells in self.rows():
            try:
                yield Line(row, row, cells, customers.customer(cells))
            except LineInvalid as invalid:
                yield Line(row, row, cells, None, invalid.problem)

    def _around(self, plans: Sequence[Plan]) -> Surroundings:
        return Surroundings({name: NumberRange(*ends) for name, ends in self._ranges.items()}, plans)

    def _unused_ranges(self) -> list[str]:
        return sorted(self._ranges.keys() - self._map.ranges_named)
