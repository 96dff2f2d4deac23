"""What commands print for people: tables, as wide as the terminal is."""

import sys
from collections.abc import Sequence

import click
from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gateway.languages import translated

_SHORT = 40  # characters
_PIPED_WIDTH = 200  # columns where no terminal says how many it has
_TOO_NARROW = 0.9  # of the width of all longest words: one that is folded harms less than rows of ten lines
_ANY_WIDTH = 10_000  # columns: more than any table needs


def output() -> Console:
    """Where tables go: standard output as it is now."""
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else _PIPED_WIDTH, highlight=False)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str | Text]], title: str = "") -> None:
    """Prints a table on standard output; texts are shown as they are and never read as markup.

    Where the terminal is much too narrow for the longest word of each column, each row is printed by itself, a line for
    each of its cells. A table without rows and title is one line that says so.
    """
    if not rows and not title:
        click.echo(translated("There is none."))
        return
    console = output()
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=place == 0 and _is_short(rows))
    for row in rows:
        table.add_row(*map(_as_text, row))
    if console.width < _TOO_NARROW * _least_width(table, console):
        _print_rows(console, columns, rows, title)
    else:
        console.print(table)


def _is_short(rows: Sequence[Sequence[str | Text]]) -> bool:
    """Whether what names the rows is so short that it need not be folded: then it can be copied on any terminal."""
    return all(len(row[0]) <= _SHORT for row in rows)


def _least_width(table: Table, console: Console) -> int:
    """How many columns a table needs so that no word of it is folded."""
    return Measurement.get(console, console.options.update(width=_ANY_WIDTH), table).minimum


def _print_rows(console: Console, columns: Sequence[str], rows: Sequence[Sequence[str | Text]], title: str) -> None:
    """Each row under what names it: its other cells, one a line, but for those in which nothing is."""
    if title:
        console.print(Text(title, style="italic"))
    for row in rows:
        console.print(Text.assemble((columns[0], "bold"), " ", _as_text(row[0])), soft_wrap=True)
        cells = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
        cells.add_column(no_wrap=True, style="bold")
        cells.add_column(overflow="fold")
        for column, cell in zip(columns[1:], row[1:], strict=True):
            if _as_text(cell).plain.strip():
                cells.add_row(column, _as_text(cell))
        if cells.row_count:
            console.print(Padding(cells, (0, 0, 0, 2)))


def _as_text(cell: str | Text) -> Text:
    return Text(cell) if isinstance(cell, str) else cell
