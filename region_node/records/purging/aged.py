"""Expired rows, page by page in the order of their time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from gateway.store.port import Transaction, Value
from region_node.records.purging.port import Cut, place_of

T = TypeVar("T")


@dataclass(frozen=True)
class Aged(Generic[T]):
    """A page of rows, and the place behind its last row; empty where no page follows."""

    rows: Sequence[T]
    behind: str


def aged(
    tx: Transaction,
    made: Callable[..., T],
    select: str,
    cut: Cut,
    place: str,
    *,
    time: str,
    key: str,
    where: str = "",
    **parameters: Value,
) -> Aged[T]:
    """The rows after a place whose time is before the cut, by time and key.

    `select` is SQL up to the table. It begins with the columns `key` and `time`; `made` takes all of its columns.
    `where` is a further condition, with its `parameters`; `:before` is the cut.
    """
    instant, after = place_of(place)
    found = tx.all(
        lambda *row: (made(*row), f"{row[1]} {row[0]}"),
        f"{select} WHERE {time} < :before{f' AND {where}' if where else ''}"
        f" AND ({time}, {key}) > (:instant, :after) ORDER BY {time}, {key} LIMIT :limit",
        before=cut.before,
        instant=instant,
        after=after,
        limit=cut.limit,
        **parameters,
    )
    return Aged([row for row, _ in found], found[-1][1] if len(found) == cut.limit else "")
