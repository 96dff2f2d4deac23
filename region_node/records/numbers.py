"""The numbers that a region gives to its own records of one kind."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.store.port import Transaction

FLOORS = "number_floors"
_DIGITS = 18  # of a number: more may not fit a column of 64 bits


class Counted(Protocol):
    """Numbers that run on, and are never given twice."""

    def skip(self, tx: Transaction, count: int) -> None:
        """Leaves out the next numbers: a lost part of the database may have given them."""
        ...


@dataclass(frozen=True)
class Numbers:
    """The numbers of one kind: `column` of `table`, 0 for the records of other regions.

    The table `purged`, of a kind that is purged, keeps the last number that was purged, so that no number is given
    twice.
    """

    table: str
    column: str
    purged: str = ""

    def next(self, tx: Transaction) -> int:
        """The number of the next record."""
        return tx.once(self.table, self.column, lambda: self._last(tx)) + 1

    def note(self, tx: Transaction, number: int) -> None:
        """Notes that a record with a number was just added."""
        if number:
            tx.know(self.table, self.column, number)

    def restored(self, tx: Transaction, name: str, insert: Callable[[int], None]) -> None:
        """Adds a record of this region once more, with the number at the end of its id. The next number stays."""
        last, number = self.next(tx) - 1, number_in(name)
        insert(number)
        self.note(tx, max(last, number))

    def skip(self, tx: Transaction, count: int) -> None:
        """See `Counted`."""
        tx.know(self.table, self.column, skip_after(tx, self.table, self.next(tx) - 1, count))

    def _last(self, tx: Transaction) -> int:
        purged = (f"SELECT {self.column} FROM {self.purged}",) if self.purged else ()  # noqa: S608 - names of modules
        return last_of(tx, self.table, self.column, *purged)


def number_in(name: str) -> int:
    """The number at the end of an id, behind a hyphen; 0 for none."""
    number = name.rpartition("-")[2]
    return int(number) if number.isascii() and number.isdecimal() and len(number) <= _DIGITS else 0


def last_of(tx: Transaction, table: str, column: str, *more: str) -> int:
    """The last number that a table's records have, or a lost part of the database may have given; 0 without any.

    `more` are queries of further numbers.
    """
    known = (f"SELECT MAX({column}) AS number FROM {table}", f"SELECT number FROM {FLOORS} WHERE records = '{table}'")  # noqa: S608
    numbers = " UNION ALL ".join((*known, *more))
    return tx.first(int, f"SELECT COALESCE(MAX(number), 0) FROM ({numbers}) AS numbers") or 0  # noqa: S608


def skip_after(tx: Transaction, table: str, last: int, count: int) -> int:
    """Has the numbers of a table go on behind `last` and further `count`; returns the last one left out."""
    tx.execute(
        f"INSERT INTO {FLOORS} (records, number) VALUES (:records, :number)"  # noqa: S608
        " ON CONFLICT (records) DO UPDATE SET number = excluded.number",
        records=table,
        number=last + count,
    )
    return last + count
