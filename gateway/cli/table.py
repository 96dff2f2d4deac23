"""Tables of records: a column defines its title and its cells."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from rich.text import Text

from gateway.cli.terminal import print_table
from gateway.wording.languages import translated
from gateway.wording.times import Happening, told_time

R = TypeVar("R")


@dataclass(frozen=True)
class TableColumn(Generic[R]):
    """A column of a table of records `R`."""

    title: str
    """The English title, written at the call, from where `deploy/texts.py` takes it into the catalogues."""
    cell: Callable[[R], str | Text]
    only_wide: bool = False
    """Whether a narrow terminal lacks the column."""


class Table(Generic[R]):
    """The columns of a table, each printed as often as there are rows for it."""

    def __init__(self, *columns: TableColumn[R]) -> None:
        self._columns = columns

    def show(self, rows: Iterable[R], title: str = "") -> None:
        """Prints a line for each row on standard output. See `terminal.print_table`."""
        titles = [translated(each.title) for each in self._columns]
        cells = [self.cells(row) for row in rows]
        wide = [translated(each.title) for each in self._columns if each.only_wide]
        print_table(titles, cells, title, only_wide=wide)

    def cells(self, row: R) -> list[str | Text]:
        """The cells of a row."""
        return [each.cell(row) for each in self._columns]

    def show_one(self, row: R) -> None:
        """Prints the table of one row."""
        self.show([row])


def show_timeline(happened: Iterable[Happening], title: str = "", *, timespec: str = "minutes") -> None:
    """Prints the events of a record, oldest first."""
    table = Table[Happening](
        TableColumn("time", lambda each: told_time(each[0], timespec=timespec)),
        TableColumn("who", lambda each: each[1]),
        TableColumn("what", lambda each: each[2]),
    )
    table.show(sorted(happened, key=lambda each: each[0]), title)
