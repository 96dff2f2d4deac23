"""Purges what is remembered of verifications."""

from dataclasses import dataclass, field

from gateway.store.port import Transaction
from region_node.records.purging.port import Cut, Page, place_of


@dataclass(frozen=True)
class _Mark:
    number: str = field(repr=False)
    time: int


class Verification:
    """Failures that count no more, then codes whose time is over."""

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
        found, gone = self._found(tx, cut, place, "wrong_answers", "time")
        tx.execute_many(
            "DELETE FROM wrong_answers WHERE number = :number AND time = :time",
            [{"number": each.number, "time": each.time} for each in gone],
        )
        last = found[-1] if len(found) == cut.limit else None
        place = f"failures {last.time} {last.number}" if last is not None else "codes "
        return Page(len(gone), len(found) - len(gone), place)

    def _codes(self, tx: Transaction, cut: Cut, place: str) -> Page:
        found, gone = self._found(tx, cut, place, "asked_codes", "expire_time")
        tx.execute_many(
            "DELETE FROM asked_codes WHERE number = :number AND expire_time = :time",
            [{"number": each.number, "time": each.time} for each in gone],
        )
        last = found[-1] if len(found) == cut.limit else None
        return Page(len(gone), len(found) - len(gone), f"codes {last.time} {last.number}" if last is not None else "")

    def _found(self, tx: Transaction, cut: Cut, place: str, table: str, column: str) -> tuple[list[_Mark], list[_Mark]]:
        """The next rows of a table, and those of them that may go."""
        instant, key = place_of(place)
        found = tx.all(
            _Mark,
            f"SELECT number, {column} FROM {table} WHERE {column} < :before"  # noqa: S608 - names of this module
            f" AND ({column}, number) > (:after, :key) ORDER BY {column}, number LIMIT :limit",
            before=cut.before,
            after=instant,
            key=key,
            limit=cut.limit,
        )
        return found, [each for each in found if each.number not in cut.held.numbers]
