"""Files of complaints."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from gateway.api.region.v1.complaint_import_service_pb2 import ImportedComplaint
from region_node.cli.complaints.complaint_map import ComplaintMap, Complaints
from region_node.cli.imports.column_map import LineInvalid
from region_node.cli.imports.line_file import Line, LineFile

_FIRST = 2  # the number of the first line
_UNREADABLE = datetime.min.replace(tzinfo=UTC)


class ComplaintFile(LineFile):
    """A file of complaints with its map. The lines come in the order of filing, since complaints repeat others.

    A file in another order is held in memory; the usual one is read while it is sent.
    """

    def __init__(self, path: Path, columns: ComplaintMap) -> None:
        """Reads the whole file twice. Raises LineFileUnusable or MapUnusable."""
        super().__init__(path, columns.encoding, columns.delimiter_of(path), columns.content, "\ncomplaints")
        self.zone = columns.zone
        self._complaints = columns.complaints(self.header)
        self._is_in_order = self._look_at_order()

    def lines(self) -> Iterator[Line[ImportedComplaint]]:
        """All lines in the order of filing, those with an unreadable time first. Raises LineFileUnusable."""
        rows = self.rows()
        if not self._is_in_order:
            rows = iter(sorted(rows, key=lambda each: (_filed(self._complaints, each[1]), each[0])))
        for number, (row, cells) in enumerate(rows, _FIRST):
            try:
                yield Line(number, row, cells, self._complaints.complaint(cells))
            except LineInvalid as invalid:
                yield Line(number, row, cells, None, invalid.problem)

    def _look_at_order(self) -> bool:
        last = _UNREADABLE
        for _, cells in self.rows():
            filed = _filed(self._complaints, cells)
            if filed < last:
                return False
            last = filed
        return True


def _filed(complaints: Complaints, cells: list[str]) -> datetime:
    try:
        return complaints.filed(cells)
    except LineInvalid:
        return _UNREADABLE
