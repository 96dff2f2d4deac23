"""Wraps command help by display width: a Chinese character takes two columns.

Lines end at spaces and between Chinese characters, so that identifiers, times and addresses stay in one piece. A line
neither begins with a closing mark nor ends with an opening one (GB/T 15834).
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import click

_KEPT: Final = "\b"  # click does not fold a paragraph that begins so
_OPENING: Final = "（《〈「『【“"
_CLOSING: Final = "，。；：、！？）》〉」』】”"
_WIDE: Final = "\u2e80-\u9fff\uff00-\uffef"
_PIECE: Final = re.compile(rf"\s+|[{_OPENING}]*(?:[^\s{_WIDE}{_OPENING}{_CLOSING}]+|\S)[{_CLOSING}]*")


def columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


def folded(text: str, width: int) -> Sequence[str]:
    """The lines of a paragraph, each up to `width` columns; a wider piece has a line of its own."""
    lines, line = [], ""
    for piece in _PIECE.findall(text):
        told = " " if "\n" in piece else piece
        if line.strip() and columns(line + told) > width:
            lines.append(line.rstrip())
            line = ""
        line += told if line else told.lstrip()
    return [*lines, line.rstrip()] if line.strip() else lines


def _laid_out(text: str, width: int) -> str:
    """A text with wrapped paragraphs, so that click does not wrap them again."""
    return "\n\n".join(_paragraphs(text, width))


def _paragraphs(text: str, width: int) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text):
        is_kept = paragraph.lstrip(" \n").startswith(_KEPT)
        yield paragraph if is_kept else "\n".join([_KEPT, *folded(paragraph, width)])


class FoldedHelp(click.HelpFormatter):
    """A help formatter that wraps by display width."""

    def write_text(self, text: str) -> None:
        """See click."""
        indent = " " * self.current_indent
        laid_out = _laid_out(text, self.width - self.current_indent)
        self.write(click.wrap_text(laid_out, self.width, indent, indent, preserve_paragraphs=True) + "\n")

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """See click. The second column begins behind the widest of the first."""
        rows = list(rows)
        first = min(max((len(term) for term, _ in rows), default=0), col_max) + col_spacing
        width = max(self.width - first - self.current_indent, 10)
        super().write_dl([(term, _laid_out(told, width) if told else "") for term, told in rows], col_max, col_spacing)


class HelpContext(click.Context):
    """The context of a command whose help wraps by display width."""

    formatter_class = FoldedHelp
