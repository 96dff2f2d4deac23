"""Purges imports and impact records, and reports the age of the audit chain."""

from gateway.store.port import Transaction
from gateway.store.vault import destroy
from region_node.node.subjects import import_subject
from region_node.records.purging.port import Cut, Page


class Imports:
    """Purges completed imports of customers or complaints: checkpoints, rejected lines, and their key."""

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. There is no place, since removed rows are gone."""
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


class ImpactRecords:
    """Assessments."""

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. There is no place, since removed rows are gone."""
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


class AuditTrail:
    """Removes nothing: a chain without its beginning could not be verified."""

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger."""
        return Page(0, 0, "")

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(int, "SELECT time FROM audit ORDER BY sequence LIMIT 1")
