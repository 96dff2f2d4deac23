"""Texts of complaints from a CSV or TSV file, with a category each, if labelled."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.cli.exits import NotDone
from gateway.wording.languages import translated

_TEXT, _CATEGORY = "text", "category"
_LONGEST = 10_000  # characters of a text, as a node takes them


@dataclass(frozen=True)
class Labelled:
    """A text and its label."""

    line: int
    """The line where the text begins in the file; the header is line 1."""
    text: str
    category: str
    """The category code of the label; empty for an unlabelled text."""


def read_labelled(path: Path) -> list[Labelled]:
    """Reads the texts of a file. Raises NotDone for an unreadable file, or an invalid line.

    A first line with a tab is the header of a TSV file, in which quotes have no meaning.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            head = lines.readline()
            lines.seek(0)
            if "\t" in head:
                return list(_texts(path, csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)))
            return list(_texts(path, csv.reader(lines, strict=True)))
    except OSError as error:
        raise NotDone([translated("{path}: cannot be read: {problem}", path=path, problem=error.strerror)]) from None
    except UnicodeDecodeError as error:
        told = translated("{path}: is not UTF-8 at byte {position}", path=path, position=error.start)
        raise NotDone([told]) from None
    except csv.Error as error:
        raise NotDone([translated("{path}: cannot be read: {problem}", path=path, problem=error)]) from None


def _texts(path: Path, rows: Iterator[list[str]]) -> Iterator[Labelled]:
    head = [name.strip().casefold() for name in next(rows, [])]
    if _TEXT not in head:
        told = translated("{path}: the first line must name a column text, and may name category", path=path)
        raise NotDone([told])
    line = 2
    for row in rows:
        if row:
            yield _labelled(path, line, head, row)
        line += 1


def _labelled(path: Path, line: int, head: Sequence[str], row: Sequence[str]) -> Labelled:
    if len(row) != len(head):
        told = translated(
            "{path}:{line}: has {found} columns instead of {wanted}",
            path=path,
            line=line,
            found=len(row),
            wanted=len(head),
        )
        raise NotDone([told])
    text = row[head.index(_TEXT)].strip()
    if len(text) > _LONGEST:
        told = translated(
            "{path}:{line}: the text is longer than {limit} characters", path=path, line=line, limit=_LONGEST
        )
        raise NotDone([told])
    return Labelled(line, text, row[head.index(_CATEGORY)].strip() if _CATEGORY in head else "")
