"""The numbers that a region gives to its own records of one kind."""

from dataclasses import dataclass

from gateway.store.port import Transaction


@dataclass(frozen=True)
class Numbers:
    """The numbers of one kind: `column` of `table`, 0 for the records of other regions.

    The table `purged` keeps the last number that was purged, so that no number is given twice.
    """

    table: str
    column: str
    purged: str

    def next(self, tx: Transaction) -> int:
        """The number of the next record."""
        return tx.once(self.table, self.column, lambda: self._last(tx)) + 1

    def note(self, tx: Transaction, number: int) -> None:
        """Notes that a record with a number was just added."""
        if number:
            tx.know(self.table, self.column, number)

    def _last(self, tx: Transaction) -> int:
        last = tx.first(
            int,
            f"SELECT COALESCE(MAX({self.column}), 0) FROM (SELECT MAX({self.column}) AS {self.column} FROM {self.table}"  # noqa: S608 - names of modules
            f" UNION ALL SELECT {self.column} FROM {self.purged}) AS numbers",
        )
        return last or 0
