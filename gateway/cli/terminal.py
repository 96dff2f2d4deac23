"""Tables on the terminal, as wide as the terminal."""

import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import click
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

from gateway.values.plain_text import visible
from gateway.wording.languages import enumerated, translated

_SHORT = 40  # characters
_PIPED_WIDTH = 200  # columns of an output without a terminal
_TOO_NARROW = 0.9  # share of the width of all longest words: folding a word harms less than rows of ten lines
_GAP = 2  # columns between two of a table
_WIDE = 140  # the width in columns from which a table shows all of its columns
_ANY_WIDTH = 10_000  # columns: more than any table needs


def output() -> Console:
    """The console on standard output."""
    width = None if sys.stdout.isatty() else _PIPED_WIDTH
    return _visible(Console(file=sys.stdout, width=width, highlight=False))


def error_output() -> Console:
    """The console on standard error, for progress bars and messages meanwhile."""
    return _visible(Console(stderr=True, highlight=False))


@dataclass(frozen=True)
class _Visible:
    """A renderable with visible texts; the console's own control sequences stay."""

    printed: ConsoleRenderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self.printed, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


class _VisibleTexts(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Visible(each) for each in renderables]


def _visible(console: Console) -> Console:
    console.push_render_hook(_VisibleTexts())
    return console


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str | Text]], title: str = "", *, only_wide: Collection[str] = ()
) -> None:
    """Prints a table on standard output; texts are shown as they are and never read as markup.

    A terminal of less than 140 columns lacks the columns of `only_wide`; a note on standard error lists them.

    Words are not folded where each column has room for its longest word. On a much too narrow terminal each row is
    printed by itself, a line per cell. A table without rows prints its title, and that there is none.
    """
    console = output()
    if not rows:
        if title:
            console.print(Text(title, style="italic"))
        click.echo(translated("There is none."))
        return
    left_out = [each for each in columns if each in only_wide] if console.width < _WIDE else []
    shown_at = [place for place, column in enumerate(columns) if column not in left_out]
    columns, rows = [columns[at] for at in shown_at], [[row[at] for at in shown_at] for row in rows]
    _print(console, columns, rows, title)
    if left_out:
        told = translated(
            "Not shown on less than {width} columns: {names}. --json has all.", width=_WIDE, names=enumerated(left_out)
        )
        click.echo(told, err=True)


def _print(console: Console, columns: Sequence[str], rows: Sequence[Sequence[str | Text]], title: str) -> None:
    table = Table(
        box=None,
        pad_edge=False,
        padding=(0, _GAP, 0, 0),
        header_style="bold",
    )
    for place, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=place == 0 and _is_short(rows))
    for row in rows:
        table.add_row(*map(_as_text, row))
    needs = [_needs(console, column) for column in table.columns]
    room, least = console.width - _GAP * (len(needs) - 1), sum(need.minimum for need in needs)
    if title:
        console.print(Text(title, style="italic"))
    if room < _TOO_NARROW * least:
        _print_rows(console, columns, rows)
        return
    if least <= room < sum(need.maximum for need in needs):
        for shown, width in zip(table.columns, _widths(needs, room), strict=True):
            shown.width = width
    console.print(table)


def tell_more(next_page_token: str) -> None:
    """Prints on standard error that a list has further pages, if it does."""
    if next_page_token:
        click.echo(translated("There are more: narrow it down, or ask for more by --limit."), err=True)


def _needs(console: Console, column: Column) -> Measurement:
    """The least width of a column without folded words, and its full width."""
    options = console.options.update(width=_ANY_WIDTH)
    found = [Measurement.get(console, options, cell) for cell in (column.header, *column.cells)]
    widest = max(each.maximum for each in found)
    return Measurement(widest if column.no_wrap else max(each.minimum for each in found), widest)


def _widths(needs: Sequence[Measurement], room: int) -> list[int]:
    """Widths with a sum of at most `room`. Columns that lack little get all of it before columns that lack much."""
    widths = [need.minimum for need in needs]
    left = room - sum(widths)
    by_lack = sorted(range(len(needs)), key=lambda column: needs[column].span)
    for place, column in enumerate(by_lack):
        given = min(needs[column].span, left // (len(needs) - place))
        widths[column] += given
        left -= given
    return widths


def _is_short(rows: Sequence[Sequence[str | Text]]) -> bool:
    """Whether the row names are so short that they need no folding: users can then copy them on any terminal."""
    return all(len(row[0]) <= _SHORT for row in rows)


def _print_rows(console: Console, columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
    """Prints each row under its name: the other cells, one a line, without empty cells."""
    for row in rows:
        console.print(Text.assemble((columns[0], "bold"), " ", _as_text(row[0])), soft_wrap=True)
        cells = Table(box=None, pad_edge=False, show_header=False, padding=(0, _GAP, 0, 0))
        cells.add_column(no_wrap=True, style="bold")
        cells.add_column(overflow="fold")
        for column, cell in zip(columns[1:], row[1:], strict=True):
            if _as_text(cell).plain.strip():
                cells.add_row(column, _as_text(cell))
        if cells.row_count:
            console.print(Padding(cells, (0, 0, 0, 2)))


def _as_text(cell: str | Text) -> Text:
    # Characters become visible before the width is measured, because this lengthens the text.
    if isinstance(cell, str):
        return Text(visible(cell))
    return cell if visible(cell.plain) == cell.plain else Text(visible(cell.plain), cell.style)
