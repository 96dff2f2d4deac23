"""Pages of rows of which some are unreadable, because their keys were destroyed."""

from collections.abc import Callable, Sequence
from typing import TypeVar

R = TypeVar("R")
T = TypeVar("T")


def readable_page(
    rows_after: Callable[[R | None], Sequence[R]], opened: Callable[[Sequence[R]], Sequence[T | None]], limit: int
) -> list[T]:
    """The first `limit` readable rows.

    `rows_after` returns at most `limit` rows after a row, or the first ones. `opened` decrypts them, with None in the
    place of each unreadable one.
    """
    found: list[T] = []
    last: R | None = None
    while True:
        rows = rows_after(last)
        found += [each for each in opened(rows) if each is not None]
        if len(found) >= limit or len(rows) < limit:
            return found[:limit]
        last = rows[-1]
