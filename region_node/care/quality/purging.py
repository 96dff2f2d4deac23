"""Purges old supervision samples. They name no customer, so that no hold concerns them."""

from gateway.store.port import Transaction
from region_node.care.quality.sample_rows import remove_samples
from region_node.records.purging.aged import aged
from region_node.records.purging.port import Cut, Page


class Samples:
    """Purges samples with their judgements."""

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. A place is the instant and the id of the last sample that was looked at."""
        select = "SELECT sample_id, create_time FROM supervision_samples"
        found = aged(tx, lambda sample_id, _: sample_id, select, cut, place, time="create_time", key="sample_id")
        remove_samples(tx, found.rows)
        return Page(len(found.rows), 0, found.behind)

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(int, "SELECT create_time FROM supervision_samples ORDER BY create_time LIMIT 1")
