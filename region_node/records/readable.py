"""Pages of rows of which some cannot be read any more, because their keys were destroyed."""

from collections.abc import Callable, Sequence
from typing import TypeVar

R = TypeVar("R")
T = TypeVar("T")


def readable_page(
    rows_after: Callable[[R | None], Sequence[R]], opened: Callable[[Sequence[R]], Sequence[T | None]], limit: int
) -> list[T]:
    """The first `limit` rows that can be read.

    `rows_after` gives at most `limit` rows after one, or the first ones; `opened` reads them, with None in the place of
    each that cannot be read.
    """
    found: list[T] = []
    last: R | None = None
    while True:
        rows = rows_after(last)
        found += [each for each in opened(rows) if each is not None]
        if len(found) >= limit or len(rows) < limit:
            return found[:limit]
        last = rows[-1]
