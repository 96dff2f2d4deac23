"""Tables of a page, as `parts.html.j2` writes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

_BESIDE = 5
"""The columns that a tablet shows beside each other."""


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


@dataclass(frozen=True)
class Table:
    """A table in a box, which scrolls sideways where its columns have no room."""

    label: str
    """Its name for screen readers."""
    head: Sequence[Cell]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    order: str = ""
    """The order of its rows, as a sentence behind the caption."""
    style: str = ""
    """Classes of the style sheet, with spaces between."""
    is_compared: bool = False
    """Whether readers compare its columns: it stays a table in a narrow window, and scrolls sideways."""

    @property
    def has_cards(self) -> bool:
        """Whether each row is a card in a narrow window, with the titles of the columns beside its cells."""
        return len(self.head) > _BESIDE and not self.is_compared
