"""The output for the audience: chapters, steps, and at the end whether each step went as expected."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gateway.api.types.v1.types_pb2 import LocalizedText

_PIPED_WIDTH = 130  # columns of an output without a terminal
_WIDEST = 150
_INDENT = (0, 0, 0, 2)  # in the order of rich: top, right, bottom, left
_STEP_WIDTH = 40  # columns of a step before its result


@dataclass(frozen=True)
class Check:
    """A promise of the story, and the result."""

    step: str
    expected: str
    seen: str

    @property
    def holds(self) -> bool:
        """Whether they agree."""
        return self.expected == self.seen


class Stage:
    """Prints, and remembers every check."""

    def __init__(self) -> None:
        self.console = _console()
        self.checks: list[Check] = []
        self._chapter = 0

    def title(self, text: str, *under: str) -> None:
        """The title of the whole, and lines under it."""
        self.console.print()
        self.console.print(Text(text, style="bold"), justify="center")
        for line in under:
            self.console.print(Text(line, style="dim"), justify="center")

    def chapter(self, title: str, what: str) -> None:
        """Prints a new chapter, with a line about its content and its point."""
        self._chapter += 1
        self.console.print()
        self.console.rule(Text(f"{self._chapter}  {title}", style="bold cyan"), align="left", style="cyan")
        self.console.print(Text(what, style="italic"))

    def say(self, text: str) -> None:
        """A line of the story."""
        self.console.print(Padding(Text(text, style="dim"), _INDENT, expand=False))

    def told(self, who: str, text: LocalizedText) -> None:
        """Prints a text that a person reads or hears, in both languages."""
        if text.zh_cn or text.en:
            columns = Table.grid(padding=(0, 0, 0, 2))
            columns.add_row(Text(f"{who}:", style="dim"), Text(f"{text.zh_cn}\n{text.en}", style="yellow"))
            self.console.print(Padding(columns, _INDENT, expand=False))

    def check(self, step: str, expected: str, seen: str, detail: str = "") -> None:
        """A step of the story: the expected and the actual result."""
        check = Check(step, expected, seen)
        self.checks.append(check)
        mark = ("✓ ", "bold green") if check.holds else ("✗ ", "bold red")
        outcome = (seen, "green") if check.holds else (f"{seen}, and not: {expected}", "bold red")
        padding = " " * max(2, _STEP_WIDTH - cell_len(step))
        self.console.print(Text.assemble(mark, (step + padding, ""), outcome, (f"  {detail}" if detail else "", "dim")))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str | Text]], *, lines: bool = False) -> None:
        """A table, with lines between its rows or without. Texts are shown as they are and never read as markup."""
        style = box.HORIZONTALS if lines else box.SIMPLE_HEAD
        table = Table(box=style, show_lines=lines, border_style="dim", header_style="bold", pad_edge=False)
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
        self.console.print(table)

    def line_to_copy(self, text: str) -> None:
        """A line that can be copied whole: never wrapped, never decorated."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True, style="green")


def _console() -> Console:
    terminal = sys.stdout.isatty()
    console = Console(file=sys.stdout, width=None if terminal else _PIPED_WIDTH, highlight=False)
    if console.width > _WIDEST:
        console.width = _WIDEST
    return console
