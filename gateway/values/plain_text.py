"""Acting characters: refused in incoming texts, made visible in outgoing ones. Pure.

Controls (Unicode category Cc) clear a terminal, write its clipboard (OSC 52) or forge its lines. Bidirectional marks,
embeddings, overrides and isolates (UAX #9), and line separators, make a text look different from its stored form.
"""

import re
from collections.abc import Iterable
from typing import Final

# A carriage return before a newline belongs to it; alone it overwrites the line.
_ACTS: Final = (
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f]"
    r"|\r(?!\n)"
)
_ACTING: Final = re.compile(_ACTS)
_ACTING_IN_A_LINE: Final = re.compile(rf"{_ACTS}|[\t\n\r]")
# A spreadsheet takes a cell that begins so for a formula (OWASP, CSV injection); some drop blanks before it.
_BLANK: Final = r"[\s\u00ad\u034f\u115f\u180e\u200b-\u200d\u2060-\u2064\u3164\ufe0f\ufeff]"
_FORMULA: Final = re.compile(rf"{_BLANK}*[=+\-@\t\r\n\uff0b\uff0d\uff1d\uff20]")
_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?")


def acting_character(text: str, *, lines: bool) -> str | None:
    """The first acting character of a text, as `U+001B`; None without one.

    With `lines`, line feeds and tabs are permitted.
    """
    # Printable text, by far the most frequent, needs no further check.
    if text.isprintable():
        return None
    found = (_ACTING if lines else _ACTING_IN_A_LINE).search(text)
    return None if found is None else f"U+{ord(found[0]):04X}"


def visible(text: str) -> str:
    r"""The text with each acting character written as `\u001b`, as in JSON; lines and tabs stay."""
    return text if text.isprintable() else _ACTING.sub(_written, text)


def spreadsheet_row(cells: Iterable[object]) -> list[object]:
    """The cells of a row of CSV: numbers as they are, texts by `spreadsheet_cell`."""
    return [spreadsheet_cell(each) if isinstance(each, str) else each for each in cells]


def spreadsheet_cell(text: str) -> str:
    """The text for a cell of CSV: visible, and behind an apostrophe where a spreadsheet would compute it.

    Numbers stay numbers, also signed ones: they contain nothing to compute.
    """
    shown = visible(text)
    return f"'{shown}" if _FORMULA.match(shown) and not _NUMBER.fullmatch(shown) else shown


def typed_cell(cell: str) -> str:
    """The content of a CSV cell without the apostrophe of `spreadsheet_cell`, so that an exported file can be read
    again.
    """
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell, 1) else cell


def _written(found: "re.Match[str]") -> str:
    return f"\\u{ord(found[0]):04x}"
