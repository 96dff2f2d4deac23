"""Purges notices that were delivered."""

from dataclasses import dataclass, field

from gateway.store.port import Transaction
from region_node.records.purging.port import Cut, Page, place_of


@dataclass(frozen=True)
class _Notice:
    notice_id: str
    number: str = field(repr=False)
    delivery_time: int


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
