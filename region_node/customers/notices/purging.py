"""Purges notices that were delivered."""

from dataclasses import dataclass, field

from gateway.store.port import Transaction
from region_node.records.purging.aged import aged
from region_node.records.purging.port import Cut, Page


@dataclass(frozen=True)
class _Notice:
    notice_id: str
    delivery_time: int
    number: str = field(repr=False)


class Notices:
    """Purges delivered notices. Waiting ones are kept, however long."""

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. A place is the instant and the id of the last notice that was looked at."""
        select = "SELECT notice_id, delivery_time, number FROM notices"
        found = aged(
            tx, _Notice, select, cut, place, time="delivery_time", key="notice_id", where="delivery_time IS NOT NULL"
        )
        gone = [each for each in found.rows if each.number not in cut.held.numbers]
        tx.execute_many(
            "DELETE FROM notices WHERE notice_id = :notice_id", [{"notice_id": each.notice_id} for each in gone]
        )
        return Page(len(gone), len(found.rows) - len(gone), found.behind)

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(
            int, "SELECT delivery_time FROM notices WHERE delivery_time IS NOT NULL ORDER BY delivery_time LIMIT 1"
        )
