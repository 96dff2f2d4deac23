"""What commands print for people: tables, as wide as the terminal is."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

_SHORT = 40  # characters
_PIPED_WIDTH = 200  # columns where no terminal says how many it has


def is_short(rows: Sequence[Sequence[str | Text]]) -> bool:
    """Whether what names the rows is so short that it need not be folded: then it can be copied on any terminal."""
    return all(len(row[0]) <= _SHORT for row in rows)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
    """Prints a table on standard output; texts are shown as they are and never read as markup."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=place == 0 and is_short(rows))
    for row in rows:
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    terminal = sys.stdout.isatty()
    Console(file=sys.stdout, width=None if terminal else _PIPED_WIDTH, highlight=False).print(table)
