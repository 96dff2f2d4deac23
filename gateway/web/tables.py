"""Tables of a page, as `parts.html.j2` writes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Cell:
    """A table cell."""

    text: str
    scope: Literal["", "row", "col"] = ""
    """The direction in which a heading cell applies; empty for a cell with data."""
    style: str = ""
    """Classes of the style sheet, with spaces between."""
    hint: str = ""
    """A text that appears when a pointer rests on the cell."""
    href: str = ""
    """The address of another page, which the text leads to."""
    badge: str = ""
    """The class of a badge around the text."""
    note: str = ""
    """A text below, in smaller letters."""
    sort: Literal["", "ascending", "descending"] = ""
    """The direction in which the rows come by this heading of a column; empty for another order."""

    @property
    def is_plain(self) -> bool:
        """Whether the cell has nothing but its text."""
        return not (self.scope or self.style or self.hint or self.href or self.badge or self.note)


@dataclass(frozen=True)
class Table:
    """A table in a box that scrolls sideways."""

    label: str
    """Its name for screen readers."""
    head: Sequence[Cell]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    order: str = ""
    """The order of its rows, as a sentence behind the caption."""
    style: str = ""
    """Classes of the style sheet, with spaces between."""
