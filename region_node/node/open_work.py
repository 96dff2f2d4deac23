"""Open work: records that operator systems have handed in at this region, which take room until they are done.

It is counted from indexes of what is open, now and then, a page at a time: the path of an order counts nothing, other
processes make no difference, and an operator system may pass its bound until the count is done. A large record counts
as several: the bound is one of room on the disk.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.store.port import Transaction
from region_node.node.operator_work import OperatorWork, weight

PAGE = 1000  # rows of one read: on SQLite all other work waits for it


class Place(NamedTuple):
    """A place in the order of an index, which begins with a time in microseconds."""

    time: int = -1
    name: str = ""


class OpenRow(NamedTuple):
    """An open record: the region that has taken it in, the operator system that has handed it in there, its bytes."""

    time: int
    name: str
    origin: str
    operator: str
    size: int

    @property
    def weight(self) -> int:
        """As how many records it counts."""
        return weight(self.size)

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.time, self.name)


@dataclass(frozen=True)
class OpenRows:
    """The open records of a table, in the order of a partial index on `dated` and `key` for those of a condition (SQL).

    `condition` is that of the index, to the letter.
    """

    table: str
    key: str
    dated: str
    condition: str

    def page(self, tx: Transaction, after: Place) -> Sequence[OpenRow]:
        """At most `PAGE` of them behind a place."""
        return tx.all(
            OpenRow,
            f"SELECT {self.dated}, {self.key}, origin_region, operator, LENGTH(body)"  # noqa: S608 - names of modules
            f" FROM {self.table}"
            f" WHERE {self.condition} AND ({self.dated}, {self.key}) > (:time, :name)"
            f" ORDER BY {self.dated}, {self.key} LIMIT :limit",
            time=after.time,
            name=after.name,
            limit=PAGE,
        )


def is_last(page: Sequence[OpenRow]) -> bool:
    """Whether a page had room for more records: what came meanwhile is counted at the next look."""
    return len(page) < PAGE


def counted(page: Sequence[OpenRow], region: str) -> Counter[str]:
    """The records of a page that a region has taken in, by operator system."""
    found = Counter[str]()
    for each in page:
        if each.origin == region:
            found[each.operator] += each.weight
    return found


class OpenWork(OperatorWork):
    """The open work by the last count. A refusal has OPEN_WORK_TOO_MUCH."""

    def __init__(self) -> None:
        super().__init__(Reason.REASON_OPEN_WORK_TOO_MUCH, "open")
