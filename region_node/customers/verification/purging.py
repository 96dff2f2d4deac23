"""Purges stored verifications."""

from dataclasses import dataclass, field, replace

from gateway.store.port import Transaction
from region_node.records.purging.aged import aged
from region_node.records.purging.port import Cut, Page


@dataclass(frozen=True)
class _Mark:
    number: str = field(repr=False)
    time: int


class Verification:
    """Purges expired failures, then expired codes."""

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. A place is the table, the instant and the number of the last row that was looked at."""
        if place.startswith("codes "):
            return self._codes(tx, cut, place.removeprefix("codes "))
        return self._failures(tx, cut, place.removeprefix("failures "))

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(
            int,
            "SELECT time FROM (SELECT MIN(time) AS time FROM wrong_answers"
            " UNION ALL SELECT MIN(expire_time) FROM asked_codes) AS both_tables"
            " WHERE time IS NOT NULL ORDER BY time LIMIT 1",
        )

    def _failures(self, tx: Transaction, cut: Cut, place: str) -> Page:
        page = self._purged(tx, cut, place, "wrong_answers", "time")
        return replace(page, place=f"failures {page.place}" if page.place else "codes ")

    def _codes(self, tx: Transaction, cut: Cut, place: str) -> Page:
        page = self._purged(tx, cut, place, "asked_codes", "expire_time")
        return replace(page, place=f"codes {page.place}" if page.place else "")

    def _purged(self, tx: Transaction, cut: Cut, place: str, table: str, column: str) -> Page:
        select = f"SELECT number, {column} FROM {table}"  # noqa: S608 - names of this module
        found = aged(tx, _Mark, select, cut, place, time=column, key="number")
        gone = [each for each in found.rows if each.number not in cut.held.numbers]
        tx.execute_many(
            f"DELETE FROM {table} WHERE number = :number AND {column} = :time",  # noqa: S608 - names of this module
            [{"number": each.number, "time": each.time} for each in gone],
        )
        return Page(len(gone), len(found.rows) - len(gone), found.behind)
