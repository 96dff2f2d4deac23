"""Purges what is about no order: notices, imports, verification, impact records. Says what is forgotten elsewhere."""

from dataclasses import dataclass, field

from gateway.store.port import Transaction
from gateway.vault import destroy
from region_node.lifecycle.retention.port import Cut, Page, place_of
from region_node.node.subjects import import_subject


@dataclass(frozen=True)
class _Notice:
    notice_id: str
    number: str = field(repr=False)
    delivery_time: int


@dataclass(frozen=True)
class _Mark:
    number: str = field(repr=False)
    time: int


class Notices:
    """Notices that were delivered. What waits is kept, however long."""

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. A place is the instant and the id of the last notice that was looked at."""
        instant, key = place_of(place)
        found = tx.all(
            _Notice,
            "SELECT notice_id, number, delivery_time FROM notices WHERE delivery_time IS NOT NULL"
            " AND delivery_time < :before AND (delivery_time, notice_id) > (:after, :key)"
            " ORDER BY delivery_time, notice_id LIMIT :limit",
            before=cut.before,
            after=instant,
            key=key,
            limit=cut.limit,
        )
        gone = [each for each in found if each.number not in cut.held.numbers]
        tx.execute_many(
            "DELETE FROM notices WHERE notice_id = :notice_id", [{"notice_id": each.notice_id} for each in gone]
        )
        last = found[-1] if len(found) == cut.limit else None
        place = f"{last.delivery_time} {last.notice_id}" if last is not None else ""
        return Page(len(gone), len(found) - len(gone), place)

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(
            int, "SELECT delivery_time FROM notices WHERE delivery_time IS NOT NULL ORDER BY delivery_time LIMIT 1"
        )


class Imports:
    """Files of customers or complaints that were taken over to their end: checkpoints, what was rejected, its key."""

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. There is no place: what may go goes."""
        found = tx.all(
            bytes,
            "SELECT sha256 FROM imports WHERE time < :before AND last_line >= lines ORDER BY time LIMIT :limit",
            before=cut.before,
            limit=cut.limit,
        )
        gone = [{"sha256": each} for each in found]
        destroy(tx, [import_subject(each) for each in found])
        tx.execute_many("DELETE FROM import_rejections WHERE sha256 = :sha256", gone)
        tx.execute_many("DELETE FROM imports WHERE sha256 = :sha256", gone)
        return Page(len(found), 0, "on" if len(found) == cut.limit else "")

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(int, "SELECT time FROM imports ORDER BY time LIMIT 1")


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


class ImpactRecords:
    """Assessments."""

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. There is no place: what may go goes."""
        removed = tx.execute(
            "DELETE FROM impact_records WHERE record_id IN"
            " (SELECT record_id FROM impact_records WHERE recorded < :before ORDER BY recorded LIMIT :limit)",
            before=cut.before,
            limit=cut.limit,
        )
        return Page(removed, 0, "on" if removed == cut.limit else "")

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(int, "SELECT recorded FROM impact_records ORDER BY recorded LIMIT 1")


class UsageAndBills:
    """Forgotten by the billing run, as it bills a month; the report says how much that was."""

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger."""
        return Page(0, 0, "")

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger. One of the oldest month."""
        return tx.first(int, "SELECT usage_date FROM usage_records ORDER BY month LIMIT 1")


class AuditTrail:
    """Kept: a chain without its beginning could not be verified from it."""

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger."""
        return Page(0, 0, "")

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(int, "SELECT time FROM audit ORDER BY sequence LIMIT 1")
